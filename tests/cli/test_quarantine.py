"""`relay quarantine`: what lies there, what is in it, and having it read once more."""

import base64
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import aiohttp
import pytest
import structlog

from relay.app.service import Service
from relay.core.audit import Entry
from relay.core.ports import Recorded
from relay.core.receipt import Receipt
from relay.record.grouped import GroupedStore
from tests.acceptance.relays import callback, run_id, sign
from tests.cli.replaying import Ground

pytestmark = pytest.mark.timeout(60, func_only=True)

FORGETFUL = (
    "retention: {payloads: 2d, attempts: 2d, dead_letters: 2d, identities: 30d}\n"
)
ODD = b'{"event": "evaluation.completed"}'


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    before = logging.root.handlers[:]
    with Ground(tmp_path).opened() as opened:
        # Whatever ended months ago is older than its memory.
        opened.more = FORGETFUL
        with opened.served() as service:
            opened.do(_post(service, ODD))
            for _ in range(2):
                opened.do(_post(service, callback(1)))
        yield opened
    # A command sets up its log.
    logging.root.handlers[:] = before
    structlog.reset_defaults()


async def _post(service: Service, body: bytes) -> None:
    url = f"http://127.0.0.1:{service.public.port}/callbacks/acme"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=sign(body)) as answer,
    ):
        assert answer.status == 202


def test_what_lies_there_is_counted_and_listed(ground: Ground) -> None:
    said = ground.type("quarantine")
    flat = " ".join(said.out.split())
    assert "acme too_old 1 2" in flat
    assert "acme unknown_family 1 1" in flat
    none = ground.type("quarantine", "--reason", "not_json")
    assert none.out == "Nothing in quarantine is meant by that.\n"
    found = ground.document("quarantine", "--reason", "too_old")
    assert [one["count"] for one in found["items"]] == [2]
    first = ground.document("quarantine", "--limit", "1")
    second = ground.document("quarantine", "--cursor", str(first["next"]))
    assert len(second["items"]) == 1
    assert second["next"] is None


def test_a_body_is_shown_only_to_who_asks_for_it(ground: Ground) -> None:
    [odd] = ground.document("quarantine", "--reason", "unknown_family")["items"]
    digest = odd["digest"][:12]
    shown = ground.type("quarantine", "show", digest)
    assert "runflow-signature" in shown.out.lower()
    assert "evaluation" not in shown.out
    assert "body_base64" not in ground.document("quarantine", "show", digest)
    body = ground.document("quarantine", "show", digest, "--body")["body_base64"]
    assert base64.b64decode(body) == ODD
    assert ground.type("quarantine", "show", digest, "--body").out == ODD.decode()
    for wrong, words in (("xyz", "is no digest"), ("0" * 32, "nothing in quarantine")):
        said = ground.type("quarantine", "show", wrong)
        assert (said.code, said.out) == (2, "")
        assert words in said.err


@pytest.mark.parametrize("running", [True, False])
def test_what_can_be_read_by_now_becomes_its_event(
    running: bool, ground: Ground
) -> None:
    """By the relay that runs, or else here; what cannot be read stays and is said."""
    ground.more = ""
    if running:
        with ground.served():
            said = ground.type("quarantine", "replay", "--all")
    else:
        ground.settings()
        said = ground.type("quarantine", "replay", "--all")
        with ground.served():
            ground.until(ground.has_heard)
    assert "1 left quarantine (1 first); 1 made an event at once." in said.out
    assert "1 stayed: unknown_family" in said.out
    assert said.code == 3
    [request] = ground.endpoint.requests
    assert json.loads(request.body)["subject"] == run_id(1)
    assert ground.balances()


@pytest.mark.parametrize("running", [True, False])
def test_what_somebody_else_has_had_read_meanwhile_did_not_stay(
    running: bool, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once: what the other one is told of leaves only once, and nobody is told that it is there yet."""
    ground.more = ""
    readmit = GroupedStore.readmit

    async def second(
        self: GroupedStore, receipts: Sequence[Receipt], /, *, entry: Entry
    ) -> Sequence[Recorded]:
        await readmit(self, receipts, entry=entry)
        return await readmit(self, receipts, entry=entry)

    monkeypatch.setattr(GroupedStore, "readmit", second)
    ground.settings()
    with ground.served() if running else nullcontext():
        said = ground.type("quarantine", "replay", "--reason", "too_old")
    words = (
        "1 was gone by then: had been read by somebody else meanwhile, or forgotten.\n"
    )
    assert (said.code, said.out) == (0, words)
    monkeypatch.undo()
    again = ground.document("quarantine", "replay", "--all")
    assert again["left"] == {"unknown_family": 1}
    assert (again["gone"], again["looked_at"]) == (0, 1)


def test_a_replay_of_nothing_in_particular_is_asked_about(ground: Ground) -> None:
    said = ground.type("quarantine", "replay")
    assert (said.code, said.out) == (2, "")
    assert "name digests, --source or --reason; or --all" in said.err
    none = ground.type("quarantine", "replay", "--reason", "not_json")
    assert (none.code, none.out) == (0, "Nothing in quarantine is meant by that.\n")
    missing = ground.type("quarantine", "replay", "0" * 32)
    assert missing.code == 2

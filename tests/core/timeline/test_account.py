"""What the API says of a run now: in words, in lines, against the last event, and where nothing is stored."""

import json
from dataclasses import replace

import msgspec
import pytest

from relay.core.delivery import SECOND
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.run import Verdict
from relay.core.snapshot import Snapshot, Unfinished, read_answer
from relay.core.timeline import (
    Account,
    CallbackDelivery,
    CallbackTry,
    Findings,
    History,
    Unanswered,
    account_words,
    as_json,
    callback_words,
    differences,
    entries,
    explain,
    explain_hidden,
    missing_words,
)
from tests.core.timeline.histories import (
    KEY,
    PLAN,
    delivered,
    event,
    history,
    receipt,
    sent,
)
from tests.fakes import NOW_US

URL = "https://relay.example.com/callbacks/acme"
BASE = "https://relay.example.com/"
NOBODY = Unanswered(reason="unauthorized", status=401)


def told(key: RunKey = KEY, **changed: object) -> Snapshot:
    said = {
        "id": key.id,
        "status_code": "succeeded",
        "created_at": "2026-03-01T11:58:00Z",
        "started_at": "2026-03-01T11:58:10Z",
        "completed_at": "2026-03-01T11:59:58Z",
        "output": {"n": 1},
        **changed,
    }
    found = read_answer(json.dumps(said).encode(), key)
    assert isinstance(found, Snapshot)
    return found


def a_try(status: int | None = 503, **changed: object) -> CallbackTry:
    values: dict[str, object] = {
        "at": NOW_US,
        "number": 1,
        "status": status,
        "error": None,
        "duration_ms": 31,
    }
    return CallbackTry(**{**values, **changed})  # type: ignore[arg-type]


def sending(*tries: CallbackTry, **changed: object) -> CallbackDelivery:
    values: dict[str, object] = {
        "state": "pending",
        "url": URL,
        "automatic": True,
        "created_at": NOW_US,
        "next_at": None,
        "tries_max": 5,
        "failure": None,
    }
    return CallbackDelivery(**{**values, **changed}, tries=tries)  # type: ignore[arg-type]


def account(**changed: object) -> Account:
    values: dict[str, object] = {
        "source": "acme",
        "at": NOW_US,
        "run": told(),
        "callbacks": (),
        "callback_url": URL,
    }
    return Account(**{**values, **changed})  # type: ignore[arg-type]


def spoken(one: Account) -> str:
    return callback_words(one, plan=PLAN, now=NOW_US)


class TestWords:
    @pytest.mark.parametrize(
        "run, words",
        [
            (told(), 'the run has ended: "succeeded"'),
            (Unfinished("running"), 'the run goes on: "running"'),
            (
                NOBODY,
                "it does not know the token (unauthorized, 401) - check sources[0].api.token",
            ),
            (Unanswered(reason="timeout"), "no answer in time (timeout)"),
        ],
        ids=["ended", "goes-on", "refused", "silent"],
    )
    def test_of_the_run(
        self, run: Snapshot | Unfinished | Unanswered, words: str
    ) -> None:
        assert account_words(account(run=run), plan=PLAN) == words

    def test_of_its_callbacks(self) -> None:
        assert spoken(account(callback_url=None)) == "none: the run has no callback_url"
        assert spoken(account()) == f"none sent yet, to {URL}"
        assert spoken(account(callbacks=NOBODY)).startswith(
            "it does not know the token"
        )
        once = sending(a_try(), next_at=NOW_US + SECOND, failure="HTTP 503")
        assert spoken(account(callbacks=(once,))) == (
            f"pending (HTTP 503) after 1 try to {URL}, the next at 12:00:01"
        )
        bare = sending(a_try(), a_try(202), state=None, url=None)
        assert spoken(account(callbacks=(once, bare))) == (
            "state unknown after 2 tries, the last of 2"
        )


class TestLines:
    def lines(self, one: Account) -> list[tuple[str, str]]:
        return [(entry.kind, entry.words) for entry in entries(None, one)]

    def test_when_it_was_created_started_and_ended(self) -> None:
        assert self.lines(account()) == [
            ("runflow", "created"),
            ("runflow", "started"),
            ("runflow", 'ended after 1 min 48 s: "succeeded"'),
        ]

    def test_what_it_does_not_say_is_no_line(self) -> None:
        bare = told(created_at=None, started_at=None)
        assert self.lines(account(run=bare)) == [("runflow", 'ended: "succeeded"')]
        silent = told(created_at=None, started_at=None, completed_at=None)
        assert self.lines(account(run=silent)) == []
        odd = told(started_at=None, created_at="2026-03-01T12:00:00Z")
        assert ("runflow", 'ended: "succeeded"') in self.lines(account(run=odd))

    def test_of_a_run_that_goes_on_only_when_it_was_created(self) -> None:
        open_run = account(run=Unfinished("running"), created_at=NOW_US)
        assert self.lines(open_run) == [("runflow", "created")]
        assert self.lines(account(run=NOBODY, callbacks=NOBODY)) == []

    def test_every_try_of_its_callback(self) -> None:
        tries = (
            a_try(error="HTTP 503"),
            a_try(None, number=2, at=NOW_US + 1, duration_ms=None, error="timed\nout"),
        )
        again = sending(
            a_try(202, at=None, number=None), automatic=False, tries_max=None
        )
        never = sending(a_try(at=None), created_at=None)
        made = account(run=NOBODY, callbacks=(sending(*tries), again, never))
        assert self.lines(made) == [
            (
                "sent",
                "Runflow sent its callback, try 1 of 5: answered 503 (HTTP 503), 31 ms",
            ),
            ("sent", "Runflow sent its redelivery: answered 202, 31 ms"),
            (
                "sent",
                "Runflow sent its callback, try 2 of 5: no answer (timed\\x0aout)",
            ),
        ]


class TestDifferences:
    def published(self, **changed: object) -> History:
        """Its event was built from a callback that says the same as the API, but for this."""
        said = {
            "run_id": KEY.id,
            "status": "succeeded",
            "created_at": "2026-03-01T11:58:00.000000Z",
            "completed_at": "2026-03-01T11:59:58Z",
            "output": {"n": 1},
            **changed,
        }
        return sent(delivered(), last_body=json.dumps(said).encode())

    def found(self, stored: History, one: Account | None = None) -> list[str]:
        return [found.words for found in differences(stored, one or account())]

    def test_none_where_both_say_the_same(self) -> None:
        assert self.found(self.published()) == []

    def test_fields_that_say_something_else(self) -> None:
        stored = self.published(completed_at="2026-03-01T11:59:00Z", created_at=None)
        one, other, third = (
            f"2026-03-01T11:{clock}.000000Z" for clock in ("59:00", "59:58", "58:00")
        )
        assert self.found(stored) == [
            f"completed_at: the event says {one}, the API {other}",
            f"created_at: the event says nothing, the API {third}",
        ]

    def test_an_output_shows_its_size_only(self) -> None:
        assert self.found(self.published(output={"secret": 12})) == [
            "output differs (14 B and 8 B)"
        ]

    def test_a_failure_that_the_event_does_not_have(self) -> None:
        stored = msgspec.structs.replace(
            self.published(status="failed", output=None), outcome=Outcome.FAILED
        )
        now = account(run=told(status_code="failed", output=None, failure_code="OOM"))
        assert self.found(stored, now) == ["failure differs (none and some)"]

    def test_another_end(self) -> None:
        now = account(run=told(status_code="failed"))
        assert self.found(self.published(), now) == [
            "status: the event says succeeded, the API failed"
        ]

    def test_no_end_at_all(self) -> None:
        now = account(run=Unfinished("running"))
        assert self.found(self.published(), now) == [
            'status: the event says succeeded, the API "running", which is no end'
        ]

    def test_a_client_ref_that_nobody_had_told(self) -> None:
        now = account(run=told(client_ref="order-1"))
        assert self.found(self.published(), now) == [
            "client_ref: the event says nothing, the API order-1"
        ]

    def test_nothing_is_compared_with_what_is_not_there(self) -> None:
        assert self.found(history()) == []
        assert self.found(sent(delivered())) == []
        assert self.found(sent(delivered(), last_body=b"gone")) == []
        assert self.found(self.published(), account(run=NOBODY)) == []


class TestMissing:
    def words(self, one: Account, base: str | None = BASE) -> str:
        return " ".join(missing_words(one, plan=PLAN, base=base, now=NOW_US))

    def test_unknown_there_too(self) -> None:
        one = account(run=Unanswered(reason="not_found", status=404))
        assert self.words(one) == (
            "acme: Runflow does not know it either, or not by this token."
        )

    def test_nobody_could_be_asked(self) -> None:
        assert self.words(account(run=NOBODY)) == (
            "acme: the API could not be asked: it does not know the token (unauthorized, 401) - check"
            " sources[0].api.token"
        )

    def test_a_run_without_a_callback_url(self) -> None:
        assert "It has no callback_url" in self.words(account(callback_url=None))

    def test_a_callback_that_goes_elsewhere(self) -> None:
        one = account(callback_url="https://other.example.com/hook")
        assert (
            "go to https://other.example.com/hook, which is not this relay"
            in self.words(one)
        )
        assert "not this relay" not in self.words(one, base=None)

    @pytest.mark.parametrize(
        "url, ours",
        [
            ("HTTPS://Relay.Example.COM:443/callbacks/acme", True),
            ("https://relay.example.com/callbacks/acme/org?token=1", True),
            ("https://relay.example.com:8443/callbacks/acme", False),
            ("https://relay.example.com/callbacks-two/acme", False),
        ],
    )
    def test_a_callback_comes_here_however_its_host_and_port_are_written(
        self, url: str, ours: bool
    ) -> None:
        one = account(callback_url=url, callbacks=(sending(a_try()),))
        assert ("not this relay" not in self.words(one)) is ours

    def test_a_run_that_goes_on(self) -> None:
        one = account(run=Unfinished("running"))
        assert self.words(one).endswith("Its callback comes when it has ended.")

    def test_a_callback_that_failed_is_found_by_a_sweep_or_sent_again(self) -> None:
        one = account(callbacks=(sending(a_try()),))
        assert self.words(one).endswith(
            "No callback of it has come here: a sweep finds it, or have Runflow send it again"
            " (POST /v1/runs/run_1/callback-redeliveries)."
        )
        batch = told(RunKey("acme", Kind.BATCH, "batch_1"))
        assert "/v1/batches/batch_1/" in self.words(account(run=batch))

    def test_a_callback_that_somebody_has_taken(self) -> None:
        one = account(callbacks=(sending(a_try(), a_try(202)),))
        assert self.words(one).endswith(
            "One was answered 202, and it is not in this store: another relay, or another store, has it."
        )

    def test_callbacks_that_cannot_be_asked_for(self) -> None:
        one = account(callbacks=NOBODY)
        assert self.words(one).endswith("No callback of it has come here.")


class TestDocument:
    def test_every_key_is_always_there(self) -> None:
        whole = explain(
            sent(delivered(), left_out={"receipts": 214}),
            account(left_out=3),
            plan=replace(PLAN),
            now=NOW_US,
        )
        bare = explain(history(), None, plan=None, now=NOW_US)
        hidden = receipt(verdict=Verdict.QUARANTINED)
        found = Findings(quarantined=(hidden,))
        shy = explain_hidden("run_1", found, now=NOW_US)
        documents = [as_json(one) for one in (whole, bare, shy)]
        assert [[*one] for one in documents] == [[*documents[0]]] * 3
        assert documents[0]["left_out"] == {"callbacks": 214, "tries of Runflow": 3}
        assert documents[1]["upstream"] is None
        assert json.loads(json.dumps(documents)) == documents

    @pytest.mark.parametrize(
        "run, word, status",
        [
            (told(), "told", "succeeded"),
            (Unfinished("running"), "unended", "running"),
            (NOBODY, "unauthorized", None),
        ],
    )
    def test_what_the_api_says_has_one_word(
        self, run: Snapshot | Unfinished | Unanswered, word: str, status: str | None
    ) -> None:
        one = account(run=run, callbacks=NOBODY)
        stated = explain(sent(delivered()), one, plan=PLAN, now=NOW_US).upstream
        assert stated is not None
        assert (stated.run, stated.status, stated.callbacks) == (
            word,
            status,
            "unauthorized",
        )

    def test_quarantined_bytes_of_several_sources_have_no_one_source(self) -> None:
        both = tuple(receipt(verdict=Verdict.QUARANTINED, source=s) for s in "ab")
        found = explain_hidden("x", Findings(quarantined=both), now=NOW_US)
        assert found.run.source is None
        assert explain(history(events=(event(),)), None, plan=None, now=NOW_US).run.kind

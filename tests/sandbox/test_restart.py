"""State in a file: a sandbox that stopped, or was killed, goes on where it was."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from relay.sandbox import Faults, Retries, Sandbox, ShelfError, unsigned
from relay.sandbox.shelf import Shelf
from tests.sandbox.caller import AUTH, BATCH, NOON, Caller, calling

if TYPE_CHECKING:
    # a conftest is no module to import from: only its types are
    from tests.sandbox.conftest import Receiver


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.db"


@asynccontextmanager
async def again(state: Path, **changed: Any) -> AsyncIterator[Caller]:
    async with calling(state=state, secret="whsec_x", **changed) as call:
        yield call


async def test_what_was_is_there_again_byte_for_byte(
    state: Path, receiver: "Receiver"
) -> None:
    faults = Faults(failed=0.3, cancelled=0.3, double=0.5, partial=0.5, evaluated=1.0)
    async with again(state, faults=faults) as call:
        made = await call.ended(12, callback_url=receiver.url, metadata={"a": 1.10})
        batch = (await call("POST", BATCH, {"input": [{}, {}]})).json
        await call("POST", "/v1/callback-secrets", {"label": "second"})
        await call.sandbox.settled()
        before = await everything(call, made, batch)
    async with again(state) as call:
        assert await everything(call, made, batch) == before
        assert call.sandbox.faults == faults
        assert call.sandbox.secret == "whsec_x"
    assert len(receiver.bodies) == len(json.loads(before[-1])) > 12


async def everything(call: Caller, made: list[Any], batch: Any) -> list[str]:
    paths = [f"/v1/runs/{run['id']}" for run in made]
    paths += [f"{path}/callback" for path in paths] + [f"{path}/logs" for path in paths]
    paths += [f"/v1/batches/{batch['id']}", "/v1/callback-secrets", "/sandbox/batches"]
    texts = [(await call("GET", path)).text for path in paths]
    told = [unsigned(run.output or "") for run in call.sandbox.runs()]
    sent = [s for run in call.sandbox.runs() for s in range(run.attempts)]
    # the port is another one, and so stands in links
    shown = [re.sub(r"127.0.0.1:\d+/assets", "", unsigned(text)) for text in texts]
    known = [re.sub(r"127.0.0.1:\d+/assets", "", text) for text in told]
    return [*shown, *known, json.dumps(sent)]


async def test_runs_under_way_go_on(state: Path, receiver: "Receiver") -> None:
    async with again(state, run_seconds=(60.0, 60.0)) as call:
        await call.create(3, callback_url=receiver.url)
        made = (
            await call("POST", BATCH, {"input": [{}], "callback_url": receiver.url})
        ).json
    async with again(state) as call:
        await call.sandbox.settled()
        known = call.sandbox.runs()
        (batch,) = call.sandbox.batches()
        await call.ended()
        assert len(call.sandbox.runs()) == 5
    assert {told.outcome for told in known} == {"succeeded"}
    assert all(told.settled for told in known)
    assert (batch.outcome, batch.settled) == ("succeeded", True)
    told_of = [body.get("run_id") or body["batch_id"] for body in receiver.payloads()]
    assert sorted(told_of) == sorted([*(run.id for run in known[:3]), made["id"]])


async def test_callbacks_that_were_not_heard_are_still_tried(
    state: Path, receiver: "Receiver"
) -> None:
    receiver.answer = lambda _: 500
    slow = Retries(max_attempts=4, base_s=0.3, factor=1)
    async with again(state, retry=slow) as call:
        (made,) = await call.create(callback_url=receiver.url)
        path = f"/v1/runs/{made['id']}/callback"
        while len(receiver.bodies) < 2:
            await call("GET", path)
    receiver.answer = lambda _: 200
    async with again(state, retry=slow) as call:
        async with asyncio.timeout(10):
            await call.sandbox.settled()
        (sent,) = (await call("GET", path)).json
    assert sent["status_code"] == "succeeded"
    assert [a["attempt_number"] for a in sent["attempts"]] == [1, 2, 3]
    assert len(set(receiver.bodies)) == 1  # frozen, over the restart too
    assert len({headers["Runflow-Signature"] for headers in receiver.headers}) == 1


async def test_the_same_requests_meet_the_same_fate_with_a_restart_between(
    state: Path, receiver: "Receiver"
) -> None:
    faults = Faults(drop=0.3, double=0.3, partial=0.3, failed=0.2, cancelled=0.2)
    async with calling(faults=faults, now=lambda: NOON) as call:
        await call.ended(20, callback_url=receiver.url)
        whole = [told_apart(run) for run in call.sandbox.runs()]
    parts: list[tuple[object, ...]] = []
    for _ in range(2):
        async with calling(faults=faults, state=state, now=lambda: NOON) as call:
            await call.ended(10, callback_url=receiver.url)
            parts = [told_apart(run) for run in call.sandbox.runs()]
    # the numbers in client_ref begin anew with each caller
    assert [run[:-1] for run in parts] == [run[:-1] for run in whole]


def told_apart(told: Any) -> tuple[Any, ...]:
    return (
        *(told.number, told.id, told.status, told.injected, told.told, told.cost),
        *(told.partial, told.doubled, told.attempts, told.attempts_dropped),
        told.client_ref,
    )


async def test_a_key_is_remembered_and_the_seed_is_kept(state: Path) -> None:
    headers = AUTH | {"Idempotency-Key": "k"}
    async with again(state, seed=5) as call:
        first = await call("POST", BATCH, {"input": [{}]}, headers=headers)
    async with again(state, seed=6) as call:
        assert call.sandbox.seed == 5
        second = await call("POST", BATCH, {"input": [{}]}, headers=headers)
    assert first.text == second.text


async def test_faults_that_are_asked_for_come_before_those_that_were_kept(
    state: Path,
) -> None:
    async with again(state, faults=Faults(drop=0.5)):
        pass
    async with again(state, faults=Faults(drop=0.1)) as call:
        assert call.sandbox.faults == Faults(drop=0.1)


async def test_a_redelivery_under_way_goes_on(
    state: Path, receiver: "Receiver"
) -> None:
    slow = Retries(max_attempts=3, base_s=30)
    async with again(state, retry=slow) as call:
        (made,) = await call.ended(callback_url=receiver.url)
        receiver.answer = lambda _: 500
        await call("POST", f"/v1/runs/{made['id']}/callback-redeliveries")
        path = f"/v1/runs/{made['id']}/callback"
        while (await call("GET", path)).json[1]["next_attempt_at"] is None:
            pass
    async with again(state, retry=slow) as call:
        history = (await call("GET", path)).json
        refused = await call("POST", f"/v1/runs/{made['id']}/callback-redeliveries")
    assert [sent["status_code"] for sent in history] == ["succeeded", "pending"]
    assert refused.status == 422


async def test_a_file_of_another_program_is_left_alone(state: Path) -> None:
    def make() -> None:
        with sqlite3.connect(state) as file:
            file.execute("CREATE TABLE mine (x)")
        file.close()

    await asyncio.to_thread(make)
    before = await asyncio.to_thread(state.read_bytes)
    with pytest.raises(ShelfError, match="no state of this sandbox"):
        await Sandbox(state=state).start()
    assert await asyncio.to_thread(state.read_bytes) == before


async def test_text_is_no_state_and_a_folder_that_is_not_there_is_said(
    state: Path,
) -> None:
    await asyncio.to_thread(state.write_text, "not a database, whatever its name says")
    with pytest.raises(ShelfError, match="not a database"):
        await Sandbox(state=state).start()
    with pytest.raises(ShelfError, match="unable to open"):
        await Sandbox(state=state.parent / "nowhere" / "x.db").start()


async def test_a_file_is_one_sandboxs_at_a_time(state: Path) -> None:
    async with Sandbox(state=state):
        with pytest.raises(ShelfError, match="locked"):
            await Sandbox(state=state).start()


async def test_changes_until_the_writing_are_in_what_is_written(state: Path) -> None:
    shelf = await Shelf(state).open()
    document = {"n": 1}
    shelf.put("thing", 1, lambda: document)
    document["n"] = 2
    await asyncio.gather(shelf.kept(), shelf.kept())
    await shelf.close()
    shelf = await Shelf(state).open()
    assert await shelf.load("thing", dict) == [{"n": 2}]
    await shelf.close()


@pytest.mark.process
async def test_killed_it_still_has_every_run_that_it_answered_for(
    state: Path, receiver: "Receiver"
) -> None:
    command = (
        *(sys.executable, "-m", "relay", "sandbox", "--port", "0", "--json"),
        *("--state", str(state), "--slowest", "60", "--fastest", "60"),
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    async with calling() as any_caller:
        url = f"{told['url']}/v1/models/a/b/runs"
        headers = {"Authorization": f"Bearer {told['token']}"}
        body = {"input": {}, "callback_url": receiver.url}
        ids = []
        for _ in range(5):
            async with any_caller.session.post(
                url, json=body, headers=headers
            ) as answer:
                ids.append((await answer.json())["id"])
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with calling(state=state) as call:
        await call.sandbox.settled()
        assert [run.id for run in call.sandbox.runs()] == ids
        assert call.sandbox.secret == told["secret"] == "whsec_sandbox"
    assert len(receiver.bodies) == 5

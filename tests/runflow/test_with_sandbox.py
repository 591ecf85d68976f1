"""The client and the sandbox, which share no line, read Runflow's pages alike."""

from collections.abc import AsyncIterator

import pytest

from relay.runflow import Runflow
from relay.runflow.errors import NotFoundError, UnauthorizedError
from relay.runflow.models.base import Record
from relay.sandbox import LOCAL_KEY, Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(run_seconds=(0.0, 0.1)) as running:
        yield running


def _extras(value: object) -> list[str]:
    if isinstance(value, tuple):
        return [name for item in value for name in _extras(item)]
    if not isinstance(value, Record):
        return []
    inner = [getattr(value, name) for name in type(value).model_fields]
    return [*(value.model_extra or ()), *_extras(tuple(inner))]


async def test_a_run_is_created_waited_for_and_read_without_a_field_unknown(
    sandbox: Sandbox,
) -> None:
    async with Runflow(LOCAL_KEY, base_url=sandbox.url) as client:
        assert (await client.health()).status == "ok"
        created = await client.models.run(
            "runflow/tag-removal", input={"image": "x"}, client_ref="order-1"
        )
        assert created.id is not None
        run = await client.wait(created.id, poll=0.02, timeout=10)
        assert (run.id, run.outcome) == (created.id, "succeeded")
        assert (run.client_ref, run.input) == ("order-1", {"image": "x"})
        assert run.completed_at is not None
        assert _extras(run) == []
        assert await client.runs.callbacks(created.id) == ()


async def test_its_refusals_are_typed(sandbox: Sandbox) -> None:
    async with Runflow(LOCAL_KEY, base_url=sandbox.url) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.runs.get("019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01")
        assert caught.value.code == "RUN_NOT_FOUND"
    async with Runflow("rf_live_of-somebody-else", base_url=sandbox.url) as client:
        with pytest.raises(UnauthorizedError):
            await client.runs.get("a")

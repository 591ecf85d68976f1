"""The list as the API gives it: walked in spite of what is lost, whichever filters it understands."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from relay.core.sweep import listed
from relay.receive.sweep import ApiList
from relay.runflow import Runflow, RunflowError, WrongRunError
from relay.runflow.system import System
from relay.sandbox import Faults
from tests.receive.sweeping import run
from tests.runflow.upstream import Reply, Upstream, client_of, serving
from tests.sandbox.caller import calling

pytestmark = pytest.mark.timeout(30, func_only=True)

ORG = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
OTHER = "019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with serving() as scripted:
        yield scripted


async def test_a_batch_of_another_organisation_is_no_batch_of_a_sweep(
    upstream: Upstream,
) -> None:
    """One that names none is believed, as it is when it is asked for by itself."""
    async with client_of(upstream.url) as client:
        runs = ApiList(client, source="acme", organization=ORG)
        upstream.gives({"id": "batch_1", "org_id": OTHER})
        with pytest.raises(WrongRunError, match="another organisation"):
            await runs.batch("batch_1")
        for org_id in (None, ORG.upper()):
            upstream.gives({"id": "batch_1", "org_id": org_id})
            assert await runs.batch("batch_1") == {"id": "batch_1", "org_id": org_id}


async def test_a_page_that_is_lost_on_the_way_is_asked_for_again_at_once() -> None:
    """A sweep that began anew for each would never read a long list to its end."""
    async with calling(seed=4, faults=Faults(api_5xx=0.4)) as caller:
        url, token = caller.sandbox.url, caller.sandbox.token
        system = System(sleep=_at_once)
        async with Runflow(token, base_url=url, retries=0, system=system) as client:
            walks = [
                [
                    page
                    async for page in ApiList(
                        client, source="acme", organization=None
                    ).pages(since=0)
                ]
                for _ in range(5)
            ]
    assert walks == [[()]] * 5


async def test_an_api_that_knows_another_form_of_filters_is_walked_without_any() -> (
    None
):
    """It is asked for one once, and once it is said."""
    async with calling(faults=Faults(filters="eq")) as caller:
        made = {run["id"] for run in await caller.ended(3)}
        url, token = caller.sandbox.url, caller.sandbox.token
        async with Runflow(token, base_url=url, retries=0) as client:
            runs = ApiList(client, source="acme", organization=None)
            with capture_logs() as said:
                walks = [await _walked(runs) for _ in range(2)]
    assert walks == [made, made]
    assert [(one["event"], one["source"]) for one in said] == [
        ("sweep.unfiltered", "acme")
    ]


@pytest.mark.parametrize("status", [400, 422])
async def test_which_filters_an_api_understands_is_remembered_once_it_has_answered(
    status: int, upstream: Upstream
) -> None:
    """What is refused in any case had another reason."""
    refused, page = Reply(status=status, json={}), Reply(json={"items": [run(1)]})
    async with client_of(upstream.url) as client:
        runs = ApiList(client, source="acme", organization=None)
        upstream.says(refused)
        with pytest.raises(RunflowError, match=str(status)):
            await _walked(runs)
        upstream.says(refused, page)
        assert [await _walked(runs), await _walked(runs)] == [{"run_1"}] * 2
    assert ["q" in one.query for one in upstream.asked] == [
        True,
        False,
        True,
        False,
        False,
    ]


async def test_a_later_page_that_is_refused_begins_no_other_walk(
    upstream: Upstream,
) -> None:
    upstream.says(
        Reply(json={"items": [run(1)], "next": "two"}), Reply(status=422, json={})
    )
    async with client_of(upstream.url) as client:
        with pytest.raises(RunflowError, match="422"):
            await _walked(ApiList(client, source="acme", organization=None))
    assert all("q" in one.query for one in upstream.asked)


async def _walked(runs: ApiList) -> set[str]:
    """The ids of a whole list."""
    found: set[str] = set()
    async for rows in runs.pages(since=0):
        found |= {one.id for row in rows if (one := listed(row))}
    return found


async def _at_once(_seconds: float) -> None:
    return

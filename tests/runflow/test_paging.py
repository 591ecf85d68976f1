"""Lists, walked to either end, in both forms, and never round in a circle."""

import json

import pytest

from relay.runflow import Runflow
from relay.runflow.errors import PagingError, UnexpectedShapeError
from relay.runflow.paging import PAGES_MAX
from tests.runflow.upstream import Reply, Upstream, any_run, client_of


def _page(*ids: str, **cursors: object) -> dict[str, object]:
    return {"items": [any_run(item) for item in ids], **cursors}


async def _ids(client: Runflow, **parameters: object) -> list[object]:
    return [run.id async for run in client.runs.search(**parameters)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["next", "next_pq"])
async def test_items_of_all_pages_come_in_order_in_either_form(
    upstream: Upstream, client: Runflow, name: str
) -> None:
    upstream.gives(
        _page("a", "b", **{name: "two"}),
        _page("c", **{name: "three"}),
        _page("d", **{name: None}),
    )
    assert await _ids(client, limit=2) == ["a", "b", "c", "d"]
    assert [asked.query.get("pq") for asked in upstream.asked] == [None, "two", "three"]
    assert {asked.query["limit"] for asked in upstream.asked} == {"2"}
    assert not any("from_prev" in asked.query for asked in upstream.asked)


@pytest.mark.parametrize("name", ["previous", "prev_pq"])
async def test_a_walk_back_goes_by_the_other_cursor_and_says_so(
    upstream: Upstream, client: Runflow, name: str
) -> None:
    upstream.gives(
        _page("c", **{name: "one", "next": "never"}), _page("a", **{name: None})
    )
    assert await _ids(client, pq="three", from_prev=True) == ["c", "a"]
    assert [asked.query["pq"] for asked in upstream.asked] == ["three", "one"]
    assert {asked.query["from_prev"] for asked in upstream.asked} == {"true"}


@pytest.mark.parametrize(
    "written, cursor",
    [
        ("eyJpZCI6IDF9+/==", "eyJpZCI6IDF9+/=="),
        ("/begins-with-a-slash", "/begins-with-a-slash"),
        ("https://api.runflow.io/v1/runs?limit=5&pq=a%2Fb%3D", "a/b="),
        ("https://elsewhere.example/steal?pq=a", "a"),
        ("//elsewhere.example/v1/runs?pq=a", "a"),
        ("/v1/runs?pq=a&from_prev=false", "a"),
        ("?pq=a", "a"),
    ],
)
async def test_a_cursor_may_be_an_address_of_which_only_the_cursor_counts(
    upstream: Upstream, client: Runflow, written: str, cursor: str
) -> None:
    upstream.gives(_page("a", next=written), _page("b"))
    assert await _ids(client) == ["a", "b"]
    assert upstream.last.path == "/v1/runs"
    assert upstream.last.query == {"pq": cursor}


async def test_an_address_without_a_cursor_is_an_unexpected_shape(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.gives(_page("a", next="https://api.runflow.io/v1/runs"))
    with pytest.raises(UnexpectedShapeError):
        await _ids(client)


@pytest.mark.parametrize("end", [None, ""])
async def test_an_empty_cursor_is_the_end(
    upstream: Upstream, client: Runflow, end: object
) -> None:
    upstream.gives(_page("a", next=end))
    assert await _ids(client) == ["a"]


async def test_an_empty_page_in_the_middle_is_not_the_end(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.gives(_page("a", next="two"), _page(next="three"), _page("b"))
    assert await _ids(client) == ["a", "b"]


async def test_a_cursor_that_comes_again_ends_in_an_error(
    upstream: Upstream, client: Runflow
) -> None:
    one, two = _page("a", next="one"), _page("b", next="two")
    upstream.gives(one, two, one)
    seen: list[object] = []

    async def walk() -> None:
        async for run in client.runs.search():
            seen.append(run.id)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(PagingError) as caught:
        await walk()
    assert (seen, caught.value.reason) == (["a", "b", "a"], "paging")
    assert len(upstream.asked) == 3


async def test_a_page_that_names_itself_ends_in_an_error(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.gives(_page("a", next="here"))
    with pytest.raises(PagingError):
        await _ids(client, pq="here")
    assert len(upstream.asked) == 1


async def test_pages_without_end_end_in_an_error(
    upstream: Upstream, client: Runflow
) -> None:
    listing = client.runs.search()
    assert listing.pages_max == PAGES_MAX
    upstream.gives(*(_page(next=str(number)) for number in range(9)))
    short = type(listing)(ask=listing.ask, kind=listing.kind, pages_max=4)
    with pytest.raises(PagingError):
        _ = [run async for run in short]
    assert len(upstream.asked) == 4


@pytest.mark.parametrize(
    "document",
    [[], {}, {"items": None}, {"items": {}}, {"items": [], "next": 7}],
)
async def test_what_is_no_page_is_an_unexpected_shape(
    upstream: Upstream, client: Runflow, document: object
) -> None:
    upstream.gives(document)
    with pytest.raises(UnexpectedShapeError):
        await client.runs.search().page()


async def test_one_page_has_its_cursors_and_its_exact_bytes(
    upstream: Upstream, client: Runflow
) -> None:
    body = (
        b'{"items": [ {"id":"a","cost":1.10} ], "first":"f","next":"n","previous":"p"}'
    )
    upstream.says(Reply(body=body))
    page = await client.runs.search().page()
    assert (page.first, page.next, page.previous) == ("f", "n", "p")
    assert page.answer.body == body
    assert [str(run.cost) for run in page.items] == ["1.10"]


async def test_one_item_of_another_form_does_not_hide_the_others(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.gives({"items": [any_run("a"), {"id": "b", "nodes_total": "x"}]})
    page = await client.runs.search().page()
    assert [row["id"] for row in page.rows if isinstance(row, dict)] == ["a", "b"]
    with pytest.raises(UnexpectedShapeError):
        _ = page.items


async def test_each_walk_asks_anew(upstream: Upstream, client: Runflow) -> None:
    upstream.gives(_page("a"))
    listing = client.runs.search()
    first = [run.id async for run in listing]
    assert first == [run.id async for run in listing]
    assert len(upstream.asked) == 2


async def test_a_page_that_fails_is_asked_again_and_the_walk_goes_on(
    upstream: Upstream,
) -> None:
    pages = [json.dumps(_page("a", next="two")), json.dumps(_page("b"))]
    busy = Reply(status=503)
    upstream.says(Reply(body=pages[0].encode()), busy, Reply(body=pages[1].encode()))
    async with client_of(upstream.url, retries=2) as client:
        assert await _ids(client) == ["a", "b"]

"""Filters: every dialect on every kind of value, and what a missing one means."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.event import ATTRIBUTES, TYPES, Event, build
from relay.core.route import (
    EXPRESSIONS_MAX,
    InvalidMatchError,
    Place,
    Route,
    Router,
    compile_match,
    never_met,
)
from relay.settings.mistakes import dotted
from tests.builders import any_facts, any_reading

OUTPUT = rb"""{
    "price": 1.10, "big": 1234567890123456789012345678901234567890, "yes": true,
    "none": null, "list": [1, {"a": 2}], "deep": {"er": {"name": "x.y"}}, "e": 1E2,
    "text": "caf\u00e9 \"7\"", "empty": "", "": "nameless", "number as text": "1.10",
    "twice": 1, "twice": 2, "a b": 3
}"""
EVENT = build(
    any_facts(any_reading(client_ref="order-7", output=msgspec.Raw(OUTPUT)), revision=3)
)
#: One whose run had no ``client_ref``.
NAMELESS = build(any_facts(any_reading(output=msgspec.Raw(OUTPUT))))


def takes(match: object, event: Event = EVENT) -> bool:
    route = Route(name="r", match=compile_match(match), to=("lake",))
    return Router(routes=[route], destinations=["lake"]).route(lambda: event) != ()


SENT: dict[str, object] = json.loads(EVENT.structured)


@pytest.mark.parametrize("attribute", [name for name in SENT if name != "data"])
def test_every_attribute_that_is_sent_can_be_asked_for(attribute: str) -> None:
    value = SENT[attribute]
    assert takes({"exact": {attribute: value}})
    text = value if isinstance(value, str) else json.dumps(value)
    assert takes({"exact": {attribute: text}})
    assert not takes({"exact": {attribute: f"{text}x"}})


VALUES: list[tuple[str, object, bool]] = [
    ("price", "1.10", True),
    ("price", "1.1", False),
    # YAML reads 1.10 as the number 1.1, whose text is another one.
    ("price", 1.10, False),
    ("number as text", "1.10", True),
    ("big", "1234567890123456789012345678901234567890", True),
    ("big", 1234567890123456789012345678901234567890, True),
    ("big", 1234567890123456789012345678901234567891, False),
    ("big", 1.2345678901234568e39, False),
    ("e", "1E2", True),
    ("e", 100, False),
    ("yes", True, True),
    ("yes", "true", True),
    ("yes", 1, False),
    ("none", "null", False),
    ("list", '[1, {"a": 2}]', True),
    ("list.0", "1", False),
    ("deep.er.name", "x.y", True),
    ("deep.er", '{"name": "x.y"}', True),
    ("deep.er.name.more", "x", False),
    ("deep.absent.name", "x", False),
    ("text", 'café "7"', True),
    ("twice", 2, True),
    ("a b", 3, True),
]


@pytest.mark.parametrize(
    "path,wanted,expected",
    VALUES,
    ids=[f"{place}-{row[0]}" for place, row in enumerate(VALUES)],
)
def test_values_of_data_are_compared_by_their_json_text(
    path: str, wanted: object, expected: bool
) -> None:
    assert takes({"exact": {f"data.output.{path}": wanted}}) is expected


@pytest.mark.parametrize("dialect", ["exact", "prefix", "suffix", "glob"])
@pytest.mark.parametrize(
    "missing", ["clientref", "data.absent", "data.output.none", "data.failure.code"]
)
def test_what_is_missing_matches_nothing_and_not_turns_that_round(
    dialect: str, missing: str
) -> None:
    """So ``not`` around a test holds for events that lack what it asks about."""
    test = {dialect: {missing: "*" if dialect == "glob" else "null"}}
    assert not takes(test, NAMELESS)
    assert takes({"not": test}, NAMELESS)
    assert not takes({"not": {"not": test}}, NAMELESS)


@pytest.mark.parametrize(
    "match,expected",
    [
        ({"prefix": {"type": "io.runflow.run."}}, True),
        ({"prefix": {"type": "IO.RUNFLOW"}}, False),
        ({"prefix": {"revision": 3}}, True),
        ({"suffix": {"type": "succeeded"}}, True),
        ({"suffix": {"source": "runflow/"}}, False),
        ({"glob": {"type": "io.runflow.*.succeeded"}}, True),
        ({"glob": {"type": "*.SUCCEEDED"}}, False),
        ({"glob": {"type": "io.runflow"}}, False),
        ({"glob": {"clientref": "order-?"}}, True),
        ({"glob": {"clientref": "order-[0-9]"}}, True),
        ({"glob": {"clientref": "order-[!0-9]"}}, False),
        ({"glob": {"data.output.text": '*"7"'}}, True),
        ({"exact": {"origin": "callback", "revision": 3}}, True),
        ({"exact": {"origin": "callback", "revision": 4}}, False),
        ({"not": []}, False),
        ([{"exact": {"origin": "callback"}}, {"exact": {"revision": 4}}], False),
        ({"any": [{"exact": {"revision": 4}}, {"not": {"exact": {"revision": 4}}}]}, True),
        ({"any": [{"exact": {"revision": 4}}]}, False),
        ({"all": [[], {"prefix": {"type": "io"}}]}, True),
    ],
)  # fmt: skip
def test_a_dialect_means_what_it_says(match: object, expected: bool) -> None:
    assert takes(match) is expected


@pytest.mark.parametrize(
    "match,place",
    [
        (None, "match: "),
        (5, "match: "),
        ([{}], "match[0]: "),
        ([[], {"exact": {"a": 1}, "any": []}], "match[1]: "),
        ({"Exact": {"type": "a"}}, "match: unknown expression `Exact`"),
        ({5: []}, "match: unknown expression `5`"),
        ({"not": {"all": [[], {"any": {}}]}}, "match.not.all[1].any: "),
        ({"all": []}, "match.all: "),
        ({"exact": []}, "match.exact: "),
        ({"exact": {5: "a"}}, "match.exact: `5`"),
        ({"exact": {"client_ref": "a"}}, "match.exact: `client_ref`"),
        ({"exact": {"a" * 21: "a"}}, "match.exact: "),
        ({"exact": {"Data.a": "a"}}, "match.exact: `Data.a`"),
        ({"exact": {"data.": "a"}}, "match.exact: `data.`"),
        ({"exact": {"data.a..b": "a"}}, "match.exact: `data.a..b`"),
        ({"exact": {"data" + ".a" * 11: "a"}}, "match.exact: "),
        ({"prefix": {"type": ""}}, "match.prefix.type: "),
        ({"exact": {"type": None}}, "match.exact.type: "),
        ({"exact": {"type": ["a"]}}, "match.exact.type: "),
        ({"exact": {"type": {"a": 1}}}, "match.exact.type: "),
        ({"exact": {"revision": float("inf")}}, "match.exact.revision: "),
        ({"exact": {"revision": float("nan")}}, "match.exact.revision: "),
        ({"exact": {"time": b"2026"}}, "match.exact.time: "),
    ],
)
def test_an_invalid_expression_is_named_with_its_place(
    match: object, place: str
) -> None:
    with pytest.raises(InvalidMatchError) as refused:
        compile_match(match)
    found = dotted(("match", *refused.value.where))
    assert f"{found}: {refused.value}".startswith(place)


@pytest.mark.parametrize("attribute", ["kind", "run_id", "data", "status", "Type"])
def test_an_attribute_that_no_event_has_is_refused(attribute: str) -> None:
    with pytest.raises(InvalidMatchError, match="neither an attribute of events"):
        compile_match({"exact": {attribute: "a"}})


def test_the_attributes_that_can_be_asked_for_are_those_that_are_sent() -> None:
    assert [*(name for name in SENT if name != "data")] == [*ATTRIBUTES]


@pytest.mark.parametrize(
    "match,places",
    [
        ([], []),
        ({"exact": {"type": "io.runflow.run.succeeded"}}, []),
        ({"prefix": {"type": "io.runflow.batch."}}, []),
        ({"exact": {"type": "io.runflow.run.completed"}}, [("exact", "type")]),
        ({"not": {"glob": {"type": "*.error"}}}, [("not", "glob", "type")]),
        (
            [
                {"exact": {"revision": 1}},
                {"any": [{"suffix": {"type": "failed"}}, {"exact": {"type": "failed"}}]},
            ],
            [(1, "any", 1, "exact", "type")],
        ),
    ],
)  # fmt: skip
def test_a_type_that_no_event_has_is_found(match: object, places: list[Place]) -> None:
    compile_match(match)
    assert [*never_met(match, {"type": TYPES})] == places


@pytest.mark.parametrize(
    "match,places",
    [
        ({"exact": {"source": "/runflow/acme", "type": "whatever"}}, []),
        ({"prefix": {"source": "/runflow/"}}, []),
        ({"suffix": {"source": "acme"}}, []),
        ({"exact": {"source": "acme"}}, [("exact", "source")]),
        (
            {"any": [{"glob": {"source": "/runflow/b*"}}, {"suffix": {"source": "c"}}]},
            [("any", 0, "glob", "source"), ("any", 1, "suffix", "source")],
        ),
        ({"exact": {"source": 7}}, [("exact", "source")]),
    ],
)  # fmt: skip
def test_a_source_that_there_is_not_is_found(
    match: object, places: list[Place]
) -> None:
    compile_match(match)
    assert [*never_met(match, {"source": ["/runflow/acme"]})] == places


def test_a_match_has_a_budget() -> None:
    assert takes([[]] * (EXPRESSIONS_MAX - 1))
    with pytest.raises(InvalidMatchError, match="more than 200"):
        compile_match([[]] * EXPRESSIONS_MAX)


def test_a_match_that_holds_itself_is_refused() -> None:
    """YAML's anchors can write one."""
    loop: list[object] = []
    loop.append({"not": loop})
    with pytest.raises(InvalidMatchError, match="more than 200"):
        compile_match(loop)


def test_an_event_goes_once_wherever_several_routes_send_it() -> None:
    everything = compile_match([])
    routes = [
        Route(name="a", match=everything, to=("lake", "audit", "lake")),
        Route(name="b", match=everything, to=("audit", "gone")),
    ]
    router = Router(routes=routes, destinations=["audit", "orders", "lake"])
    assert router.route(lambda: EVENT) == ("audit", "lake")


def test_an_event_that_no_route_takes_goes_nowhere() -> None:
    nothing = Route(name="a", match=compile_match({"not": []}), to=("lake",))
    assert Router(routes=[nothing], destinations=["lake"]).route(lambda: EVENT) == ()


matches = st.recursive(
    st.builds(
        lambda dialect, path, wanted: {dialect: {path: wanted}},
        st.sampled_from(["exact", "prefix", "suffix", "glob"]),
        st.sampled_from(["type", "revision", "data.absent", "data.output.price", "data.kind"]),
        st.sampled_from(["io.runflow.run.succeeded", "3", 3, "1.10", "run", "*", "i"]),
    ),
    lambda inner: st.lists(inner, max_size=3)
    | inner.map(lambda one: {"not": one})
    | st.lists(inner, min_size=1, max_size=3).map(lambda some: {"any": some})
    | st.lists(inner, min_size=1, max_size=3).map(lambda some: {"all": some}),
    max_leaves=6,
)  # fmt: skip


@given(match=matches)
def test_not_is_the_opposite_and_a_list_means_all(match: object) -> None:
    assert takes({"not": match}) is not takes(match)
    assert takes([match]) is takes({"all": [match]}) is takes({"any": [match]})


@given(some=st.lists(matches, min_size=1, max_size=4))
def test_any_and_all_are_those_of_logic(some: list[object]) -> None:
    assert takes({"any": some}) is any(takes(one) for one in some)
    assert takes({"all": some}) is all(takes(one) for one in some)
    assert takes(some) is takes({"all": some})


names = st.sampled_from(["audit", "lake", "orders"])


@given(
    rules=st.lists(st.tuples(matches, st.lists(names, max_size=2)), max_size=4),
    data=st.data(),
)
def test_where_an_event_goes_does_not_depend_on_the_order_of_routes(
    rules: list[tuple[object, list[str]]], data: st.DataObject
) -> None:
    routes = [
        Route(name=str(number), match=compile_match(match), to=tuple(to))
        for number, (match, to) in enumerate(rules)
    ]
    shuffled = data.draw(st.permutations(routes))
    found = [
        Router(routes=order, destinations=["audit", "orders", "lake"]).route(
            lambda: EVENT
        )
        for order in (routes, shuffled)
    ]
    assert found[0] == found[1]
    assert len(set(found[0])) == len(found[0])


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["exact", "glob", "not", "any", "all", "type", "data.a"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=8,
)


@given(match=junk)
def test_any_match_is_compiled_or_refused(match: object) -> None:
    with suppress(InvalidMatchError):
        takes(match)

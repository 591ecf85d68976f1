"""What the relay tells of itself: its bytes, its words, and whom it goes to."""

import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.audit import Entry
from relay.core.callback import Unreadable
from relay.core.errors import UnbuildableError
from relay.core.event import NOTICE_TYPES, TYPES, build
from relay.core.holding import Change, Changed, Hold
from relay.core.identity import EVENT_NAMESPACE, RunKey
from relay.core.notice import (
    HAPPENINGS,
    Bystander,
    Notice,
    read_notice,
    tell_of_change,
)
from relay.core.passthrough import runflow_body
from relay.core.route import Route, Router, compile_match, never_met
from tests.builders import NOW_US, any_facts, any_notice_facts, any_notices

#: A vector is never edited: a new builder gets a new one.
PAUSED = (
    b'{"specversion":"1.0","id":"@ID@",'
    b'"source":"/relay/00000000000000000000000000000000",'
    b'"type":"io.runflow.relay.destination.paused","subject":"orders",'
    b'"time":"2026-03-01T12:00:00.000000Z",'
    b'"dataschema":"urn:runflow-relay:schema:relay.destination:1","revision":1,'
    b'"partitionkey":"orders","datacontenttype":"application/json",'
    b'"data":{"destination":"orders","kind":"http","state":"paused",'
    b'"reason":"they move","by":"ada","since":"2026-03-01T12:00:00.000000Z",'
    b'"at":"2026-03-01T12:00:00.000000Z","open":12,"disabled_at":null,'
    b'"text":"orders is paused by ada (they move): nothing is sent there, and 12 deliveries'
    b' are held. To have it go on: relay destinations resume orders","omitted":[]}}'
)


def test_an_operational_event_never_changes() -> None:
    facts = any_notice_facts()
    name = f"$relay\nrelay.destination\n{'0' * 32}/orders\npaused\n1"
    identity = str(uuid.uuid5(EVENT_NAMESPACE, name)).encode()
    assert build(facts).structured == PAUSED.replace(b"@ID@", identity)


@pytest.mark.parametrize("notice", any_notices(), ids=lambda notice: notice.state)
def test_what_was_stored_is_read_back_to_the_same_bytes(notice: Notice) -> None:
    read = read_notice(notice.body)
    assert read == notice
    assert read.body == notice.body
    key = notice.key("0" * 32)
    assert RunKey.restore(key.source, int(key.namespace), key.stored) == key


def test_everything_that_can_happen_is_told_in_a_sentence() -> None:
    """With the command that comes next."""
    texts = {notice.state: notice.text for notice in any_notices()}
    assert {one.value for one in HAPPENINGS} == texts.keys()
    assert texts == {
        "paused": "orders is paused by ada (they move): nothing is sent there, and 12 deliveries are held."
        " To have it go on: relay destinations resume orders",
        "disabled": "orders is disabled by relay (it answered 410, which says that it wants no more): nothing is"
        " sent there, and 12 deliveries are held. To have it go on: relay destinations resume orders",
        "resumed": "orders is resumed by ada: 12 deliveries are on the way there again."
        " To hold it: relay destinations pause orders",
        "failing": "Since 2026-03-01T11:59:59.999999Z every try to orders has failed; at"
        " 2026-03-01T12:00:00.000001Z it is disabled, and what waits for it is held until somebody has it go on"
        " (12 deliveries so far). To see how it stands: relay destinations",
        "behind": "orders is behind: with 12 open deliveries it has as many as it may. Nothing is lost; the rest is"
        " made from the events as room returns. To see how it stands: relay destinations",
    }


def test_a_pause_without_a_reason_says_none() -> None:
    hold = Hold(kind="paused", reason="", by="ada", since=NOW_US)
    entry = Entry(at=NOW_US, actor="ada", verb="", subject="lake")
    notice = tell_of_change(
        Change(destination="lake", hold=hold, entry=entry),
        Changed(before=None, after=hold),
        Bystander(kind="file", open=1),
    )
    assert notice is not None
    assert "paused by ada: nothing is sent there, and 1 delivery is held" in notice.text


def test_where_nothing_waits_no_count_is_given() -> None:
    hold = Hold(kind="paused", reason="", by="ada", since=NOW_US)
    entry = Entry(at=NOW_US, actor="ada", verb="", subject="lake")
    texts = []
    for before, after in ((None, hold), (hold, None)):
        notice = tell_of_change(
            Change(destination="lake", hold=after, entry=entry),
            Changed(before=before, after=after),
            Bystander(kind="file", open=0),
        )
        assert notice is not None
        texts.append(notice.text)
    assert "nothing is sent there, and what comes is held. To" in texts[0]
    assert "lake is resumed by ada: nothing waits for it. To" in texts[1]


def test_nothing_is_told_where_nothing_has_changed() -> None:
    hold = Hold(kind="paused", reason="", by="ada", since=NOW_US)
    entry = Entry(at=NOW_US, actor="ada", verb="", subject="lake")
    change = Change(destination="lake", hold=hold, entry=entry)
    same = Changed(before=hold, after=hold)
    assert tell_of_change(change, same, Bystander(kind="file", open=0)) is None


@given(reason=st.text(st.characters(codec=None), max_size=30))
def test_whatever_somebody_gives_as_a_reason_can_be_stored_and_sent(
    reason: str,
) -> None:
    hold = Hold(kind="paused", reason=reason, by=reason, since=NOW_US)
    entry = Entry(at=NOW_US, actor="ada", verb="", subject="lake")
    notice = tell_of_change(
        Change(destination="lake", hold=hold, entry=entry),
        Changed(before=None, after=hold),
        Bystander(kind="file", open=0),
    )
    assert notice is not None
    assert read_notice(notice.body) == notice
    assert build(any_notice_facts(notice)).structured


def test_it_stands_in_for_no_run() -> None:
    """Runflow's own words have none for it; and what is damaged, or of another builder, is not built."""
    facts = any_notice_facts()
    assert facts.about == "orders"
    assert any_facts().about is None
    assert facts.reading.client_ref is None  # type: ignore[union-attr]
    with pytest.raises(UnbuildableError, match="not_a_run"):
        runflow_body(facts)
    for changed, why in (
        ({"reading": Unreadable("damaged")}, "damaged_receipt"),
        ({"builder": 1}, "unknown_builder"),
        ({"builder": 3}, "unknown_builder"),
    ):
        with pytest.raises(UnbuildableError, match=why):
            build(msgspec.structs.replace(facts, **changed))
    with pytest.raises(UnbuildableError, match="unknown_builder"):
        build(any_facts(builder=2))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"destination":"x"}', b"\xff", b"not"])
def test_what_is_no_document_is_not_read(body: bytes) -> None:
    assert read_notice(body) is None


NAMES = ("lake", "orders", "ops")
routes = st.lists(
    st.builds(
        lambda to, operational, match: Route(
            name="r", match=compile_match(match), to=tuple(to), operational=operational
        ),
        st.lists(st.sampled_from(NAMES), min_size=1),
        st.booleans(),
        st.sampled_from(
            [
                [],
                {"prefix": {"type": "io.runflow.relay."}},
                {"exact": {"subject": "orders"}},
            ]
        ),
    ),
    max_size=4,
)


@given(routes=routes, about=st.sampled_from(NAMES))
def test_it_goes_where_operational_routes_say_and_never_to_whom_it_is_about(
    routes: list[Route], about: str
) -> None:
    """Runs go their way as if there were no such routes."""
    notice = msgspec.structs.replace(any_notices()[0], destination=about)
    event = build(any_notice_facts(notice))
    router = Router(routes=routes, destinations=NAMES)
    took = router.route(lambda: event, about=about)
    assert about not in took
    named = {name for route in routes if route.operational for name in route.to}
    assert set(took) <= named
    assert router.listens is any(route.operational for route in routes)
    others = [route for route in routes if not route.operational]
    run = build(any_facts())
    alone = Router(routes=others, destinations=NAMES)
    assert router.route(lambda: run) == alone.route(lambda: run)


def test_a_route_can_ask_for_what_operational_events_have() -> None:
    event = build(any_notice_facts())
    for match, taken in (
        ({"exact": {"type": NOTICE_TYPES[1]}}, True),
        ({"exact": {"data.state": "paused"}}, True),
        ({"exact": {"data.by": "relay"}}, False),
        ({"exact": {"origin": "callback"}}, False),
    ):
        route = Route(
            name="ops", match=compile_match(match), to=("lake",), operational=True
        )
        router = Router(routes=[route], destinations=["lake"])
        assert (router.route(lambda: event, about="orders") == ("lake",)) is taken


def test_a_type_of_the_other_kind_of_route_is_never_met() -> None:
    ours = {"prefix": {"type": "io.runflow.relay."}}
    runs = {"prefix": {"type": "io.runflow.run."}}
    assert list(never_met(ours, {"type": NOTICE_TYPES})) == []
    assert list(never_met(ours, {"type": TYPES})) == [("prefix", "type")]
    assert list(never_met(runs, {"type": NOTICE_TYPES})) == [("prefix", "type")]

"""The test event is a CloudEvent like any other, and is about nothing."""

import json
import uuid

from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from relay.core.event import CONTENT_TYPE, NOTICE_TYPES, TYPES
from relay.core.ping import PING_TYPE, ping_of
from relay.core.shape import Shape

SEED = bytes(range(16))
NOW = 1_772_366_400_000_000


def test_an_outside_reader_reads_it() -> None:
    parcel = ping_of("orders", seed=SEED, now=NOW)
    message = HTTPMessage(
        headers={"content-type": CONTENT_TYPE}, body=parcel.letter.event.structured
    )
    event = from_http_event(message)
    assert event.get_type() == PING_TYPE == "io.runflow.relay.check.ping"
    assert event.get_subject() == parcel.destination == "orders"
    assert event.get_source() == "/relay/check"
    assert uuid.UUID(event.get_id()).version == 4
    assert parcel.letter.event_id == uuid.UUID(event.get_id())


def test_no_route_can_mean_it_and_its_data_says_what_it_is() -> None:
    assert PING_TYPE not in (*TYPES, *NOTICE_TYPES)
    event = ping_of("orders", seed=SEED, now=NOW).letter.event
    data = json.loads(event.data)
    assert [*data] == ["kind", "destination", "at", "text", "omitted"]
    assert (data["kind"], data["at"]) == ("ping", "2026-03-01T12:00:00.000000Z")


def test_what_a_destination_leaves_out_of_runs_takes_nothing_from_it() -> None:
    event = ping_of("orders", seed=SEED, now=NOW).letter.event
    assert Shape(omit=("output", "metadata")).of(event).data == event.data

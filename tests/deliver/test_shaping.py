"""A file and a topic are sent as much of an event as they want, as an endpoint is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.core.delivery import Delivered, Refused
from relay.core.shape import Shape
from relay.deliver.file import FileOptions, FileSender
from relay.deliver.kafka import KafkaOptions, KafkaSender, record_of
from tests.deliver.conformance import first, parcel
from tests.deliver.disk import Thread, lines_of

SMALL = Shape(omit=("output", "metadata"), max_bytes=2048)
LARGE = json.dumps("x" * 5000)


@pytest.fixture
def thread() -> Iterator[Thread]:
    thread = Thread()
    yield thread
    thread.stop()


async def test_a_line_has_what_is_left(tmp_path: Path, thread: Thread) -> None:
    path = tmp_path / "events.jsonl"
    options = FileOptions(path=path, shape=SMALL)
    sender = await FileSender.open(options=options, executor=thread)
    sent = parcel(output=LARGE)
    assert isinstance(first(await sender.send([sent])), Delivered)
    await sender.close()
    event = json.loads(first(lines_of(path)))
    assert event["id"] == str(sent.letter.event.id)
    assert event["data"]["output"] is None
    assert event["data"]["omitted"] == ["output", "metadata"]


async def test_a_line_that_is_too_long_is_refused_alone(
    tmp_path: Path, thread: Thread
) -> None:
    path = tmp_path / "events.jsonl"
    options = FileOptions(path=path, shape=Shape(max_bytes=2048))
    sender = await FileSender.open(options=options, executor=thread)
    outcomes = await sender.send([parcel(1), parcel(2, output=LARGE), parcel(3)])
    await sender.close()
    assert [Delivered, Refused, Delivered] == [type(outcome) for outcome in outcomes]
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].reason == "too_large"
    assert len(lines_of(path)) == 2


async def test_a_record_that_is_too_large_is_refused_before_a_broker_is_asked() -> None:
    """The limit is the operator's: no broker need be there to know it."""
    size = record_of(parcel().letter.event).size
    sender = KafkaSender(
        options=KafkaOptions(
            bootstrap_servers=("127.0.0.1:1",),
            topic="runs",
            shape=Shape(max_bytes=size - 1),
        )
    )
    assert await sender.send([parcel()]) == [
        Refused(reason="too_large", detail=f"{size} bytes, of {size - 1} at the most")
    ]
    await sender.close()


async def test_the_same_event_is_left_whole_for_others() -> None:
    sent = parcel(output='{"a": 1}')
    shaped = record_of(SMALL.of(sent.letter.event))
    whole = record_of(sent.letter.event)
    assert (shaped.key, shaped.headers) == (whole.key, whole.headers)
    assert b'"output":null' in shaped.value
    assert b'"output":{"a": 1}' in whole.value

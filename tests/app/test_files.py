"""How many files a relay may have open: as many as its settings come to, where it is let."""

import resource
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from relay.app.files import allow_files, files_needed
from relay.settings import parse


@pytest.fixture
def allowed() -> Iterator[tuple[int, int]]:
    """What this process is allowed now, and at the most; given back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = before[1]
    lowered = min(before[0], most) - 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, most))
    yield lowered, most
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _now() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.mark.parametrize("more", [-10, 0, 50])
def test_what_is_needed_is_asked_for_and_no_less_than_there_was_is_left(
    more: int, allowed: tuple[int, int]
) -> None:
    lowered, _ = allowed
    with capture_logs() as lines:
        allow_files(lowered + more)
    assert (_now(), lines) == (lowered + max(more, 0), [])


def test_what_cannot_be_had_is_said(allowed: tuple[int, int]) -> None:
    _, most = allowed
    with capture_logs() as lines:
        allow_files(most + 1)
    assert _now() == most
    said = {
        "event": "files.few",
        "log_level": "warning",
        "allowed": most,
        "needed": most + 1,
    }
    assert lines == [said]


def test_connections_from_outside_and_to_destinations_are_needed_at_once() -> None:
    text = (
        "data_dir: /var/lib/relay\nlimits: {connections: 5000}\n"
        "sources: [{name: acme, secret: whsec_something}]\n"
        "destinations:\n"
        "  - {name: a, kind: http, url: 'https://a.example/', secret: whsec_b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHM=, concurrency: 700}\n"
        "  - {name: b, kind: file, path: e.jsonl}\n"
    )
    assert files_needed(parse(text, {}, file="x")) >= 5000 + 700 + 500

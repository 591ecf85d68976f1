"""A window is read as people write it, and what cannot be meant is refused."""

import pytest

from relay.core.window import WindowError, window
from tests.fakes import NOW_US

HOUR = 3_600_000_000


@pytest.mark.parametrize(
    "text,begin",
    [
        ("90s", NOW_US - 90_000_000),
        ("30m", NOW_US - HOUR // 2),
        ("24h", NOW_US - 24 * HOUR),
        ("7d", NOW_US - 7 * 24 * HOUR),
        ("999999999y", 0),
        ("2026-03-01", NOW_US - 12 * HOUR),
        ("2026-03-01T11:00:00Z", NOW_US - HOUR),
        ("2026-03-01 11:00:00", NOW_US - HOUR),
        ("2026-03-01T12:00:00.000001+01:00", NOW_US - HOUR + 1),
        ("0001-01-01", 0),
    ],
)
def test_how_long_ago_or_when(text: str, begin: int) -> None:
    assert window(text, None, now=NOW_US) == (begin, None)


def test_without_a_word_there_is_no_bound() -> None:
    assert window(None, None, now=NOW_US) == (None, None)
    assert window(None, "1h", now=NOW_US) == (None, NOW_US - HOUR)


@pytest.mark.parametrize(
    "since,until,field",
    [
        ("yesterday", None, "since"),
        ("24", None, "since"),
        ("", None, "since"),
        ("٣h", None, "since"),
        ("2026-02-30", None, "since"),
        (None, "1w", "until"),
        ("0s", None, "since"),
        ("2027-01-01", None, "since"),
        ("1h", "2h", "until"),
        ("1h", "1h", "until"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    since: str | None, until: str | None, field: str
) -> None:
    with pytest.raises(WindowError) as refused:
        window(since, until, now=NOW_US)
    assert refused.value.field == field

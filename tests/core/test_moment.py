"""Times: whatever the upstream writes comes out in one form, or not at all."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.moment import read_moment, text_of


@pytest.mark.parametrize(
    "fraction,digits",
    [
        ("", "000000"),
        (".1", "100000"),
        (".12", "120000"),
        (".000", "000000"),
        (".1234", "123400"),
        (".12345", "123450"),
        (".123456", "123456"),
        (".1234567", "123456"),
        (".12345678", "123456"),
        (".999999999", "999999"),
        (",5", "500000"),
        ("." + "9" * 32, "999999"),
    ],
)
def test_any_number_of_fraction_digits_becomes_six(fraction: str, digits: str) -> None:
    read = read_moment(f"2026-05-06T10:00:00{fraction}+00:00")
    assert read == f"2026-05-06T10:00:00.{digits}Z"


@pytest.mark.parametrize(
    "written",
    [
        "2026-05-06T10:00:00+00:00",
        "2026-05-06T10:00:00.000000+00:00",
        "2026-05-06T10:00:00.000000Z",
        "2026-05-06T10:00:00-00:00",
        "2026-05-06T10:00:00+0000",
        "2026-05-06T10:00:00Z",
        "2026-05-06t10:00:00z",
        "2026-05-06 10:00:00Z",
        "2026-05-06T10:00:00",
        "2026-05-06T12:00:00+02:00",
        "2026-05-06T15:30:00+0530",
        "2026-05-06T05:30:00-04:30",
        "2026-05-05T10:01:00-23:59",
    ],
)
def test_every_offset_is_brought_to_utc(written: str) -> None:
    assert read_moment(written) == "2026-05-06T10:00:00.000000Z"


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "now",
        "2026-05-06",
        "10:00:00",
        "2026-05-06T10:00",
        "2026-13-06T10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-02-30T10:00:00.000000Z",
        "2026-02-30T10:00:00.000000+00:00",
        "2026-05-06T24:00:00Z",
        "2026-05-06T10:60:00Z",
        "2026-05-06T10:00:60Z",
        "2026-05-06T10:00:00+24:00",
        "2026-05-06T10:00:00+00:60",
        "2026-05-06T10:00:00.Z",
        "2026-05-06T10:00:00." + "9" * 33,
        "2026-05-06T10:00:00Z ",
        "2026-05-06T10:00:00Z\n",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "\u0662026-05-06T10:00:00Z",
        "1772366400",
    ],
)
def test_nonsense_is_no_moment(nonsense: str) -> None:
    assert read_moment(nonsense) is None


@pytest.mark.parametrize("other", [None, 1772366400, 1.5, True, b"2026", [], {}])
def test_only_a_text_is_a_moment(other: object) -> None:
    assert read_moment(other) is None


def test_a_year_below_1000_keeps_four_digits() -> None:
    assert read_moment("0044-03-15T12:00:00Z") == "0044-03-15T12:00:00.000000Z"


@pytest.mark.parametrize(
    "moment_us,text",
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_772_366_400_000_000, "2026-03-01T12:00:00.000000Z"),
    ],
)
def test_microseconds_since_the_epoch_have_one_text(moment_us: int, text: str) -> None:
    assert text_of(moment_us) == text


offsets = st.integers(-1439, 1439).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)


@given(moment_us=st.integers(-(10**16), 10**17), offset=offsets)
def test_what_isoformat_writes_is_read_as_the_same_moment(
    moment_us: int, offset: timezone
) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment_us)
    assert read_moment(moment.astimezone(offset).isoformat()) == text_of(moment_us)


@given(moment_us=st.integers(-(10**16), 10**17))
def test_the_form_that_leaves_is_read_as_itself(moment_us: int) -> None:
    assert read_moment(text_of(moment_us)) == text_of(moment_us)


@given(text=st.text())
def test_no_text_is_too_strange_to_be_looked_at(text: str) -> None:
    read = read_moment(text)
    assert read is None or read_moment(read) == read

"""Times and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from relay.settings.units import Bytes, Duration, Span, Whole, size, size_text


@pytest.mark.parametrize(
    "text,ms",
    [
        ("250ms", 250),
        ("0s", 0),
        ("5s", 5000),
        ("5m", 300_000),
        ("24h", 86_400_000),
        ("7d", 604_800_000),
        ("5y", 5 * 365 * 86_400_000),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, ms: int) -> None:
    duration = Duration.of(text)
    assert (ms, ms * 1000, ms / 1000) == (duration.ms, duration.us, duration.seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "6",
        "s",
        "5 s",
        "1.5s",
        "-5s",
        "5S",
        "1h30m",
        "5us",
        "٣s",
        "5s\n",
        5,
        -1,
        0.0,
        True,
        False,
        None,
        [],
    ],
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        Span("0s", "365d").read(value)


def test_a_bare_zero_is_no_time_at_all() -> None:
    assert Duration(0) == Span("0s", "1m").read(0)


def test_a_duration_holds_to_its_limits_ends_included() -> None:
    span = Span("1s", "1m")
    assert [Duration.of("1s"), Duration.of("1m")] == [span.read("1s"), span.read("60s")]
    for outside in ("999ms", "61s", 0):
        with pytest.raises(PydanticCustomError, match="must be 1s to 1m"):
            span.read(outside)


@given(st.integers(0, 10**15 - 1))
def test_a_duration_reads_as_it_is_written(ms: int) -> None:
    assert Duration(ms) == Duration.of(str(Duration(ms)))


@given(st.integers(0, 10**11), st.sampled_from(["ms", "s", "m", "h", "d", "y"]))
def test_a_duration_is_written_in_the_largest_unit_that_fits(
    count: int, unit: str
) -> None:
    written = str(Duration.of(f"{count}{unit}"))
    assert len(written) <= len(f"{count}{unit}") or count == 0


@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.integers()))
def test_any_value_is_a_duration_within_limits_or_refused(value: object) -> None:
    span = Span("1s", "1h")
    try:
        found = span.read(value)
    except PydanticCustomError:
        found = span.low
    assert span.low <= found <= span.high


@pytest.mark.parametrize(
    "text,count",
    [
        ("0B", 0),
        ("512B", 512),
        ("512KiB", 512 * 1024),
        ("6MiB", 6 * 1024**2),
        ("1GiB", 1024**3),
        ("2TiB", 2 * 1024**4),
        ("1kB", 1000),
        ("1KB", 1000),
        ("6 MB", 6_000_000),
        ("3GB", 3 * 10**9),
        ("1TB", 10**12),
    ],
)
def test_a_size_is_a_number_and_its_unit(text: str, count: int) -> None:
    assert count == size(text)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "6",
        "MiB",
        "6mib",
        "6Mib",
        "6M",
        "1.5MiB",
        "-1B",
        "6  MiB",
        1.0,
        True,
        None,
        {},
    ],
)
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        Bytes("0B", "1TiB").read(value)


def test_a_bare_number_is_a_number_of_bytes() -> None:
    assert Bytes("1KiB", "1MiB").read(4096) == 4096


def test_a_size_holds_to_its_limits_ends_included() -> None:
    form = Bytes("1KiB", "1MiB")
    assert [form.read("1KiB"), form.read("1024KiB")] == [1024, 1024**2]
    for outside in ("1023B", "1025KiB", -1):
        with pytest.raises(PydanticCustomError, match="must be 1KiB to 1MiB"):
            form.read(outside)


@given(st.integers(0, 10**17))
def test_a_size_reads_as_it_is_written(count: int) -> None:
    assert count == size(size_text(count))


@pytest.mark.parametrize("value", ["5", 5.0, True, None, 0, 11])
def test_a_whole_number_is_an_integer_within_limits(value: object) -> None:
    assert Whole(1, 10).read(10) == 10
    with pytest.raises(PydanticCustomError):
        Whole(1, 10).read(value)

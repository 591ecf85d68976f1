"""Filters, in either form."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.runflow import Dialect, Q, RunStatus
from relay.runflow.query import Value

SUCCEEDED = Q.eq("status_code", "succeeded")
SINCE = Q.gt("created_at", date(2026, 4, 1))


def test_the_documented_example_is_written_as_it_is_documented() -> None:
    """concepts/requests."""
    assert str(SUCCEEDED & SINCE) == "status_code:succeeded AND created_at>2026-04-01"


def test_the_vendors_tool_is_written_as_it_writes() -> None:
    token = Q.eq("client_ref", "token")
    assert token.text(Dialect.DOTTED) == "client_ref.EQ:'token'"


@pytest.mark.parametrize(
    "filter_, documented, dotted",
    [
        (Q.ge("n", 1), "n>=1", "n.GTE:'1'"),
        (Q.le("n", 1), "n<=1", "n.LTE:'1'"),
        (Q.lt("n", 1), "n<1", "n.LT:'1'"),
        (~SUCCEEDED, "NOT status_code:succeeded", "NOT status_code.EQ:'succeeded'"),
        (
            ~(SUCCEEDED & SINCE),
            "NOT (status_code:succeeded AND created_at>2026-04-01)",
            None,
        ),
        (
            (SUCCEEDED | Q.eq("a", "b")) & SINCE,
            "(status_code:succeeded OR a:b) AND created_at>2026-04-01",
            None,
        ),
        (Q.eq("a", 1) & Q.eq("b", 2) & Q.eq("c", 3), "a:1 AND b:2 AND c:3", None),
        (
            (Q.eq("a", 1) & Q.eq("b", 2)) | Q.eq("c", 3),
            "(a:1 AND b:2) OR c:3",
            "(a.EQ:'1' AND b.EQ:'2') OR c.EQ:'3'",
        ),
        (Q.one_of("s", "x", "y"), "s:x OR s:y", "s.EQ:'x' OR s.EQ:'y'"),
        (Q.one_of("s", "x"), "s:x", "s.EQ:'x'"),
        (Q.eq("model.slug", "tag-removal"), "model.slug:tag-removal", None),
    ],
)
def test_operators_and_words_in_both_forms(
    filter_: Q, documented: str, dotted: str | None
) -> None:
    assert filter_.text() == documented
    if dotted is not None:
        assert filter_.text(Dialect.DOTTED) == dotted


@pytest.mark.parametrize(
    "value, written",
    [
        ("plain-text_1", "plain-text_1"),
        ("two words", "'two words'"),
        ("", "''"),
        ("a:b", "'a:b'"),
        ("AND", "'AND'"),
        ("null", "'null'"),
        ("x) OR (a:b", "'x) OR (a:b'"),
        ("it's", r"'it\'s'"),
        ("back\\slash", r"'back\\slash'"),
        ("-1", "'-1'"),
        (True, "true"),
        (RunStatus("failed"), "failed"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+2"), "100"),
        (
            UUID("019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01"),
            "019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01",
        ),
        (datetime(2026, 4, 1, 12, tzinfo=UTC), "'2026-04-01T12:00:00Z'"),
        (
            datetime(2026, 4, 1, 12, tzinfo=timezone(timedelta(hours=2))),
            "'2026-04-01T10:00:00Z'",
        ),
    ],
)
def test_values_are_quoted_where_they_could_be_read_as_something_else(
    value: Value, written: str
) -> None:
    assert str(Q.eq("f", value)) == f"f:{written}"


@given(st.text(max_size=40), st.sampled_from(Dialect))
def test_no_text_can_leave_its_value(text: str, dialect: Dialect) -> None:
    """Whatever comes after the quotes would be a filter that nobody wrote."""
    written = Q.eq("f", text).text(dialect)
    value = written.partition(":")[2]
    if value.startswith("'"):
        inner = value[1:-1]
        assert value.endswith("'")
        assert "'" not in inner.replace("\\\\", "").replace("\\'", "")
    else:
        assert value.replace("-", "").replace("_", "").replace(".", "").isalnum()


@pytest.mark.parametrize("field", ["", "a b", "a:b", "a'", "1a", "a.", "a OR b"])
def test_what_is_no_name_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        Q.eq(field, 1)


def test_a_moment_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        Q.gt("created_at", datetime(2026, 4, 1))  # noqa: DTZ001 - what is refused


def test_one_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a value"):
        Q.one_of("f")

"""What `q` means, in both of its forms."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import pytest

from relay.sandbox.search.query import InvalidQueryError, Kind, Record, compile_query

KINDS: dict[str, Kind] = {
    "status_code": "text",
    "client_ref": "text",
    "created_at": "time",
    "completed_at": "time",
    "duration_ms": "number",
}
RUN: Record = {
    "status_code": "succeeded",
    "client_ref": "it's order 1",
    "created_at": datetime(2026, 4, 1, 12, tzinfo=UTC),
    "completed_at": None,
    "duration_ms": Decimal(1500),
}


@pytest.mark.parametrize(
    "q,holds",
    [
        ("status_code:succeeded AND created_at>2026-04-01", True),
        ("status_code=succeeded", True),
        ("status_code:Succeeded", False),
        ("status_code:failed OR duration_ms>=1500", True),
        ("status_code:failed OR duration_ms>1500", False),
        ("NOT status_code:failed", True),
        ("NOT NOT status_code:failed", False),
        ("NOT (status_code:failed OR status_code:succeeded)", False),
        # AND binds closer than OR
        ("status_code:succeeded OR status_code:x AND status_code:y", True),
        ("(status_code:succeeded OR status_code:x) AND status_code:y", False),
        ("created_at<=2026-04-01T12:00:00Z", True),
        ("created_at<2026-04-01T14:00:00+02:00", False),
        ('created_at>"2026-04-01T11:59:59.999999Z"', True),
        ("completed_at:null", True),
        ("NOT completed_at:null", False),
        ("completed_at>2020-01-01", False),
        ("duration_ms<9", False),
        (r"client_ref:'it\'s order 1'", True),
        ('client_ref:"it\'s order 1"', True),
        (r"client_ref.EQ:'it\'s order 1'", True),
        ("client_ref.EQ:'other'", False),
        ("  status_code:succeeded  ", True),
    ],
)
def test_an_expression_holds_or_does_not(q: str, holds: bool) -> None:
    assert compile_query(q, KINDS)(RUN) is holds


@pytest.mark.parametrize(
    "q,said",
    [
        ("metadata:x", "metadata cannot be asked for"),
        ("status_code", "not understood"),
        ("status_code:", "not understood"),
        ("status_code:'open", "not understood"),
        ("status_code:a status_code:b", "operator is missing"),
        ("status_code:a AND", "missing at the end"),
        ("(status_code:a", "not closed"),
        ("status_code:a)", "operator is missing"),
        ("AND status_code:a", "comparison is missing"),
        ("created_at>yesterday", "created_at is a time"),
        ("duration_ms:many", "duration_ms is a number"),
        ("completed_at>null", "null has no order"),
        ("client_ref.GTE:'a'", "is no operator"),
        ("(" * 60 + "status_code:a" + ")" * 60, "nested deeper"),
        ("status_code:" + "x" * 5000, "longer than"),
    ],
)
def test_what_cannot_be_read_says_why(q: str, said: str) -> None:
    with pytest.raises(InvalidQueryError, match=said):
        compile_query(q, KINDS)


@pytest.mark.parametrize(
    "form,q",
    [("plain", "client_ref.EQ:'a'"), ("eq", "client_ref:a"), ("eq", "client_ref='a'")],
)
def test_a_form_can_be_switched_off(form: Literal["plain", "eq"], q: str) -> None:
    compile_query(q, KINDS)
    with pytest.raises(InvalidQueryError, match="no operator"):
        compile_query(q, KINDS, form=form)

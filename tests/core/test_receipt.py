"""What is kept of a request: enough for a later dispute, bounded, and nothing that opens a door."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.callback import Reading, Unreadable
from relay.core.receipt import KEPT_HEADER_BYTES, KEPT_HEADERS, Receipt, open_receipt
from relay.core.route import Router
from tests.builders import NOW_US, RUN_ID, any_callback

Headers = tuple[tuple[bytes, bytes], ...]


def receipt(
    body: bytes | None = None, *, headers: Headers = (), unstorable: bool = False
) -> Receipt:
    return Receipt(
        source="acme",
        channel="callback",
        origin="callback",
        body=any_callback() if body is None else body,
        headers=headers,
        secret="k1",
        received_at=NOW_US,
        router=Router(routes=[], destinations=["lake"]),
        unstorable=unstorable,
    )


def kept(*headers: tuple[bytes, bytes]) -> dict[str, str]:
    found: dict[str, str] = json.loads(open_receipt(receipt(headers=headers)).headers)
    return found


def test_a_receipt_is_read_for_its_own_source() -> None:
    reading = open_receipt(receipt()).reading
    assert isinstance(reading, Reading)
    assert (reading.key.source, reading.key.id) == ("acme", RUN_ID)


def test_a_source_may_require_more_than_another() -> None:
    given_receipt = receipt()
    strict = type(given_receipt)(
        source="acme", channel="callback", origin="callback", body=given_receipt.body,
        headers=(), secret="k1", received_at=NOW_US, router=given_receipt.router,
        require=("client_ref",),
    )  # fmt: skip
    reading = open_receipt(strict).reading
    assert isinstance(reading, Reading)
    assert reading.problems == ("missing_client_ref",)


def test_what_the_store_has_refused_goes_to_quarantine_unread() -> None:
    assert open_receipt(receipt(unstorable=True)).reading == Unreadable("unstorable")


def test_what_cannot_be_read_is_opened_all_the_same() -> None:
    opened = open_receipt(receipt(b"\xff"))
    assert opened.reading == Unreadable("not_utf8")
    assert opened.digest == hashlib.sha256(b"\xff").digest()[:16]


def test_equal_bytes_have_an_equal_digest_and_others_another() -> None:
    digests = [
        open_receipt(receipt(body)).digest
        for body in (any_callback(), any_callback(), any_callback() + b" ")
    ]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 16


@pytest.mark.parametrize(
    "name",
    [b"Authorization", b"Cookie", b"X-Api-Key", b"Proxy-Authorization", b"Host"],
)
def test_no_credential_is_kept(name: bytes) -> None:
    assert kept((name, b"secret"), (b"User-Agent", b"Runflow")) == {
        "User-Agent": "Runflow"
    }


@pytest.mark.parametrize("name", sorted(KEPT_HEADERS))
def test_what_a_dispute_needs_is_kept_in_any_case_of_letters(name: bytes) -> None:
    spelled = name.title()
    assert kept((spelled, b"value")) == {spelled.decode(): "value"}


def test_a_kept_header_is_cut_to_its_limit() -> None:
    assert kept((b"User-Agent", b"x" * (KEPT_HEADER_BYTES + 1))) == {
        "User-Agent": "x" * KEPT_HEADER_BYTES
    }


def test_bytes_that_are_no_text_are_written_with_escapes() -> None:
    assert kept((b"User-Agent", b"caf\xc3\xa9 \xff")) == {"User-Agent": "café \\xff"}


@given(
    body=st.binary(max_size=100),
    headers=st.lists(
        st.tuples(st.binary(max_size=12) | st.sampled_from(sorted(KEPT_HEADERS)),
                  st.binary(max_size=600)),
        max_size=6,
    ).map(tuple),
)  # fmt: skip
def test_no_request_is_too_strange_to_be_opened(body: bytes, headers: Headers) -> None:
    opened = open_receipt(receipt(body, headers=headers))
    assert len(json.loads(opened.headers)) <= len(KEPT_HEADERS)

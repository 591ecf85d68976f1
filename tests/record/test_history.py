"""How a run is looked for, whatever the store."""

import pytest

from relay.record.history import event_bytes, identity, spellings

UUID = "019A8C3E-5B10-7C44-9F21-3D5E8A7B6C01"


@pytest.mark.parametrize("text", ["", "a\x00b", "x" * 256, "\ud800"])
def test_what_can_name_nothing_is_no_identity(text: str) -> None:
    assert identity(text) is None
    assert event_bytes(text) is None


def test_a_uuid_is_looked_for_as_bytes_and_all_else_as_text() -> None:
    assert identity(UUID) == (1, 3, bytes.fromhex(UUID.replace("-", "")))
    assert identity("run_1") == (2, 4, b"run_1")
    assert event_bytes("run_1") is None


def test_a_uuid_in_a_body_may_have_either_case() -> None:
    assert spellings(UUID) == tuple(
        f'"{form}"'.encode() for form in (UUID, UUID.lower(), UUID.upper())
    )
    assert set(spellings('a"b')) == {b'"a\\"b"'}

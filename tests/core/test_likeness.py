"""Two accounts of one run are told apart only where they say something else."""

import pytest

from relay.core.likeness import same_moment, same_output

AT = "2026-03-01T11:59:58"
SIGNED = "https://cdn.example.com/a.png?X-Amz-Date=20260301T000000Z&X-Amz-Signature="


@pytest.mark.parametrize(
    "told,last,same",
    [
        (None, f"{AT}.123456Z", True),
        (f"{AT}.123456Z", None, False),
        (f"{AT}.123456Z", f"{AT}.123456Z", True),
        (f"{AT}.123000Z", f"{AT}.123456Z", True),
        (f"{AT}.123456Z", f"{AT}.123000Z", True),
        (f"{AT}.000000Z", f"{AT}.123456Z", True),
        (f"{AT}.124000Z", f"{AT}.123456Z", False),
        (f"{AT}.123457Z", f"{AT}.123456Z", False),
        ("2026-03-01T11:59:59.000000Z", f"{AT}.999999Z", False),
    ],
)
def test_a_moment_written_less_exactly_is_no_other_moment(
    told: str | None, last: str | None, same: bool
) -> None:
    assert same_moment(told, last) is same


@pytest.mark.parametrize(
    "told,last,same",
    [
        (None, b"{}", True),
        (b"{}", None, False),
        (b'{"a":1,"b":[2]}', b'{ "b": [2], "a": 1 }', True),
        (b'{"a":1}', b'{"a":2}', False),
        (f'["{SIGNED}one"]'.encode(), f'["{SIGNED}two"]'.encode(), True),
        (f'["{SIGNED}one"]'.encode(), b'["https://cdn.example.com/b.png"]', False),
        (b'["https://e.com/?page=1"]', b'["https://e.com/?page=2"]', False),
        (b'["see X-Amz-Signature=1"]', b'["see X-Amz-Signature=2"]', False),
        (b"[" * 2000 + b"]" * 2000, b"[]", False),
    ],
)
def test_links_signed_anew_are_no_other_output(
    told: bytes | None, last: bytes | None, same: bool
) -> None:
    assert same_output(told, last) is same

"""The few lines by which the page has consumers verify ``v1a`` verify it, and nothing else."""

import re
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from relay.core.signing import PrivateKey, StandardKey, sign

PAGE = Path(__file__).parents[2] / "docs" / "consuming.md"
ID, BODY = "7f0c3d9e-8f0a-5c1c-9d6a-2c8f5a1f0b11", b'{"a": 1}'
KEY, OTHER = PrivateKey(b"k" * 32), PrivateKey(b"o" * 32)

Verify = Callable[[str, Mapping[str, str], bytes], bool]


@pytest.fixture
def verify() -> Verify:
    text = PAGE.read_text(encoding="utf-8")
    [block] = re.findall(
        r"^```python\n(def verify.*?)^```$", text, re.DOTALL | re.MULTILINE
    )
    names: dict[str, Any] = {
        "time": time,
        "b64decode": b64decode,
        "suppress": suppress,
        "InvalidSignature": InvalidSignature,
        "Ed25519PublicKey": Ed25519PublicKey,
        "Mapping": Mapping,
    }
    exec(compile(block, PAGE.name, "exec"), names)  # noqa: S102 - the page's own words
    found: Verify = names["verify"]
    return found


def headers(*keys: StandardKey | PrivateKey, ago: int = 0) -> dict[str, str]:
    at = int(time.time()) - ago  # noqa: TID251 - the page asks the real clock
    return {
        "webhook-id": ID,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(ID, at, BODY, keys),
    }


def test_it_accepts_what_the_key_has_signed_whatever_stands_beside_it(
    verify: Verify,
) -> None:
    assert verify(KEY.public, headers(KEY), BODY)
    assert verify(KEY.public, headers(StandardKey(b"s" * 32), OTHER, KEY), BODY)


def test_it_accepts_nothing_else(verify: Verify) -> None:
    assert not verify(KEY.public, headers(OTHER, StandardKey(b"s" * 32)), BODY)
    assert not verify(KEY.public, headers(KEY), BODY + b" ")
    assert not verify(KEY.public, headers(KEY) | {"webhook-id": "other"}, BODY)
    assert not verify(KEY.public, headers(KEY, ago=301), BODY)
    assert not verify(KEY.public, headers(KEY) | {"webhook-signature": "v1a,x"}, BODY)

"""A key that the settings let through is one that the core can use, and the other way round."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.core.errors import InvalidKeyError
from relay.core.signature import PublicKey
from relay.core.signing import StandardKey
from relay.settings import HttpDestination, SigningKey, VerifyingKey, parse

SIGNING = "whsec_" + base64.b64encode(b"s" * 32).decode()


def _settings_take(model: type[SigningKey | VerifyingKey], text: str) -> bool:
    try:
        model.model_validate({"id": "a", "secret": text})
    except ValidationError:
        return False
    return True


def _core_takes(make: type[PublicKey] | None, text: str) -> bool:
    try:
        make(text) if make else StandardKey.parse(text)
    except InvalidKeyError:
        return False
    return True


@given(
    st.binary(min_size=20, max_size=70).map(lambda key: base64.b64encode(key).decode())
    | st.text("ABCab01+/-_= ", min_size=30, max_size=50),
    st.sampled_from(["", "=", "==", "whole"]),
)
@example("A" * 32, "whole")
def test_settings_and_core_agree_on_shared_secrets(encoded: str, padding: str) -> None:
    text = "whsec_" + (encoded if padding == "whole" else encoded.rstrip("=") + padding)
    assert _core_takes(None, text) == _settings_take(SigningKey, text)
    assert _core_takes(None, text) == _settings_take(VerifyingKey, text)


@pytest.mark.parametrize("length", [0, 31, 32, 33])
def test_settings_and_core_agree_on_public_keys(length: int) -> None:
    text = "whpk_" + base64.b64encode(b"p" * length).decode()
    assert _core_takes(PublicKey, text) == _settings_take(VerifyingKey, text)


def test_a_public_key_signs_nothing() -> None:
    text = "whpk_" + base64.b64encode(b"p" * 32).decode()
    assert not _settings_take(SigningKey, text)


def test_a_lone_secret_is_the_key_named_default() -> None:
    text = f"""\
sources: [{{name: acme, secret: long enough}}]
destinations: [{{name: a, kind: http, url: "http://a/", secret: {SIGNING}}}]
"""
    orders = parse(text, {}, file="relay.yaml").destinations[0]
    assert isinstance(orders, HttpDestination)
    assert [(key.id, key.secret.reveal()) for key in orders.keys] == [
        ("default", SIGNING)
    ]

"""A key that the settings let through is one that the core can use, and the other way round."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.core.errors import InvalidKeyError
from relay.core.signature import PublicKey
from relay.core.signing import PrivateKey, StandardKey
from relay.settings import ConfigError, HttpDestination, VerifyingKey, parse

SIGNING = "whsec_" + base64.b64encode(b"s" * 32).decode()


def _verifies(text: str) -> bool:
    """Whether the settings take it for a channel that callbacks arrive at."""
    try:
        VerifyingKey.model_validate({"id": "a", "secret": text})
    except ValidationError:
        return False
    return True


def _signs(text: str, **others: str) -> bool:
    """Whether the settings take it for a destination, however it is written."""
    given = {"name": "a", "kind": "http", "url": "https://a/", **others}
    taken = []
    for form in ({"secret": text}, {"secrets": [{"id": "a", "secret": text}]}):
        try:
            HttpDestination.model_validate(given | form)
        except ValidationError:
            taken.append(False)
        else:
            taken.append(True)
    assert taken[0] is taken[1]
    return taken[0]


def _parses(make: Callable[[str], object], text: str) -> bool:
    try:
        make(text)
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
    assert _parses(StandardKey.parse, text) == _signs(text)
    assert _parses(StandardKey.parse, text) == _verifies(text)


@pytest.mark.parametrize("length", [0, 31, 32, 33])
def test_settings_and_core_agree_on_public_keys(length: int) -> None:
    text = "whpk_" + base64.b64encode(b"p" * length).decode()
    assert _parses(PublicKey, text) == _verifies(text)


@pytest.mark.parametrize("length", [0, 31, 32, 33, 64])
def test_settings_and_core_agree_on_private_keys(length: int) -> None:
    text = "whsk_" + base64.b64encode(b"p" * length).decode()
    assert _parses(PrivateKey.parse, text) == _signs(text)
    assert not _verifies(text)


@pytest.mark.parametrize("text", ["whsec_as Runflow shows it", "rather short", SIGNING])
def test_in_runflows_scheme_any_text_signs(text: str) -> None:
    assert _signs(text, format="runflow")
    assert _signs(text) is (text == SIGNING)


@pytest.mark.parametrize("text", ["short", " begins with a space"])
def test_what_cannot_be_meant_signs_nothing(text: str) -> None:
    assert not _signs(text, format="runflow")
    assert not _signs(text)


def test_which_of_several_secrets_is_wrong_is_said_without_showing_it() -> None:
    right, wrong = (
        f"{{id: {i}, secret: {s}}}" for i, s in (("a", SIGNING), ("b", "whsec_no"))
    )
    with pytest.raises(ConfigError) as caught:
        parse(
            "sources: [{name: acme, secret: long enough}]\ndestinations: [{name: a,"
            f' kind: http, url: "http://a/", secrets: [{right}, {wrong}]}}]\n',
            {},
            file="relay.yaml",
        )
    [mistake] = caught.value.mistakes
    assert mistake.path == "destinations[0].secrets"
    assert mistake.message.startswith("entry 2: the secret must be `whsec_`")
    assert "whsec_no" not in str(caught.value)


def test_a_public_key_signs_nothing() -> None:
    text = "whpk_" + base64.b64encode(b"p" * 32).decode()
    assert not _signs(text)


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

"""The signature on what the relay sends, checked by outside libraries and by properties."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Self

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey
from standardwebhooks import Webhook, WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook
from svix.webhooks import WebhookVerificationError as SvixError

from relay.core.errors import InvalidKeyError
from relay.core.signature import PublicKey
from relay.core.signing import OutgoingKey, PrivateKey, StandardKey, sign

NOW_S = 1_772_366_400
ID = "7f0c3d9e-8f0a-5c1c-9d6a-2c8f5a1f0b11"
SECRET = bytes(range(32))


class StillTime(datetime):
    """The clock by which the reference library judges what is too old."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(NOW_S, tz)


@pytest.fixture(autouse=True, scope="module")
def still_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("standardwebhooks.webhooks.datetime", StillTime)
        yield


def text_of(secret: bytes) -> str:
    return "whsec_" + base64.b64encode(secret).decode()


secrets = st.binary(min_size=24, max_size=64)
bodies = st.text(st.characters(codec="utf-8"), max_size=200).map(str.encode)


def verify(body: bytes, signature: str, secret: bytes, *, message_id: str = ID) -> None:
    Webhook(text_of(secret)).verify(
        body,
        {
            "webhook-id": message_id,
            "webhook-timestamp": str(NOW_S),
            "webhook-signature": signature,
        },
        json_parse=False,
    )


def test_the_signature_is_the_one_the_specification_describes() -> None:
    """The known answer comes from ``openssl dgst -sha256 -mac HMAC`` over id.timestamp.body."""
    key = StandardKey.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    actual = sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [key]
    )
    assert actual == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(secret=secrets, body=bodies)
def test_a_signature_verifies_with_the_reference_library(
    secret: bytes, body: bytes
) -> None:
    verify(body, sign(ID, NOW_S, body, [StandardKey(secret)]), secret)


@given(secret=secrets, text=st.text(max_size=200))
def test_a_signature_verifies_with_the_library_of_svix(
    secret: bytes, text: str
) -> None:
    body = json.dumps(text).encode()
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": str(NOW_S),
        "webhook-signature": sign(ID, NOW_S, body, [StandardKey(secret)]),
    }
    webhook = SvixWebhook(text_of(secret))
    webhook.verify(body, headers)
    with pytest.raises(SvixError):
        webhook.verify(body + b" ", headers)


# ASCII, as the reference library reads a body as text.
@given(
    secret=secrets,
    body=st.lists(st.integers(0, 127), min_size=1, max_size=200).map(bytes),
    data=st.data(),
)
def test_any_changed_byte_of_the_body_fails_to_verify(
    secret: bytes, body: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[place] ^= data.draw(st.integers(1, 127))
    signature = sign(ID, NOW_S, body, [StandardKey(secret)])
    with pytest.raises(WebhookVerificationError):
        verify(bytes(changed), signature, secret)


@given(secret=secrets, other=secrets)
def test_another_key_fails_to_verify(secret: bytes, other: bytes) -> None:
    assume(secret != other)
    signature = sign(ID, NOW_S, b"{}", [StandardKey(secret)])
    with pytest.raises(WebhookVerificationError):
        verify(b"{}", signature, other)


def test_another_id_fails_to_verify() -> None:
    signature = sign(ID, NOW_S, b"{}", [StandardKey(SECRET)])
    with pytest.raises(WebhookVerificationError):
        verify(b"{}", signature, SECRET, message_id=ID.upper())


@given(st.lists(secrets, min_size=1, max_size=4, unique=True))
def test_while_keys_rotate_each_of_them_verifies(rotating: list[bytes]) -> None:
    signature = sign(ID, NOW_S, b"{}", [StandardKey(secret) for secret in rotating])
    assert len(rotating) == len(signature.split(" "))
    for secret in rotating:
        verify(b"{}", signature, secret)


def test_an_id_with_a_full_stop_is_not_signed() -> None:
    with pytest.raises(ValueError, match="full stop"):
        sign("evt.1", NOW_S, b"{}", [StandardKey(SECRET)])


@given(secrets)
def test_a_key_is_read_padded_or_not(secret: bytes) -> None:
    assert StandardKey(secret) == StandardKey.parse(text_of(secret))
    assert StandardKey(secret) == StandardKey.parse(text_of(secret).rstrip("="))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("whsec_", id="nothing behind the prefix"),
        pytest.param(base64.b64encode(SECRET).decode(), id="no prefix"),
        pytest.param("whpk_" + base64.b64encode(SECRET).decode(), id="a public key"),
        pytest.param(text_of(SECRET[:23]), id="too short"),
        pytest.param(text_of(SECRET * 2 + b"!"), id="too long"),
        pytest.param(text_of(SECRET) + "\n", id="a newline at the end"),
        pytest.param(text_of(SECRET)[:-3], id="a letter too few"),
        pytest.param("whsec_" + "_-" * 20, id="the alphabet of URLs"),
        pytest.param("whsec_" + "é" * 40, id="not ASCII"),
    ],
)
def test_a_key_of_another_form_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidKeyError) as caught:
        StandardKey.parse(text)
    payload = text.partition("_")[2].strip() or text
    assert not payload or payload not in str(caught.value)
    assert caught.value.__cause__ is None


@given(secrets)
def test_a_key_never_shows_itself(secret: bytes) -> None:
    key = StandardKey(secret)
    assert [repr(key), str(key), f"{key}"] == ["StandardKey(***)"] * 3


seeds = st.binary(min_size=32, max_size=32)


def verify_v1a(body: bytes, signature: str, public: str) -> None:
    """The specification's words, by an Ed25519 that is not the relay's.

    The key is what follows ``whpk_``; the header is a list with spaces between; each entry is a version,
    a comma and base64; what is signed is the id, the time and the body with full stops between.
    """
    key = VerifyKey(base64.b64decode(public.removeprefix("whpk_")))
    message = ID.encode() + b"." + str(NOW_S).encode() + b"." + body
    for entry in signature.split(" "):
        version, encoded = entry.split(",")
        if version == "v1a":
            key.verify(message, base64.b64decode(encoded))
            return
    pytest.fail("no signature of version v1a")


@given(seed=seeds, body=st.binary(max_size=200))
def test_a_signature_of_ed25519_verifies_with_another_ed25519(
    seed: bytes, body: bytes
) -> None:
    key = PrivateKey(seed)
    assert bytes(SigningKey(seed).verify_key) == base64.b64decode(key.public[5:])
    signature = sign(ID, NOW_S, body, [key])
    verify_v1a(body, signature, key.public)
    with pytest.raises(BadSignatureError):
        verify_v1a(body + b"x", signature, key.public)
    stranger = PrivateKey(bytes([seed[0] ^ 1]) + seed[1:])
    with pytest.raises(BadSignatureError):
        verify_v1a(body, signature, stranger.public)


@given(secret=secrets, seed=seeds)
def test_both_kinds_sign_side_by_side(secret: bytes, seed: bytes) -> None:
    keys: list[OutgoingKey] = [PrivateKey(seed), StandardKey(secret)]
    signature = sign(ID, NOW_S, b"{}", keys)
    assert [entry.partition(",")[0] for entry in signature.split(" ")] == ["v1a", "v1"]
    verify(b"{}", signature, secret)
    verify_v1a(b"{}", signature, PrivateKey(seed).public)


@given(seeds)
def test_what_signs_is_verified_by_what_takes_callbacks(seed: bytes) -> None:
    key = PrivateKey(seed)
    signature = base64.b64decode(key.signature(b"message").removeprefix("v1a,"))
    assert PublicKey(key.public).verifies(signature, b"message")


@given(seeds)
def test_a_private_key_is_read_in_every_form_that_is_about(seed: bytes) -> None:
    key = PrivateKey(seed)
    whole = seed + base64.b64decode(key.public.removeprefix("whpk_"))
    texts = ["whsk_" + base64.b64encode(data).decode() for data in (seed, whole)]
    assert [key] * 4 == [
        PrivateKey.parse(form) for text in texts for form in (text, text.rstrip("="))
    ]
    assert PrivateKey.parse(key.text) == key
    assert hash(PrivateKey.parse(texts[1])) == hash(key)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("whsk_", id="nothing behind the prefix"),
        pytest.param("whsec_" + base64.b64encode(SECRET).decode(), id="a shared one"),
        pytest.param("whpk_" + base64.b64encode(SECRET).decode(), id="a public one"),
        pytest.param("whsk_" + base64.b64encode(SECRET[:31]).decode(), id="too short"),
        pytest.param("whsk_" + base64.b64encode(SECRET * 3).decode(), id="too long"),
        pytest.param("whsk_" + base64.b64encode(SECRET * 2).decode(), id="strangers"),
        pytest.param("whsk_" + "_-" * 20, id="the alphabet of URLs"),
    ],
)
def test_a_private_key_of_another_form_is_refused_without_being_shown(
    text: str,
) -> None:
    with pytest.raises(InvalidKeyError) as caught:
        PrivateKey.parse(text)
    payload = text.partition("_")[2]
    assert not payload or payload not in str(caught.value)
    assert caught.value.__cause__ is None


@given(seeds)
def test_a_private_key_never_shows_itself(seed: bytes) -> None:
    key = PrivateKey(seed)
    assert [repr(key), str(key), f"{key}"] == ["PrivateKey(***)"] * 3
    assert key != StandardKey(seed)


@given(secrets)
def test_a_shared_key_is_written_as_it_is_read(secret: bytes) -> None:
    assert StandardKey.parse(StandardKey(secret).text) == StandardKey(secret)


def test_keys_are_equal_when_their_bytes_are() -> None:
    assert StandardKey(SECRET) == StandardKey(SECRET)
    assert hash(StandardKey(SECRET)) == hash(StandardKey(SECRET))
    assert StandardKey(SECRET) != StandardKey(SECRET[::-1])
    assert StandardKey(SECRET) != SECRET

"""Signing: the Standard Webhooks signature that the relay puts on what it sends.

Owns the two kinds of key (shared, ``v1``; ed25519, ``v1a``) and the signature header. Knows nothing of
HTTP, of clocks, or of the scheme in which callbacks come in: Runflow's own keys also begin with
``whsec_`` and mean something else, which is why the two are different types in different modules.

Sources: Standard Webhooks 1.0.0, "Signature scheme" and "Webhook Headers"
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md); RFC 8032,
5.1.5 (a private key of ed25519 is 32 bytes, from which its public key follows).
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.errors import InvalidKeyError

__all__ = [
    "KEY_BYTES_MAX",
    "KEY_BYTES_MIN",
    "SEED_BYTES",
    "OutgoingKey",
    "PrivateKey",
    "StandardKey",
    "sign",
]

_PREFIX: Final = "whsec_"
_PRIVATE_PREFIX: Final = "whsk_"
_PUBLIC_PREFIX: Final = "whpk_"
#: "between 24 bytes (192 bits) and 64 bytes (512 bits)", ibid.
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64
#: What an ed25519 key is made of, and the size of its public half.
SEED_BYTES: Final = 32


class StandardKey:
    """A symmetric key of Standard Webhooks: the bytes behind ``whsec_`` and base64.

    Its text forms never show the key, so that it may stand in a log line or a traceback.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if not KEY_BYTES_MIN <= len(secret) <= KEY_BYTES_MAX:
            raise InvalidKeyError(
                f"a Standard Webhooks secret holds {KEY_BYTES_MIN} to {KEY_BYTES_MAX} "
                f"bytes behind its base64, this one {len(secret)}"
            )
        self._secret = secret

    @classmethod
    def parse(cls, text: str) -> "StandardKey":
        """Read ``whsec_`` followed by standard base64, padded or not.

        Base64's URL alphabet is refused, not converted: the reference library skips ``-`` and ``_``
        and so arrives at another key than the one that was meant.

        Raises:
            InvalidKeyError: another form or size. The message never carries the key.
        """
        if not text.startswith(_PREFIX):
            raise InvalidKeyError(f"a Standard Webhooks secret begins with {_PREFIX}")
        return cls(_decoded(text, _PREFIX))

    @property
    def text(self) -> str:
        """The key as it is handed to whoever verifies. It is the secret itself: mind where it goes."""
        return _PREFIX + _encoded(self._secret)

    def signature(self, message: bytes) -> str:
        """``v1,`` and the base64 of :meth:`mac`."""
        return "v1," + _encoded(self.mac(message))

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of ``message`` under this key, 32 bytes."""
        return hmac.digest(self._secret, message, "sha256")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StandardKey) and hmac.compare_digest(
            self._secret, other._secret
        )

    def __hash__(self) -> int:
        return hash((StandardKey, self._secret))

    def __repr__(self) -> str:
        return "StandardKey(***)"


class PrivateKey:
    """A private ed25519 key of Standard Webhooks: ``whsk_`` and base64.

    Its text forms never show the key. What verifies is :attr:`public`, which may be shown to anyone.
    """

    __slots__ = ("_key", "_seed", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise InvalidKeyError(
                f"an ed25519 key is made of {SEED_BYTES} bytes, this one of {len(seed)}"
            )
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        #: The public half, ``whpk_`` and base64.
        self.public = _PUBLIC_PREFIX + _encoded(
            self._key.public_key().public_bytes_raw()
        )

    @classmethod
    def parse(cls, text: str) -> "PrivateKey":
        """Read ``whsk_`` followed by standard base64, padded or not.

        The specification does not say what is encoded, and two forms are about: the 32 bytes of RFC 8032,
        and those with the public key behind them. Both are taken, if the public key is the right one.

        Raises:
            InvalidKeyError: another form. The message never carries the key.
        """
        if not text.startswith(_PRIVATE_PREFIX):
            raise InvalidKeyError(
                f"an ed25519 key of Standard Webhooks begins with {_PRIVATE_PREFIX}"
            )
        data = _decoded(text, _PRIVATE_PREFIX)
        key = cls(data if len(data) != 2 * SEED_BYTES else data[:SEED_BYTES])
        if len(data) != SEED_BYTES and key.public != _PUBLIC_PREFIX + _encoded(
            data[SEED_BYTES:]
        ):
            raise InvalidKeyError("the public half does not belong to the private one")
        return key

    @property
    def text(self) -> str:
        """The private key. It is the secret itself: mind where it goes."""
        return _PRIVATE_PREFIX + _encoded(self._seed)

    def signature(self, message: bytes) -> str:
        """``v1a,`` and the base64 of the signature's 64 bytes."""
        return "v1a," + _encoded(self._key.sign(message))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKey) and hmac.compare_digest(
            self._seed, other._seed
        )

    def __hash__(self) -> int:
        return hash((PrivateKey, self._seed))

    def __repr__(self) -> str:
        return "PrivateKey(***)"


#: What deliveries may be signed with.
OutgoingKey = StandardKey | PrivateKey


def sign(
    message_id: str, timestamp_s: int, body: bytes, keys: Sequence[OutgoingKey]
) -> str:
    """Give the value of ``webhook-signature``: one signature for each key, space separated.

    What is signed is ``{message_id}.{timestamp_s}.{body}``; ``timestamp_s`` is in whole seconds
    since the epoch. While a secret is being rotated both keys sign, and the receiver accepts either.

    Raises:
        ValueError: ``message_id`` holds a full stop, so that what is signed could be read two ways.
    """
    if "." in message_id:
        raise ValueError("a message id holds no full stop")
    message = b"%b.%d.%b" % (message_id.encode(), timestamp_s, body)
    return " ".join([key.signature(message) for key in keys])


def _encoded(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _decoded(text: str, prefix: str) -> bytes:
    """What stands behind the prefix.

    Raises:
        InvalidKeyError: it is not standard base64.
    """
    encoded = text[len(prefix) :].rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        # The cause is dropped on purpose: its traceback would hold the key's text.
        raise InvalidKeyError(f"what follows {prefix} is not standard base64") from None

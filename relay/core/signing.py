"""Signing: the Standard Webhooks signature that the relay puts on what it sends.

Owns the symmetric key and the signature header. Knows nothing of HTTP, of clocks, or of the scheme
in which callbacks come in: Runflow's own keys also begin with ``whsec_`` and mean something else,
which is why the two are different types in different modules.

Source: Standard Webhooks 1.0.0, "Signature scheme" and "Webhook Headers"
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

from relay.core.errors import InvalidKeyError

__all__ = ["KEY_BYTES_MAX", "KEY_BYTES_MIN", "StandardKey", "sign"]

_PREFIX: Final = "whsec_"
#: "between 24 bytes (192 bits) and 64 bytes (512 bits)", ibid.
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64


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
        encoded = text[len(_PREFIX) :].rstrip("=")
        try:
            secret = base64.b64decode(
                encoded + "=" * (-len(encoded) % 4), validate=True
            )
        except (binascii.Error, ValueError):
            # The cause is dropped on purpose: its traceback would hold the key's text.
            raise InvalidKeyError(
                f"what follows {_PREFIX} is not standard base64"
            ) from None
        return cls(secret)

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


def sign(
    message_id: str, timestamp_s: int, body: bytes, keys: Sequence[StandardKey]
) -> str:
    """Give the value of ``webhook-signature``: one ``v1,<base64>`` for each key, space separated.

    What is signed is ``{message_id}.{timestamp_s}.{body}``; ``timestamp_s`` is in whole seconds
    since the epoch. While a secret is being rotated both keys sign, and the receiver accepts either.

    Raises:
        ValueError: ``message_id`` holds a full stop, so that what is signed could be read two ways.
    """
    if "." in message_id:
        raise ValueError("a message id holds no full stop")
    message = b"%b.%d.%b" % (message_id.encode(), timestamp_s, body)
    return " ".join(
        "v1," + binascii.b2a_base64(key.mac(message), newline=False).decode()
        for key in keys
    )

"""Signature: whether a callback comes from whom it says.

Owns the schemes in which callbacks are signed and the verdict on one request. Hostile headers give a
verdict, never an exception. Knows nothing of sockets and asks no clock.

Runflow's own scheme (docs.runflow.io/guides/verify-callback-signatures): ``Runflow-Signature`` is the
bare lowercase hex of HMAC-SHA256 over the raw body; the key is the **whole** ``whsec_...`` text. Standard
Webhooks 1.0.0 also writes ``whsec_`` but means base64 behind a prefix: the two keys are two types.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from relay.core.credential import Credential
from relay.core.errors import InvalidKeyError
from relay.core.signing import StandardKey

__all__ = [
    "Credential",
    "IncomingKey",
    "PublicKey",
    "RefusalReason",
    "Refused",
    "RunflowKey",
    "RunflowVerifier",
    "StandardVerifier",
    "Verified",
    "Verifier",
]

RefusalReason = Literal[
    "missing_signature",
    "malformed_signature",
    "bad_signature",
    "bad_timestamp",
    "no_live_secret",
]
_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,12}", re.ASCII)
_PUBLIC_PREFIX: Final = "whpk_"
#: More signatures in one header than any rotation needs are not looked at.
SIGNATURES_MAX: Final = 16
SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Verified:
    """The body is the source's, by this secret."""

    secret: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not, or cannot be told."""

    reason: RefusalReason

    @property
    def is_signed(self) -> bool:
        """Whether it has a signature of its scheme's form; who comes upon the URL by chance sends none."""
        return self.reason not in ("missing_signature", "malformed_signature")


class RunflowKey:
    """A Runflow callback secret: the whole text is the key."""

    __slots__ = ("_key",)

    def __init__(self, text: str) -> None:
        if not text:
            raise InvalidKeyError("a callback secret cannot be empty")
        try:
            self._key = text.encode()
        except UnicodeEncodeError:
            # The cause is dropped on purpose: it holds the secret's text.
            raise InvalidKeyError("a callback secret is UTF-8 text") from None

    def mac(self, body: bytes) -> str:
        """HMAC-SHA256 of the body, lowercase hex."""
        return hmac.digest(self._key, body, "sha256").hex()

    def __repr__(self) -> str:
        return "RunflowKey(***)"


class PublicKey:
    """An ed25519 public key of Standard Webhooks (``whpk_`` and base64)."""

    __slots__ = ("_key",)

    def __init__(self, text: str) -> None:
        try:
            data = base64.b64decode(text.removeprefix(_PUBLIC_PREFIX), validate=True)
            self._key = Ed25519PublicKey.from_public_bytes(data)
        except (binascii.Error, ValueError) as error:
            raise InvalidKeyError("not an ed25519 public key in base64") from error

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is the key's."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


IncomingKey = RunflowKey | StandardKey | PublicKey


@dataclass(frozen=True, slots=True)
class RunflowVerifier:
    """Runflow's own scheme."""

    credentials: tuple[Credential[IncomingKey], ...]
    #: The headers whose values :meth:`judge` asks for.
    headers: tuple[str, ...] = ("Runflow-Signature",)

    def is_ready(self, now: int) -> bool:
        """Whether any secret could match now; without one nothing can be told apart."""
        return any(credential.is_live(now) for credential in self.credentials)

    def judge(
        self, given: Mapping[str, Sequence[str]], body: bytes, now: int
    ) -> Verified | Refused:
        """The verdict on a request whose relevant header values are ``given``."""
        values = given.get("Runflow-Signature", ())
        if not values:
            return Refused("missing_signature")
        # Two signature headers cannot both be meant.
        if len(values) != 1 or not _HEX.fullmatch(values[0]):
            return Refused("malformed_signature")
        matched: str | None = None
        for credential in self.credentials:
            if not credential.is_live(now) or not isinstance(
                credential.key, RunflowKey
            ):
                continue
            if hmac.compare_digest(credential.key.mac(body), values[0]):
                matched = matched or credential.id
        return Verified(matched) if matched else Refused("bad_signature")


@dataclass(frozen=True, slots=True)
class StandardVerifier:
    """Standard Webhooks 1.0.0: ``v1`` (HMAC) and ``v1a`` (ed25519) over ``id.timestamp.body``."""

    credentials: tuple[Credential[IncomingKey], ...]
    #: How far the signed timestamp may be from now, either way, microseconds.
    tolerance: int = 300 * SECOND
    headers: tuple[str, ...] = (
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    )

    def is_ready(self, now: int) -> bool:
        """Whether any secret could match now."""
        return any(credential.is_live(now) for credential in self.credentials)

    def judge(
        self, given: Mapping[str, Sequence[str]], body: bytes, now: int
    ) -> Verified | Refused:
        """The verdict on a request whose relevant header values are ``given``."""
        values = [given.get(name, ()) for name in self.headers]
        if not all(values):
            return Refused("missing_signature")
        if any(len(value) != 1 for value in values):
            return Refused("malformed_signature")
        [(identifier,), (timestamp,), (signatures,)] = values
        if not _SECONDS.fullmatch(timestamp):
            return Refused("malformed_signature")
        if abs(int(timestamp) * SECOND - now) > self.tolerance:
            return Refused("bad_timestamp")
        try:
            head = f"{identifier}.{timestamp}.".encode()
        except UnicodeEncodeError:
            return Refused("malformed_signature")
        return self._match(signatures, head + body, now)

    def _match(self, signatures: str, message: bytes, now: int) -> Verified | Refused:
        given = [
            _read_signature(item) for item in signatures.split(" ")[:SIGNATURES_MAX]
        ]
        known = [(version, data) for version, data in given if data is not None]
        if not known:
            return Refused("malformed_signature")
        for credential in self.credentials:
            if credential.is_live(now) and _matches(credential, known, message):
                return Verified(credential.id)
        return Refused("bad_signature")


Verifier = RunflowVerifier | StandardVerifier


def _read_signature(item: str) -> tuple[str, bytes | None]:
    version, _, encoded = item.partition(",")
    if version not in ("v1", "v1a"):
        return version, None
    try:
        return version, base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return version, None


def _matches(
    credential: Credential[IncomingKey],
    given: Sequence[tuple[str, bytes]],
    message: bytes,
) -> bool:
    key = credential.key
    if isinstance(key, StandardKey):
        expected = key.mac(message)
        return any(
            version == "v1" and hmac.compare_digest(expected, data)
            for version, data in given
        )
    if isinstance(key, PublicKey):
        return any(
            version == "v1a" and key.verifies(data, message) for version, data in given
        )
    return False

"""Probe: a signed body that asks a relay whether it is there, and becomes nothing.

Owns the body's one form, and the proof in the answer to it that whoever answers holds the same secret. Pure.
Knows nothing of how a signature is judged, or of who sends a probe.

A body is a probe only as a whole: beside a nonce it has room for nothing, so no callback can be taken for one,
and nothing that a callback says can be hidden in one. What Runflow signs always names a run, a batch or an event.
"""

import hmac
import re
from typing import Final

from relay.core.signature import IncomingKey, PublicKey

__all__ = ["NONCE_BYTES", "is_proof", "probe_body", "proof_of", "read_probe"]

NONCE_BYTES: Final = 16
_HEAD: Final = b'{"relay_check":'
_FORM: Final = re.compile(rb'\{"relay_check":\{"nonce":"([0-9a-f]{32})"\}\} *')
#: What the proof's own key is derived with: nothing that the secret itself has signed ever leaves.
_CONTEXT: Final = b"runflow-relay: the answer to a check, version 1"


def probe_body(nonce: bytes, *, size: int = 0) -> bytes:
    """The body with this nonce, filled up with space to a size."""
    return b'%b{"nonce":"%b"}}' % (_HEAD, nonce.hex().encode()) + b" " * max(
        0, size - len(_HEAD) - len('{"nonce":""}}') - 2 * len(nonce)
    )


def read_probe(body: bytes) -> str | None:
    """The nonce of a probe; None for every other body."""
    # Every callback comes by here.
    if not body.startswith(_HEAD):
        return None
    found = _FORM.fullmatch(body)
    return None if found is None else found[1].decode()


def proof_of(key: IncomingKey, *, nonce: str, source: str, channel: str) -> str | None:
    """What only a holder of the key can answer; None where it is one that only verifies."""
    if isinstance(key, PublicKey):
        return None
    made = key.mac(_CONTEXT)
    derived = made.encode() if isinstance(made, str) else made
    text = f"{nonce}\n{source}\n{channel}"
    return hmac.digest(derived, text.encode(), "sha256").hex()


def is_proof(
    given: object, key: IncomingKey, *, nonce: str, source: str, channel: str
) -> bool:
    """Whether this answer is from who holds the key, and knows the source and channel by these names."""
    wanted = proof_of(key, nonce=nonce, source=source, channel=channel)
    if wanted is None or not isinstance(given, str):
        return False
    return hmac.compare_digest(wanted.encode(), given.encode(errors="replace"))

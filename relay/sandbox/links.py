"""Links of outputs: presigned, expiring, signed afresh whenever they are shown.

Owns their form, their signature and how long they live. Outputs are kept with links unsigned; what is
shown is signed for the moment of showing, as Runflow signs anew on each read. Lifetimes of a day and of
three days have been seen; a link's own is told in ``X-Amz-Expires``.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from relay.sandbox.wire import Raw

__all__ = ["ASSETS", "admits", "content", "signed", "unsigned", "unsigned_link"]

#: Where the sandbox serves what the links point at.
ASSETS: Final = "/assets/"
_PLACE: Final = "sandbox-asset:"
_UNSIGNED: Final = re.compile(_PLACE + r"([0-9a-f-]+/\d+\.\w+)")
_QUERY: Final = re.compile(r"\?X-Amz-Algorithm=[^\"\\\s]*")
_LIFETIMES_S: Final = (86_400, 259_200)
_KEY: Final = b"the sandbox's own; it guards nothing"
_PIXEL: Final = (
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364600000000600023081d02f0000000049454e44ae426082"
)
_WEBP: Final = "524946461a000000574542505650384c0d0000002f00000010071011118888fe0700"
_MP4: Final = "000000146674797069736f6d0000020069736f6d"
_WAV: Final = (
    "524946462400000057415645666d74201000000001000100"
    "44ac000088580100020010006461746100000000"
)
_CONTENT: Final = {
    "png": ("image/png", bytes.fromhex(_PIXEL)),
    "webp": ("image/webp", bytes.fromhex(_WEBP)),
    "mp4": ("video/mp4", bytes.fromhex(_MP4)),
    "wav": ("audio/wav", bytes.fromhex(_WAV)),
}


def unsigned_link(path: str) -> str:
    """The link to a file of a run, as it is kept: ``RUN/INDEX.SUFFIX``."""
    return _PLACE + path


def signed(text: Raw | None, *, base: str, at: datetime, life_s: int) -> Raw | None:
    """An output with its links signed, as it is shown.

    Args:
        text: With links unsigned; None is null and stays so.
        base: The sandbox's address.
        at: The moment of showing, in UTC.
        life_s: How long links live, in seconds; 0 is a day or three, by the link.
    """
    if text is None:
        return None
    return Raw(_UNSIGNED.sub(lambda it: _link(base, it[1], at, life_s), text.text))


def unsigned(text: str) -> str:
    """A JSON text without the queries of its links: equal for two readings of one output."""
    return _QUERY.sub("", text)


def admits(path: str, query: Mapping[str, str], now: datetime) -> bool:
    """Whether a link to this path, with this query, is ours and has not expired."""
    try:
        at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        life_s = int(query["X-Amz-Expires"])
        given = query["X-Amz-Signature"]
    except (KeyError, ValueError):
        return False
    true = hmac.compare_digest(given.encode(), _signature(path, at, life_s).encode())
    return true and now < at + timedelta(seconds=life_s)


def content(path: str) -> tuple[str, bytes] | None:
    """Type and bytes of a file; None where no output has such a one."""
    return _CONTENT.get(path.rpartition(".")[2])


def _link(base: str, path: str, at: datetime, life_s: int) -> str:
    life_s = life_s or _LIFETIMES_S[sum(path.encode()) % len(_LIFETIMES_S)]
    query = "&".join(
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            f"X-Amz-Credential=SANDBOX%2F{at:%Y%m%d}%2Feu-west-1%2Fs3%2Faws4_request",
            f"X-Amz-Date={at:%Y%m%dT%H%M%SZ}",
            f"X-Amz-Expires={life_s}",
            "X-Amz-SignedHeaders=host",
            f"X-Amz-Signature={_signature(path, at, life_s)}",
        )
    )
    return f"{base}{ASSETS}{path}?{query}"


def _signature(path: str, at: datetime, life_s: int) -> str:
    said = f"{path}\n{at:%Y%m%dT%H%M%SZ}\n{life_s}"
    return hmac.new(_KEY, said.encode(), hashlib.sha256).hexdigest()

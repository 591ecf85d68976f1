"""Way: through ``public.url``, as a sender of callbacks goes, to whoever answers there.

Owns the probe's request, and what it means that none got through. What an answer means is decided in ``core``.
"""

import asyncio
import io
import os
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import aiohttp
import msgspec

from relay.app.system import System
from relay.core.catalog import CALLBACK, Channel
from relay.core.checking import Heard, judge_answer
from relay.core.finding import Finding
from relay.core.probe import NONCE_BYTES, is_proof, probe_body
from relay.core.signature import PublicKey, RunflowKey
from relay.core.signing import StandardKey, sign
from relay.settings import Settings
from relay.settings.units import size, size_text

__all__ = ["look_at_way"]

#: A callback of Runflow's own largest samples; a higher limit of ours is not gone through.
_FULL_SIZE: Final = size("6MiB")
_ANSWER_BYTES: Final = 4096
_SECOND_US: Final = 1_000_000


class _Said(msgspec.Struct):
    """What a relay answers; whatever else answers need not have any of it."""

    result: str = ""
    proof: str = ""
    peer: str = ""


class _Key(NamedTuple):
    """A secret that can sign."""

    id: str
    key: RunflowKey | StandardKey


class _CutOffError(Exception):
    """No answer came. Its two words are what was found, and what to do."""

    def __init__(self, found: str, remedy: str, *, nobody: bool = False) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy
        #: Whether there may just be nobody yet.
        self.nobody = nobody


async def look_at_way(
    source: str,
    channel: Channel,
    settings: Settings,
    system: System,
    *,
    full_size: bool,
    runs_here: bool,
) -> Finding:
    """Whether what a secret of this channel has signed arrives at a relay that knows it.

    ``full_size`` is whether a body as large as may come is sent, too.
    """
    where = source if channel.name == CALLBACK else f"{source}/{channel.name}"
    if settings.public.url is None:
        return _skipped(
            where, "`public.url` is not set: where callbacks come is not known"
        )
    now = system.clock.now_us()
    live = [one for one in channel.verifier.credentials if one.is_live(now)]
    usable = [
        _Key(one.id, one.key) for one in live if not isinstance(one.key, PublicKey)
    ]
    if not live:
        return Finding(
            check="callbacks",
            about=where,
            result="failed",
            found="none of its secrets is in force: callbacks are answered with 503",
            remedy="look at `not_before` and `not_after` of its secrets",
        )
    if not usable:
        return _skipped(where, "it only verifies: what could sign is not here")
    url = "/".join([settings.public.url.rstrip("/"), "callbacks", *where.split("/")])
    sizes = [0] * len(usable)
    if full_size:
        sizes.append(min(settings.limits.body_bytes, _FULL_SIZE))
        usable.append(usable[0])
    probing = _Probing(url, source, channel, system, runs_here=runs_here)
    return await probing.look(where, usable, sizes)


def _skipped(where: str, found: str) -> Finding:
    return Finding(check="callbacks", about=where, result="skipped", found=found)


class _Probing:
    """Probes to one URL."""

    def __init__(
        self,
        url: str,
        source: str,
        channel: Channel,
        system: System,
        *,
        runs_here: bool,
    ) -> None:
        self._url = url
        self._source = source
        self._channel = channel
        self._system = system
        self._runs_here = runs_here

    async def look(
        self,
        where: str,
        keys: Sequence[_Key],
        sizes: Sequence[int],
    ) -> Finding:
        """One probe after the other, up to the first that does not arrive."""
        loop = asyncio.get_running_loop()
        began, peer = loop.time(), ""
        names = [*dict.fromkeys(key.id for key in keys)]
        async with aiohttp.ClientSession(
            # A look as a whole has its limit.
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
        ) as session:
            for key, length in zip(keys, sizes, strict=True):
                try:
                    heard, sent = await self._ask(session, key, length)
                except _CutOffError as error:
                    return self._cut_off(where, error)
                finding = judge_answer(
                    where, heard, size=sent, runs_here=self._runs_here
                )
                if finding is not None:
                    return _about(finding, key, many=len(names) > 1)
                peer = heard.peer
        took = f"{(loop.time() - began) * 1000:.0f} ms"
        found = f"arrives at a relay that knows {', '.join(names)} ({took})"
        if sizes[-1]:
            found += f"; {size_text(sizes[-1])} pass"
        return Finding(
            check="callbacks",
            about=where,
            result="ok",
            found=f"{found}; seen as {peer}",
        )

    def _cut_off(self, where: str, error: _CutOffError) -> Finding:
        return Finding(
            check="callbacks",
            about=where,
            result="unknown" if error.nobody and not self._runs_here else "failed",
            found=error.found,
            remedy=error.remedy,
        )

    async def _ask(
        self, session: aiohttp.ClientSession, key: _Key, length: int
    ) -> tuple[Heard, int]:
        """What is answered, and how many bytes were sent."""
        nonce = self._system.dice.bytes(NONCE_BYTES)
        body = probe_body(nonce, size=length)
        headers = self._signed(key.key, nonce.hex(), body)
        try:
            async with session.post(
                self._url,
                data=io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
            ) as answer:
                text = await _beginning(answer.content)
                status = answer.status
        except (aiohttp.ClientError, OSError) as error:
            raise _cut_off(error, length) from error
        said = _read(text)
        proven = is_proof(
            said.proof,
            key.key,
            nonce=nonce.hex(),
            source=self._source,
            channel=self._channel.name,
        )
        return Heard(status, proven, said.result, said.peer if proven else ""), len(
            body
        )

    def _signed(
        self, key: RunflowKey | StandardKey, nonce: str, body: bytes
    ) -> Mapping[str, str]:
        json = {"Content-Type": "application/json"}
        if isinstance(key, RunflowKey):
            return {**json, "Runflow-Signature": key.mac(body)}
        name = f"check_{nonce}"
        seconds = self._system.clock.now_us() // _SECOND_US
        return {
            **json,
            "webhook-id": name,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sign(name, seconds, body, [key]),
        }


def _about(finding: Finding, key: _Key, *, many: bool) -> Finding:
    """The finding, with the name of the secret where it could be another one."""
    if not many:
        return finding
    found = f"{finding.found} (secret {key.id})"
    return msgspec.structs.replace(finding, found=found)


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """As much as a relay's answer has at the most; it may come in pieces."""
    text = bytearray()
    while len(text) < _ANSWER_BYTES and not content.at_eof():
        text += await content.read(_ANSWER_BYTES)
    return bytes(text[:_ANSWER_BYTES])


def _read(text: bytes) -> _Said:
    try:
        return msgspec.json.decode(text, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Said()


def _why(error: OSError) -> str:
    # An event loop's own words for it repeat the address.
    said = (
        os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    )
    return said or type(error).__name__


def _cut_off(error: Exception, length: int) -> _CutOffError:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _CutOffError(
            "the name in `public.url` does not resolve here", "set its DNS record"
        )
    if isinstance(error, aiohttp.ClientSSLError):
        cause = getattr(error, "certificate_error", error)
        why = getattr(cause, "verify_message", "") or type(cause).__name__
        return _CutOffError(
            f"TLS: {why}", "give the ingress a certificate that everybody trusts"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        why = _why(error.os_error)
        return _CutOffError(
            f"no connection: {why}",
            "start the ingress and the relay; where `public.url` cannot be reached from here, look from outside",
            nobody=True,
        )
    if length:
        return _CutOffError(
            f"a body of {length:,} bytes is cut off on the way",
            "raise the ingress's limit to `limits.body_bytes` (docs/deploying.md#the-ingress)",
        )
    return _CutOffError(
        "the connection ended without an answer",
        "look at the log of the ingress: what answers there may not speak HTTP",
    )

"""Outgoing: whether each destination can be delivered to.

Owns how far a look goes for each kind, and what to do about each reason that a try can fail for. It takes the way
of real deliveries: the same connections, guard, proxy and logins. Without being told to, it sends nothing; a
file is never written to, because a relay that runs holds it.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Final, assert_never

from relay.app.destinations import kafka_options
from relay.app.endpoints import build_http
from relay.app.system import System, ThreadExecutor
from relay.core.delivery import Delivered, Failed, Outcome, Refused
from relay.core.errors import MisconfiguredError
from relay.core.finding import Finding, Result
from relay.core.ping import ping_of
from relay.core.ports import Parcel
from relay.deliver.http import HttpSender
from relay.deliver.kafka import KafkaSender
from relay.deliver.kafka_line import LineError, open_line
from relay.settings import (
    Destination,
    FileDestination,
    HttpDestination,
    KafkaDestination,
    Settings,
)
from relay.settings.root import nearest
from relay.settings.units import size_text

__all__ = ["look_at_destination"]

_SEED_BYTES: Final = 16
_REMEDIES: Final[Mapping[str, str]] = {
    "blocked_address": "if it is meant, allow it: `private: true`, or `private: [NETWORK]`",
    "broker": "look at the brokers' log",
    "connect": "start it, or correct its address; look at firewalls and network policies",
    "connect_timeout": "look for a firewall or network policy that swallows packets, or raise `connect_timeout`",
    "dns": "correct the name in its address, or the DNS record",
    "gone": "it says that it is no more: correct its `url`, or take the destination out",
    "malformed_response": "correct the port in its `url`: what answers there is no HTTP",
    "no_live_key": "look at `not_before` and `not_after` of its secrets",
    "not_authorized": "give the user the ACLs Describe and Write on the topic",
    "proxy": "look at `proxy.url`, its login, and what it lets through",
    "reset": "look at its log: it closes the connection without an answer",
    "status_400": "look at its log: it does not take the event; has it the same `secret`?",
    "status_401": "give it what it asks for: its `secret`, `auth` or `headers`",
    "status_403": "give it what it asks for: its `secret`, `auth` or `headers`",
    "status_404": "correct the path in its `url`",
    "status_405": "correct the path in its `url`: nothing there takes a POST",
    "status_429": "lower its `rate`, or look why it is asked so often",
    "timeout": "look why it takes so long, or raise its `timeout`",
    "tls": "correct `tls.ca`, or the certificate of the destination",
    "unknown_topic": "create the topic: docs/consuming.md#from-kafka",
}
_REDIRECT: Final = "set its `url` to where it redirects to"
_OTHERWISE: Final = "look at its log"


async def look_at_destination(
    destination: Destination, settings: Settings, system: System, *, send: bool
) -> Finding:
    """Whether it can be delivered to; with ``send``, by an event that is about nothing."""
    match destination:
        case HttpDestination():
            return await _http(destination, settings, system, send=send)
        case KafkaDestination():
            return await _kafka(destination, settings, system, send=send)
        case FileDestination():
            return await asyncio.to_thread(_file, destination, settings)
        case _:
            assert_never(destination)


async def _http(
    destination: HttpDestination, settings: Settings, system: System, *, send: bool
) -> Finding:
    executor = ThreadExecutor(destination.name)
    try:
        sender = await build_http(
            destination, settings=settings, system=system, executor=executor
        )
        try:
            return await _tried(destination, sender, system, send=send)
        finally:
            await sender.close()
    except MisconfiguredError as error:
        return _finding(destination, "failed", str(error), _REMEDIES["tls"])
    finally:
        executor.close()


async def _tried(
    destination: HttpDestination, sender: HttpSender, system: System, *, send: bool
) -> Finding:
    if not send:
        return _judged(destination, await sender.reach(), "reached, nothing sent")
    if destination.format == "runflow":
        said = "reached; there is no test event in `format: runflow`, so none was sent"
        return _judged(destination, await sender.reach(), said)
    [outcome] = await sender.send([_ping(destination, system)])
    return _judged(destination, outcome, "took a test event")


async def _kafka(
    destination: KafkaDestination, settings: Settings, system: System, *, send: bool
) -> Finding:
    options = kafka_options(destination, settings)
    try:
        line = await open_line(options)
    except LineError as error:
        return _finding(
            destination, "failed", error.detail or error.reason, _remedy(error.reason)
        )
    await line.end()
    found = f"topic {destination.topic}: {line.partitions} partitions, records to {_rounded(line.record_bytes_max)}"
    if send:
        sender = KafkaSender(options=options)
        try:
            [outcome] = await sender.send([_ping(destination, system)])
        finally:
            await sender.close()
        if not isinstance(outcome, Delivered):
            return _judged(destination, outcome, "")
        found += "; took a test event"
    else:
        found += "; nothing sent"
    is_meant = destination.max_bytes is not None or "output" in destination.omit
    if line.record_bytes_max < settings.limits.body_bytes and not is_meant:
        return _finding(
            destination,
            "warning",
            f"{found}; callbacks may have {_rounded(settings.limits.body_bytes)}",
            "raise the topic's `max.message.bytes`, or say with `omit` or `max_bytes` that it is meant",
        )
    return _finding(destination, "ok", found)


def _file(destination: FileDestination, settings: Settings) -> Finding:
    path = settings.anchor(destination.path)
    place = nearest(path)
    wanted = os.W_OK if place == path else os.W_OK | os.X_OK
    if place != path and not place.is_dir():
        return _finding(
            destination,
            "failed",
            f"{place} stands in the way of a folder",
            "correct its `path`",
        )
    if not os.access(place, wanted, effective_ids=True):
        return _finding(
            destination,
            "failed",
            f"{place}: this user may not write there",
            "correct its `path`, or the rights of the user that the relay runs as",
        )
    return _finding(destination, "ok", "can be written to; nothing was written")


def _ping(destination: Destination, system: System) -> Parcel:
    seed, now = system.dice.bytes(_SEED_BYTES), system.clock.now_us()
    return ping_of(destination.name, seed=seed, now=now)


def _judged(destination: Destination, outcome: Outcome, well: str) -> Finding:
    if isinstance(outcome, Delivered):
        took = f"{outcome.duration_us / 1000:.0f} ms"
        status = "" if outcome.status is None else f"{outcome.status}, "
        return _finding(destination, "ok", f"{well} ({status}{took})")
    detail = ""
    if isinstance(outcome, Failed | Refused) and outcome.detail:
        detail = f": {outcome.detail}"
    return _finding(
        destination, "failed", f"{outcome.reason}{detail}", _remedy(outcome.reason)
    )


def _remedy(reason: str) -> str:
    if reason.startswith("status_3"):
        return _REDIRECT
    return _REMEDIES.get(reason, _OTHERWISE)


def _finding(
    destination: Destination, result: Result, found: str, remedy: str = ""
) -> Finding:
    return Finding(
        check="destination",
        about=destination.name,
        result=result,
        found=found,
        remedy=remedy,
    )


def _rounded(count: int) -> str:
    """A size to the nearest KiB: Kafka's own default is some bytes above 1 MiB."""
    return size_text(count >> 10 << 10 or count)

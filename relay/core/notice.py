"""Notice: what the relay tells of itself, as the document that an operational event is made of.

Owns the closed list of what can happen to a destination that somebody wants to hear of, the document that
is stored of it, and the sentence for a person. Pure: who makes one passes in what is known in that commit.
Knows nothing of routes, rows or who hears of it.
"""

from typing import Final

import msgspec

from relay.core.holding import Alarm, Change, Changed, Hold
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.moment import text_of

__all__ = [
    "HAPPENINGS",
    "ORIGIN",
    "RELAY_SOURCE",
    "Bystander",
    "Notice",
    "read_notice",
    "tell_of_alarm",
    "tell_of_backlog",
    "tell_of_change",
]

#: The source of what the relay tells of itself. No source of a configuration can have this name.
RELAY_SOURCE: Final = "$relay"
#: How such a row came about; never on the wire.
ORIGIN: Final = "relay"

#: All that can be told of a destination.
HAPPENINGS: Final = (
    Outcome.DISABLED,
    Outcome.PAUSED,
    Outcome.RESUMED,
    Outcome.FAILING,
    Outcome.BEHIND,
)

#: What the relay's own words for a hold mean to a person.
_WHY: Final = {
    "gone": "it answered 410, which says that it wants no more",
    "failing": "for days every try has failed",
    "brake": "one delivery after the other failed for good",
}


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of schema `relay.destination` version 1: every key always present, in this order."""

    destination: str
    kind: str
    state: str
    reason: str
    by: str
    #: Since when it is so, and when it was found or done; as texts of moments.
    since: str
    at: str
    #: Deliveries that are not settled, as of the commit before.
    open: int
    #: When it will be disabled, where nothing changes until then.
    disabled_at: str | None = None
    text: str
    omitted: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What has happened."""
        return Outcome(self.state)

    @property
    def client_ref(self) -> None:
        """No run speaks here."""
        return

    @property
    def body(self) -> bytes:
        """The document as it is stored, and sent."""
        return msgspec.json.encode(self)

    def key(self, installation: str) -> RunKey:
        """What all that is told of this destination hangs on, in order. No two stores share one."""
        return RunKey(
            RELAY_SOURCE, Kind.DESTINATION, f"{installation}/{self.destination}"
        )


class Bystander(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit knows of the destination that something happens to."""

    kind: str
    #: Deliveries that are not settled.
    open: int


def read_notice(body: bytes) -> Notice | None:
    """Read a stored document; None where it is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def tell_of_change(change: Change, changed: Changed, known: Bystander) -> Notice | None:
    """Tell that a destination is held, or is not any more; None where nothing has changed."""
    if not changed.is_news:
        return None
    name, entry, hold = change.destination, change.entry, changed.after
    if hold is None:
        reason, by, since = entry.detail, entry.actor, entry.at
        state, text = Outcome.RESUMED, _resumed(name, by, known.open)
    else:
        reason, by, since = hold.reason, hold.by, hold.since
        state = Outcome.PAUSED if hold.kind == "paused" else Outcome.DISABLED
        text = _held(name, hold, known.open)
    return Notice(
        destination=name,
        kind=known.kind,
        state=state.value,
        reason=_plain(reason),
        by=_plain(by),
        since=text_of(since),
        at=text_of(entry.at),
        open=known.open,
        text=_plain(text),
    )


def tell_of_alarm(alarm: Alarm, known: Bystander) -> Notice:
    """Tell that a destination fails, and when it will be disabled."""
    name, since = alarm.destination, text_of(alarm.since)
    until = text_of(alarm.disabled_at)
    return Notice(
        destination=name,
        kind=known.kind,
        state=Outcome.FAILING.value,
        reason="failing",
        by=ORIGIN,
        since=since,
        at=text_of(alarm.at),
        open=known.open,
        disabled_at=until,
        text=f"Since {since} every try to {name} has failed; at {until} it is disabled, and what waits for it is"
        f" held until somebody has it go on ({known.open:,} deliveries so far). To see how it stands: relay destinations",
    )


def tell_of_backlog(name: str, known: Bystander, *, at: int) -> Notice:
    """Tell that a destination has so much open that no more is made for it."""
    return Notice(
        destination=name,
        kind=known.kind,
        state=Outcome.BEHIND.value,
        reason="backlog",
        by=ORIGIN,
        since=text_of(at),
        at=text_of(at),
        open=known.open,
        text=f"{name} is behind: with {known.open:,} open deliveries it has as many as it may. Nothing is lost;"
        f" the rest is made from the events as room returns. To see how it stands: relay destinations",
    )


def _held(name: str, hold: Hold, count: int) -> str:
    why = _WHY.get(hold.reason, hold.reason) if hold.by == ORIGIN else hold.reason
    said = f" ({why})" if why else ""
    return (
        f"{name} is {hold.kind} by {hold.by}{said}: nothing is sent there, and {_some(count)} held."
        f" To have it go on: relay destinations resume {name}"
    )


def _resumed(name: str, by: str, count: int) -> str:
    goes = f"{_some(count)} on the way there again" if count else "nothing waits for it"
    return (
        f"{name} is resumed by {by}: {goes}."
        f" To hold it: relay destinations pause {name}"
    )


def _some(count: int) -> str:
    if not count:
        return "what comes is"
    return "1 delivery is" if count == 1 else f"{count:,} deliveries are"


def _plain(word: str) -> str:
    """What is no text is said all the same."""
    return word.encode(errors="backslashreplace").decode()


_decoder: Final = msgspec.json.Decoder(Notice)

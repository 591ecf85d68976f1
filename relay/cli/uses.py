"""``relay keys used``: which callback secret was last used, and when, so that an old one can be taken out.

Owns putting together what the configuration knows of secrets and what the store has seen of them. Shows no
secret, and changes nothing.
"""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from relay.app.catalogs import build_catalog
from relay.app.stores import read_uses
from relay.app.system import System
from relay.cli.common import (
    load_settings,
    mistakes_exit,
    print_json,
    say,
)
from relay.cli.selecting import brief, narrow
from relay.core.catalog import Catalog
from relay.core.credential import KeyUse
from relay.core.moment import text_of

__all__ = ["show"]

_NEVER: Final = "never"


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """One secret: whether it counts now, and what it has signed."""

    source: str
    channel: str
    secret: str
    #: ``live``, ``not yet``, ``ended``, or ``gone`` for one that the configuration does not have.
    state: str
    use: KeyUse | None


def show(config: Path, *, json: bool) -> None:
    """Show it, to people or to programs."""
    with mistakes_exit():
        settings = load_settings(config)
        uses = asyncio.run(read_uses(settings))
    now = System.real().clock.now_us()
    lines = [*_lines(build_catalog(settings), uses, now)]
    if json:
        print_json({"secrets": [_document(line) for line in lines]})
        return
    table = narrow("source", "channel", "secret", "state", "callbacks", "last used")
    table.columns[4].justify = "right"
    for line in lines:
        use = line.use
        table.add_row(
            *(line.source, line.channel, line.secret, line.state),
            f"{use.callbacks:,}" if use else "0",
            brief(use.last_seen, now) if use else _NEVER,
        )
    Console(markup=False, highlight=False, emoji=False).print(table)
    for line in lines:
        if line.state == "gone":
            say(
                f"{line.secret} of {line.source} has left the configuration:"
                " what it signs now is answered 401."
            )


def _lines(catalog: Catalog, uses: Iterable[KeyUse], now: int) -> Iterator[_Line]:
    """Those of the configuration in its order, then those that only the store knows."""
    known = {(use.source, use.channel, use.secret): use for use in uses}
    for source in catalog.sources.values():
        for channel in source.channels.values():
            for key in channel.verifier.credentials:
                place = (source.name, channel.name, key.id)
                is_early = key.not_before is not None and now < key.not_before
                state = "live" if key.is_live(now) else _when(is_early=is_early)
                yield _line(place, state, known.pop(place, None))
    for place, use in known.items():
        yield _line(place, "gone", use)


def _when(*, is_early: bool) -> str:
    return "not yet" if is_early else "ended"


def _line(place: tuple[str, str, str], state: str, use: KeyUse | None) -> _Line:
    source, channel, secret = place
    return _Line(source=source, channel=channel, secret=secret, state=state, use=use)


def _document(line: _Line) -> dict[str, object]:
    use = line.use
    return {
        "source": line.source,
        "channel": line.channel,
        "secret": line.secret,
        "state": line.state,
        "callbacks": use.callbacks if use else 0,
        "first_seen": text_of(use.first_seen) if use else None,
        "last_seen": text_of(use.last_seen) if use else None,
    }

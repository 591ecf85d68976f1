"""``relay sweep``: arguments, who does it, and the exit code.

A relay that serves a SQLite store is asked over its socket, because only one process may write there. A
database takes many: there, and where nothing runs, the store is opened here.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import typer.core
import uvloop
from rich.console import Console

from relay.app.stores import is_empty
from relay.app.sweeps import sweeping_alone
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    DONE,
    FAILED,
    PARTLY,
    Config,
    Json,
    load_settings,
    mistakes_exit,
    print_json,
)
from relay.cli.orders import BrokenOffError, no_store, unreachable
from relay.cli.sweep.ask import ask
from relay.cli.sweep.show import Bars, listing, sentence, so_far, table
from relay.core.errors import MisconfiguredError, StoreTakenError
from relay.core.window import WindowError, window
from relay.observe.logs import configure
from relay.operate.actions.sweeping import (
    Ended,
    Found,
    Line,
    Order,
    Seen,
    UnknownSourceError,
)
from relay.operate.socket import socket_of
from relay.settings import Place, load_place

__all__ = ["Help", "sweep"]

_CODES: Final = {"done": DONE, "failed": FAILED, "partly": PARTLY}
LOG_FLUSH_S: Final = 1.0
EXAMPLES: Final = """\
What came while the relay was down yesterday, first looked at and then done:

  relay sweep --since 24h --dry-run
  relay sweep --since 24h

One organisation, one stretch of time, for a program:

  relay sweep --source acme --since 2026-03-01 --until 2026-03-02T06:00:00Z --json

A relay that runs does it, at one pace with its own sweeps; without one the store is opened here, and
the relay asks about what was found when it is started. Nothing is sent twice: a run whose callback
comes after all is one event. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly (some sources
failed, or Ctrl-C).
"""


class Help(typer.core.TyperCommand):
    """A command whose examples are shown as they are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write it."""
        super().format_help(ctx, formatter)
        formatter.write(f"\n{EXAMPLES}")


Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", help="Only this source; all without it."),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        help="Runs created since: so long ago (30m, 24h, 7d) or a time (2026-03-01T12:00:00Z)."
        " Without it, since the last sweep, less its overlap. Runs that ended before"
        " `retention.identities` are left alone.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="WHEN", help="Runs created before; now without it."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Change nothing; list the runs that are missing."),
]


def sweep(
    config: Config = DEFAULT_CONFIG,
    source: Source = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Look for runs whose callback never came, and have each become its event."""
    order = Order(source=source, since=since, until=until, dry_run=dry_run)
    work = _Work(config, order, quiet=json)
    with mistakes_exit(json_about=config if json else None):
        now = System.real().clock.now_us()
        _checked(lambda: window(since, until, now=now))
        place = load_place(config, os.environ)
        lines = configure(level="warning", form="auto")
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(work.run(place))
        finally:
            lines.flush(within_s=LOG_FLUSH_S)
    work.tell(json=json)
    raise typer.Exit(work.code)


def _checked(read: Callable[[], object]) -> None:
    """Times are wrong usage here, and named as they were typed."""
    try:
        read()
    except WindowError as error:
        raise MisconfiguredError(f"--{error.field}: {error.message}") from error


class _Work:
    """One sweep by hand, and what has been heard of it."""

    def __init__(self, config: Path, order: Order, *, quiet: bool) -> None:
        self._config = config
        self._order = order
        self._quiet = quiet
        self._bars: Bars | None = None
        self._seen: dict[str, Seen] = {}
        self._found: list[Found] = []
        self._ended: Ended | None = None
        #: Whether a relay that runs does it, and whether others may be at the store.
        self._served = False
        self._shared = False
        #: Why it ended before it was done.
        self._broken: str | None = None
        self._interrupted = False

    @property
    def code(self) -> int:
        """The exit code."""
        if self._ended is None:
            heard = self._seen or self._found or self._interrupted
            return PARTLY if heard else FAILED
        return _CODES[self._ended.outcome]

    async def run(self, place: Place) -> None:
        """Sweep, until it is done or broken off.

        Raises:
            RelayError: it cannot begin.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, task.cancel)
        try:
            if self._quiet:
                await self._sweep(place)
            else:
                with Bars() as self._bars:
                    await self._sweep(place)
        except asyncio.CancelledError:
            self._broken, self._interrupted = "broken off", True
        except BrokenOffError as error:
            self._broken = str(error)

    async def _sweep(self, place: Place) -> None:
        self._shared = place.store.file is None
        if not self._shared:
            path = socket_of(place.store_path.absolute())
            self._served = await ask(path, self._order, self._hear)
            if self._served:
                return
        if await is_empty(place):
            raise no_store(place)
        settings = await asyncio.to_thread(load_settings, self._config)
        try:
            async with sweeping_alone(settings) as sweeping:
                with sweeping.errand(self._order) as errand:
                    await errand.run(self._hear)
        except UnknownSourceError as error:
            raise MisconfiguredError(str(error)) from error
        except StoreTakenError as error:
            raise unreachable(socket_of(place.store_path.absolute())) from error

    def _hear(self, line: Line) -> None:
        match line:
            case Seen():
                self._seen[line.source] = line
            case Found():
                self._seen.pop(line.source, None)
                self._found.append(line)
            case Ended():
                self._ended = line
        if self._bars is not None:
            self._bars.draw(line)

    def tell(self, *, json: bool) -> None:
        """Print what it came to."""
        if json:
            print_json(self._document())
            return
        self._tell_found(Console())
        if self._broken is not None:
            typer.echo(f"relay sweep: {self._broken}", err=True)
        failed = [one for one in self._found if one.why is not None]
        for one in failed:
            typer.echo(f"{one.source}: {one.why}", err=True)
        broken: list[Seen | Found] = [one for one in failed if one.pages]
        for line in (*broken, *self._seen.values()):
            typer.echo(so_far(line, dry=self._order.dry_run), err=True)

    def _tell_found(self, console: Console) -> None:
        found, dry = self._found, self._order.dry_run
        if not any(one.pages for one in found):
            return
        console.print(table(found))
        for line in listing(found) if dry else ():
            console.print(line, soft_wrap=True)
        said = sentence(found, dry=dry, served=self._served, shared=self._shared)
        console.print(said, markup=False, highlight=False, soft_wrap=True)

    def _document(self) -> dict[str, object]:
        outcome = "broken_off" if self._ended is None else self._ended.outcome
        return {
            "outcome": outcome,
            "dry_run": self._order.dry_run,
            "by": "relay" if self._served else "command",
            "why": self._broken,
            "sources": self._found,
            "unfinished": list(self._seen.values()),
        }

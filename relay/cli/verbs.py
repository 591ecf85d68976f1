"""Verbs: which there are, where each stands, and what is said of it in the list.

Owns loading a verb when it is typed: nobody who asks for one waits for what the others need. Knows nothing of
what any of them does.
"""

from collections import UserDict
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
import typer.main

from relay.cli.words import Words

__all__ = ["VERBS", "Verb", "Verbs"]


class Verb(NamedTuple):
    """Where a verb stands: a function, or a :class:`typer.Typer` of verbs below it."""

    module: str
    attribute: str
    #: A line of the list; what is longer than a terminal is wide would be cut off.
    help: str
    #: The name of a class beside it that shows its help in a form of its own.
    shape: str | None = None


VERBS: Final = {
    "serve": Verb("serve", "serve", "Receive callbacks and deliver events."),
    "check": Verb(
        "check", "check", "List mistakes of the configuration; try what it names."
    ),
    "migrate": Verb("migrate", "migrate", "Bring the store's tables up to date."),
    "explain": Verb(
        "explain", "explain", "Show where a run is, and what is waited for."
    ),
    "ledger": Verb(
        "inspect", "ledger", "Show what was received and what became of it."
    ),
    "destinations": Verb(
        "destinations",
        "app",
        "Show how destinations stand; pause, resume or forget one.",
    ),
    "sweep": Verb("sweep", "sweep", "Look for runs whose callback never came.", "Help"),
    "dead": Verb("dead", "app", "List what could not be delivered, and why."),
    "replay": Verb(
        "replay", "replay", "Send again what died, or what never was sent.", "Help"
    ),
    "quarantine": Verb("quarantine", "app", "List signed bodies that became no event."),
    "sandbox": Verb(
        "sandbox", "sandbox", "Serve a local Runflow to develop against.", "Help"
    ),
    "keys": Verb("keys", "app", "Make keys to sign with, and replace them."),
    "demo": Verb("demo", "demo", "Show it all at work, and compare what arrived."),
    "version": Verb("version", "version", "Show the version."),
}


class Verbs(Words):
    """All verbs, in the order of the list."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Where the base class looks one up, and which it names when something else was typed.
        self.commands = _Loading()

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        del ctx
        return [*VERBS]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List them, without loading any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


class _Loading(UserDict[str, Any]):
    """Each verb's command, made when it is asked for."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(VERBS))

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data[name] = _loaded(name, VERBS[name])
        return self.data[name]


def _loaded(name: str, verb: Verb) -> Any:
    module = import_module(f"relay.cli.{verb.module}")
    found = getattr(module, verb.attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        shape = None if verb.shape is None else getattr(module, verb.shape)
        alone.command(name, cls=shape)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command

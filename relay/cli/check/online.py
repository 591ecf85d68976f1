"""Online: has the world outside looked at, and draws what was found.

Owns what of ``relay check`` needs the programs that dial and draw: who checks a file alone does not wait for them.
"""

import asyncio
from collections.abc import Sequence

import uvloop
from rich.console import Console

from relay.app.checks import check_online
from relay.app.system import System
from relay.cli.check.show import show_findings
from relay.core.finding import Finding
from relay.settings import Settings

__all__ = ["draw", "look"]


def look(settings: Settings, *, system: System, send: bool) -> Sequence[Finding]:
    """Look at all that the settings name; with ``send`` by test events."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(check_online(settings, system=system, send=send))


def draw(findings: Sequence[Finding]) -> None:
    """Show it to people."""
    show_findings(Console(), findings)

"""The command: every mistake of the configuration at once, and on request a look at the world outside."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Final

import typer

from relay.app.catalogs import check_match
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    DONE,
    FAILED,
    PARTLY,
    WRONG,
    Config,
    Json,
    fail,
    for_programs,
    mistakes_exit,
    print_json,
    say,
)
from relay.core.finding import Finding, Sum, summed
from relay.settings import Mistake, Settings, render, review

__all__ = ["check"]

Online = Annotated[
    bool,
    typer.Option(
        "--online",
        help="Also look whether all that it names works: the store, Runflow's API, the way in through public.url,"
        " destinations. Writes nothing.",
    ),
]
Send = Annotated[
    bool,
    typer.Option(
        "--send",
        help="With --online: send every HTTP endpoint and Kafka topic a test event"
        " (io.runflow.relay.check.ping).",
    ),
]

_CODES: Final[dict[Sum, int]] = {"ok": DONE, "failed": FAILED, "partly": PARTLY}


def check(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    online: Online = False,
    send: Send = False,
) -> None:
    """List every mistake of the configuration at once, each with its place in the file.

    With --online, look whether all that it names works.
    """
    if send and not online:
        fail("relay check: --send goes with --online", WRONG)
    system = System.real()
    now = datetime.fromtimestamp(system.clock.now_us() / 1_000_000, UTC)
    with mistakes_exit(json_about=config if json else None):
        settings, doubts = review(config, os.environ, now=now, check_match=check_match)
    if not json:
        _say(settings, doubts, config, brief=online)
    if not online:
        if json:
            print_json(_document(settings, doubts, config))
        return
    from relay.cli.check.online import draw, look  # noqa: PLC0415 - see there

    findings = look(settings, system=system, send=send)
    if json:
        print_json(_document(settings, doubts, config, findings))
    else:
        draw(findings)
    raise typer.Exit(_CODES[summed(findings)])


def _document(
    settings: Settings,
    doubts: Sequence[Mistake],
    config: Path,
    findings: Sequence[Finding] | None = None,
) -> dict[str, object]:
    document: dict[str, object] = {
        "ok": True,
        "file": str(config),
        "warnings": [for_programs(doubt, str(config)) for doubt in doubts],
        "callback_urls": settings.callback_urls(),
    }
    if findings is not None:
        document["ok"] = summed(findings) == "ok"
        document["checks"] = [
            {
                "check": one.check,
                "about": one.about or None,
                "result": one.result,
                "found": one.found,
                "remedy": one.remedy or None,
            }
            for one in findings
        ]
    return document


def _say(
    settings: Settings, doubts: Sequence[Mistake], config: Path, *, brief: bool
) -> None:
    for doubt in doubts:
        typer.echo(f"warning: {render(doubt, str(config))}", err=True)
    say(f"{config} can be used." if doubts else f"{config} is fine.")
    if not brief:
        _describe(settings)


def _describe(settings: Settings) -> None:
    sources = ", ".join(source.name for source in settings.sources)
    destinations = ", ".join(
        f"{destination.name} ({destination.kind})"
        for destination in settings.destinations
    )
    say(f"  sources       {sources}")
    for label, url in zip_longest(
        ["callbacks"], settings.callback_urls(), fillvalue=""
    ):
        say(f"  {label:<12}  {url}")
    say(f"  destinations  {destinations}")
    say(f"  store         {settings.store_place}")

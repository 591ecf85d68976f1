"""The command: what is looked for, what is found, and what programs read of it."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from relay.app.explaining import Explainer, Missing
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    DONE,
    FAILED,
    WRONG,
    Config,
    Json,
    fail,
    load_settings,
    mistakes_exit,
    print_json,
)
from relay.cli.explain.show import show_list, show_missing, show_whole
from relay.core.timeline import Explanation, Findings, as_json
from relay.settings import ConfigError, Settings, load_place

__all__ = ["explain"]

Wanted = Annotated[
    str,
    typer.Argument(
        metavar="RUN_ID|CLIENT_REF",
        help="The id of a run, of a batch or of an event; or a client_ref.",
    ),
]
OfSource = Annotated[
    str | None, typer.Option("--source", help="Only what this source has sent.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Do not ask Runflow's API.")]
Excerpts = Annotated[
    bool,
    typer.Option(
        "--excerpts", help="Show the beginnings of what destinations answered."
    ),
]


def explain(
    wanted: Wanted,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    source: OfSource = None,
    offline: Offline = False,
    excerpts: Excerpts = False,
) -> None:
    """Show all that happened to a run, where it stands, and what is being waited for now."""
    text = wanted.strip()
    if not text or not _is_text(text):
        fail("relay explain: name a run, a batch, an event or a client_ref", WRONG)
    with mistakes_exit(json_about=config if json else None):
        place = load_place(config, os.environ)
        settings = _settings(config)
        explainer = Explainer(
            place=place,
            settings=settings,
            clock=System.real().clock,
            offline=offline,
            excerpts=excerpts,
        )
        findings, found = asyncio.run(_look(explainer, text, source))
    if isinstance(found, Missing):
        _check_source(settings, source)
        _say_missing(found, json=json)
        raise typer.Exit(FAILED)
    if json:
        _print(findings, found)
    else:
        _draw(text, findings, found)
    raise typer.Exit(DONE)


async def _look(
    explainer: Explainer, text: str, source: str | None
) -> tuple[Findings, list[Explanation] | Missing]:
    findings = await explainer.find(text, source)
    histories = findings.histories
    if len(histories) == 1 and not findings.more:
        return findings, [await explainer.whole(histories[0], findings)]
    if histories:
        return findings, [explainer.brief(one, findings) for one in histories]
    if findings.quarantined:
        return findings, [explainer.hidden(text, findings)]
    return findings, await explainer.missing(text, source)


def _settings(config: Path) -> Settings | None:
    """The whole configuration; None where a part of it that only `serve` needs cannot be used."""
    try:
        return load_settings(config)
    except ConfigError:
        return None


def _check_source(settings: Settings | None, source: str | None) -> None:
    names = [] if settings is None else [one.name for one in settings.sources]
    if source is not None and names and source not in names:
        fail(f"there is no source {source!r}; there are: {', '.join(names)}", WRONG)


def _say_missing(found: Missing, *, json: bool) -> None:
    if json:
        upstream = {name: list(said) for name, said in found.upstream}
        print_json({"found": False, "looked": found.looked, "upstream": upstream})
    else:
        show_missing(_console(), found)


def _print(findings: Findings, found: list[Explanation]) -> None:
    if len(found) == 1:
        print_json({"found": True, **as_json(found[0])})
        return
    listed = [as_json(one) for one in found]
    keys = ("run", "state", "reason", "waiting_for")
    print_json(
        {
            "found": True,
            "several": [{key: one[key] for key in keys} for one in listed],
            "more": findings.more,
        }
    )


def _draw(text: str, findings: Findings, found: list[Explanation]) -> None:
    if len(found) == 1:
        show_whole(_console(), found[0])
    else:
        show_list(_console(), text, findings, found)


def _console() -> Console:
    # What others have written is never read as markup.
    return Console(markup=False, highlight=False, emoji=False)


def _is_text(text: str) -> bool:
    """Whether it can be encoded: the shell may hand us bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

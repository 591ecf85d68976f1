"""``relay quarantine``: arguments, where to look, and who reads again."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from relay.app.catalogs import build_catalog
from relay.app.replays import quarantine_of, readmission_of
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    DONE,
    PARTLY,
    Config,
    Json,
    load_settings,
    mistakes_exit,
    print_json,
)
from relay.cli.orders import carry_out
from relay.cli.quarantine.show import (
    list_document,
    one_document,
    show_list,
    show_one,
    show_report,
)
from relay.core.catalog import Current
from relay.core.deadletter import LISTED_MAX
from relay.core.errors import MisconfiguredError
from relay.core.quarantine import Kept
from relay.core.replay import NUMBER_MAX
from relay.operate.actions.readmitting import (
    BadDigestError,
    Order,
    Report,
    check_digest,
)
from relay.operate.actors import login
from relay.operate.api.quarantine import PATH
from relay.record.grouped import GroupedStore
from relay.settings import Place, Settings, load_place

__all__ = ["app"]

app = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_DEFAULT_LIMIT: Final = 20

OfSource = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="Only of this source.")
]
Reason = Annotated[
    str | None,
    typer.Option("--reason", metavar="WORD", help="Only what is there for this."),
]
Limit = Annotated[
    int, typer.Option("--limit", min=1, max=LISTED_MAX, help="Bodies that are listed.")
]
Cursor = Annotated[
    int | None,
    typer.Option(
        "--cursor",
        metavar="N",
        min=1,
        max=NUMBER_MAX,
        help="Where the next ones begin, as the last said.",
    ),
]
Digest = Annotated[
    str, typer.Argument(metavar="DIGEST", help="Eight or more digits of it suffice.")
]
Digests = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DIGEST",
        help="Only these; eight digits suffice.",
        show_default=False,
    ),
]
Body = Annotated[
    bool, typer.Option("--body", help="Write the body itself, and nothing else.")
]
All = Annotated[bool, typer.Option("--all", help="Everything that is there.")]


@app.callback()
def quarantine(
    context: typer.Context,
    config: Config = DEFAULT_CONFIG,
    source: OfSource = None,
    reason: Reason = None,
    limit: Limit = _DEFAULT_LIMIT,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List signed bodies that became no event, newest first, and count them by source and reason."""
    if context.invoked_subcommand is not None:
        return
    with mistakes_exit(json_about=config if json else None):
        looking = quarantine_of(load_place(config, os.environ))
        groups = asyncio.run(looking.groups(source, reason))
        kept = asyncio.run(looking.kept(source, reason, limit=limit + 1, before=cursor))
    page, more = kept[:limit], kept[limit - 1].number if len(kept) > limit else None
    if json:
        print_json(list_document(groups, page, more))
    else:
        show_list(_console(), groups, page, more)


@app.command("show", short_help="Show one of them.")
def show(
    digest: Digest,
    config: Config = DEFAULT_CONFIG,
    body: Body = False,
    json: Json = False,
) -> None:
    """Show one: when and how often it came, its headers, and its body if asked for."""
    with mistakes_exit(json_about=config if json else None):
        place = load_place(config, os.environ)
        one, (headers, content) = asyncio.run(_find(place, check_digest(digest)))
    if body and not json:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    elif json:
        print_json(one_document(one, headers, content if body else None))
    else:
        show_one(_console(), one, headers)


@app.command("replay", short_help="Have them read once more.")
def replay(
    digests: Digests = None,
    config: Config = DEFAULT_CONFIG,
    source: OfSource = None,
    reason: Reason = None,
    everything: All = False,
    json: Json = False,
) -> None:
    """Have what lies there read once more, as if it came now; what still cannot be read stays.

    Worth it after an upgrade that knows more, or with a longer `retention.identities`.
    """
    order = Order(digests=tuple(digests or ()), source=source, reason=reason)
    with mistakes_exit(json_about=config if json else None):
        if order == Order() and not everything:
            raise MisconfiguredError(
                "relay quarantine replay: name digests, --source or --reason; or --all"
            )
        report = asyncio.run(_replay(load_place(config, os.environ), config, order))
    if json:
        print_json(report)
    else:
        show_report(_console(), report)
    raise typer.Exit(PARTLY if report.left else DONE)


async def _find(place: Place, digest: str) -> tuple[Kept, tuple[bytes, bytes]]:
    looking = quarantine_of(place)
    found = await looking.kept(None, None, digest=digest, limit=2)
    if len(found) > 1:
        raise BadDigestError(f"more than one has the digest {digest}: write more of it")
    contents = await looking.contents(found[0].number) if found else None
    if contents is None:
        raise BadDigestError(f"nothing in quarantine has the digest {digest}")
    return found[0], contents


async def _replay(place: Place, config: Path, order: Order) -> Report:
    async def alone(settings: Settings, store: GroupedStore) -> Report:
        # Where events go has to be known to a store that has not heard of it yet.
        await store.register([(one.name, one.kind) for one in settings.destinations])
        current, clock = Current(build_catalog(settings)), System.real().clock
        readmission = readmission_of(settings, store, current, clock=clock)
        return await readmission.readmit(order, by=login())

    async def settings() -> Settings:
        return await asyncio.to_thread(load_settings, config)

    return await carry_out(place, PATH, order, Report, settings=settings, alone=alone)


def _console() -> Console:
    # What others have written is never read as markup.
    return Console(markup=False, highlight=False, emoji=False)

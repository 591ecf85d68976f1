"""``relay sandbox``: a local Runflow to develop against."""

import asyncio
import inspect
import os
import signal
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
import typer.core
import uvloop

from relay.cli.common import FAILED, WRONG, fail, say
from relay.sandbox import (
    LOCAL_KEY,
    Faults,
    InvalidFaultsError,
    Retries,
    Sandbox,
    ShelfError,
    choices,
    run,
)

__all__ = ["LOCAL_SECRET", "Help", "sandbox"]

LOCAL_SECRET: Final = "whsec_sandbox"  # noqa: S105 - guards nothing
LISTEN, KEYS, TIMES = "Where it listens, and what it keeps", "Keys", "Time and retries"
_METAVARS: Final[dict[type, str]] = {float: "X", int: "N", str: "WORD"}
BEGIN: Final = """\
Begin: start it, and in another terminal dispatch a run and see what was sent

  relay sandbox --double 0.2 --partial 0.1

  curl -s http://127.0.0.1:8090/v1/models/runflow/tag-removal/runs \\
    -H 'Authorization: Bearer rf_live_sandbox' -H 'Content-Type: application/json' \\
    -d '{"input": {}, "callback_url": "http://127.0.0.1:8080/callbacks/acme"}'
  curl -s http://127.0.0.1:8090/sandbox/runs

Change what goes wrong while it runs:

  curl -s -X PATCH http://127.0.0.1:8090/sandbox/faults -d '{"drop": 0.5}'

docs/sandbox.md says what each fault does, and where this is only our reading of the documents.
"""


class Help(typer.core.TyperCommand):
    """A command whose flags are shown in groups, and whose examples are shown as they are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write it."""
        self.rich_markup_mode = "rich"
        super().format_help(ctx, formatter)
        typer.echo(BEGIN)


Host = Annotated[str, typer.Option(help="The address.", rich_help_panel=LISTEN)]
Port = Annotated[
    int, typer.Option(help="The port; 0 picks a free one.", rich_help_panel=LISTEN)
]
State = Annotated[
    Path | None,
    typer.Option(
        help="Keep everything in this file, and begin again where it stopped; in memory without it.",
        rich_help_panel=LISTEN,
    ),
]
Seed = Annotated[
    int,
    typer.Option(help="Outcomes and faults follow from it.", rich_help_panel=LISTEN),
]
Secret = Annotated[
    str,
    typer.Option(
        help="Signs callbacks; empty leaves them unsigned.", rich_help_panel=KEYS
    ),
]
Token = Annotated[
    str,
    typer.Option(
        help="The bearer token that requests must carry.", rich_help_panel=KEYS
    ),
]
Fastest = Annotated[
    float,
    typer.Option(min=0, help="Shortest run, in seconds.", rich_help_panel=TIMES),
]
Slowest = Annotated[
    float,
    typer.Option(min=0, help="Longest run, in seconds.", rich_help_panel=TIMES),
]
Attempts = Annotated[
    int,
    typer.Option(
        min=1,
        help="Tries per callback before it is given up.",
        rich_help_panel=TIMES,
    ),
]
Backoff = Annotated[
    float,
    typer.Option(
        min=0,
        help="Seconds before the second try; each further wait is twice as long.",
        rich_help_panel=TIMES,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Say where everything is as one line of JSON.",
        rich_help_panel=LISTEN,
    ),
]

_Command = TypeVar("_Command", bound=Callable[..., None])


def _with_faults(command: _Command) -> _Command:
    """The command with a flag for each field of `Faults`, which says its group and its help."""
    own = inspect.signature(command).parameters.values()
    given = [each for each in own if each.kind is not inspect.Parameter.VAR_KEYWORD]
    given += [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=Annotated[type(each.default), _flag(each)],
        )
        for each in fields(Faults)
    ]
    command.__signature__ = inspect.Signature(given)  # type: ignore[attr-defined] # typer reads it
    return command


def _flag(fault: Field[Any]) -> Any:
    """Its limits are not the flag's but those of `Faults`, so that both ways to set it say the same."""
    flag = "--" + fault.name.replace("_", "-")
    words = choices(fault.name)
    said = fault.metadata["help"]
    return typer.Option(
        flag,
        help=f"{said} One of {', '.join(words)}." if words else said,
        rich_help_panel=fault.metadata["group"],
        show_default=bool(fault.default),
        metavar=_METAVARS.get(type(fault.default)),
    )


@_with_faults
def sandbox(
    host: Host = "127.0.0.1",
    port: Port = 8090,
    state: State = None,
    seed: Seed = 0,
    secret: Secret = LOCAL_SECRET,
    token: Token = LOCAL_KEY,
    fastest: Fastest = 0.5,
    slowest: Slowest = 2.0,
    attempts: Attempts = 5,
    backoff: Backoff = 0.2,
    json: Json = False,
    **faults: object,
) -> None:
    """A local Runflow: its API, runs that end by themselves, signed callbacks, and faults by seed.

    Any model exists, any input is taken. The same requests meet the same fate again. Shares are 0 to 1.
    """
    if fastest > slowest:
        fail("relay sandbox: --fastest must not be longer than --slowest", WRONG)
    try:
        made = Sandbox(
            host=host,
            port=port,
            secret=secret or None,
            token=token,
            seed=seed,
            state=state,
            faults=Faults().changed(faults),
            run_seconds=(fastest, slowest),
            retry=Retries(max_attempts=attempts, base_s=backoff),
        )
    except InvalidFaultsError as error:
        flags = "; ".join(
            f"--{each['field'].replace('_', '-')}: {each['message']}"
            for each in error.errors
        )
        fail(f"relay sandbox: {flags}", WRONG)
    except ValueError as error:
        fail(f"relay sandbox: {error}", WRONG)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(made, json=json))
    except ShelfError as error:
        fail(f"relay sandbox: {error}", FAILED)
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror
        fail(f"relay sandbox: cannot listen on {host}:{port}: {reason}", WRONG)


async def _serve(made: Sandbox, *, json: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, made.over.set)
    await run(made, announce=say, json=json)

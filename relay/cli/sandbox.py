"""``relay sandbox``: a local Runflow to develop against."""

import asyncio
import os
import signal
from typing import Annotated, Final

import typer
import uvloop

from relay.cli.common import WRONG, fail, say
from relay.sandbox import LOCAL_KEY, Faults, Retries, Sandbox, run

__all__ = ["LOCAL_SECRET", "sandbox"]

LOCAL_SECRET: Final = "whsec_sandbox"  # noqa: S105 - guards nothing


def sandbox(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 picks a free one.")] = 8090,
    secret: Annotated[
        str, typer.Option(help="Signs callbacks; empty leaves them unsigned.")
    ] = LOCAL_SECRET,
    token: Annotated[str, typer.Option(help="The bearer token.")] = LOCAL_KEY,
    seed: Annotated[int, typer.Option(help="Outcomes and faults follow from it.")] = 0,
    drop: Annotated[
        float, typer.Option(min=0, max=1, help="Share of single tries that are lost.")
    ] = 0.0,
    double: Annotated[
        float, typer.Option(min=0, max=1, help="Share of callbacks sent twice.")
    ] = 0.0,
    partial: Annotated[
        float, typer.Option(min=0, max=1, help="Share of callbacks that lack a field.")
    ] = 0.0,
    failed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of runs that fail.")
    ] = 0.0,
    cancelled: Annotated[
        float, typer.Option(min=0, max=1, help="Share of runs that are cancelled.")
    ] = 0.0,
    partial_succeeded: Annotated[
        float, typer.Option(min=0, max=1, help="Share of runs that succeed in part.")
    ] = 0.0,
    attempts: Annotated[
        int, typer.Option(min=1, help="Tries per callback before it is given up.")
    ] = 5,
    fastest: Annotated[float, typer.Option(min=0, help="Shortest run, seconds.")] = 0.5,
    slowest: Annotated[float, typer.Option(min=0, help="Longest run, seconds.")] = 2.0,
) -> None:
    """Serve a local Runflow: runs on any model, signed callbacks, and faults by seed."""
    if fastest > slowest:
        fail("relay sandbox: --fastest must not be longer than --slowest", WRONG)
    try:
        made = Sandbox(
            host=host,
            port=port,
            secret=secret or None,
            token=token,
            seed=seed,
            faults=Faults(
                drop=drop,
                double=double,
                partial=partial,
                failed=failed,
                cancelled=cancelled,
                partial_succeeded=partial_succeeded,
            ),
            run_seconds=(fastest, slowest),
            retry=Retries(max_attempts=attempts),
        )
    except ValueError as error:
        fail(f"relay sandbox: {error}", WRONG)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(made))
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror
        fail(f"relay sandbox: cannot listen on {host}:{port}: {reason}", WRONG)


async def _serve(made: Sandbox) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, made.over.set)
    await run(made, announce=say)

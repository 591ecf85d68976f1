"""The ``relay demo`` command."""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console
from rich.live import Live

from relay.cli.common import DONE, FAILED, WRONG, fail, mistakes_exit
from relay.cli.demo.endpoint import Endpoint
from relay.cli.demo.show import draw
from relay.cli.demo.stage import ENDPOINT_SECRET, Stage, StageOptions
from relay.cli.inspect import ledger_tables
from relay.observe.logs import configure
from relay.sandbox.kafka_jars import KafkaUnavailableError

__all__ = ["LIMIT_S", "demo", "play"]

LIMIT_S: Final = 50.0
REFRESH_S: Final = 0.25


def demo(
    directory: Annotated[
        Path, typer.Option(help="Where the demo keeps its files; emptied first.")
    ] = Path("var/demo"),
    runs: Annotated[int, typer.Option(min=1, max=5000, help="How many runs.")] = 200,
    seed: Annotated[int, typer.Option(help="Outcomes and faults follow from it.")] = 7,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Also through a real Apache Kafka.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            help="An empty PostgreSQL database (postgresql://…) instead of a file."
        ),
    ] = None,
) -> None:
    """Send runs with faults through a local Runflow, the relay and its sinks, and check the result.

    Exits 0 only when the ids, outcomes and outputs at every sink equal the sandbox's own list.
    """
    configure(level="error", form="auto")
    _check_store(store)
    options = StageOptions(
        directory=directory.absolute(),
        runs=runs,
        seed=seed,
        kafka=kafka,
        store=store,
    )
    with mistakes_exit(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            code = runner.run(play(options, endpoint=Endpoint(ENDPOINT_SECRET)))
        except KafkaUnavailableError as error:
            fail(f"relay demo: {error}", FAILED)
    raise typer.Exit(code)


async def play(
    options: StageOptions, *, endpoint: Endpoint, console: Console | None = None
) -> int:
    """Play the whole demo; gives the exit code."""
    console = console or Console()
    await asyncio.to_thread(_empty, options.directory)
    if options.kafka:
        console.print(
            "Starting Apache Kafka (the first time, its jars are fetched) ..."
        )
    async with Stage(options, endpoint=endpoint) as stage:
        console.print(
            f"{options.runs} runs through a local Runflow that loses, doubles and truncates"
            " callbacks, the relay, and its sinks:\n"
        )
        in_time = await _watch(stage, console)
        found = await stage.verify()
        if not in_time:
            found.append(f"not everything arrived within {LIMIT_S:.0f} s")
        console.print()
        for table in ledger_tables(await stage.ledger()):
            console.print(table)
    _conclude(console, options, found, stage.settings.store_place)
    return FAILED if found else DONE


async def _watch(stage: Stage, console: Console) -> bool:
    """Show how far everything is until all has arrived; False when it took too long."""
    runs = stage.options.runs
    with Live(console=console, auto_refresh=False, transient=False) as live:
        try:
            async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
                work = tasks.create_task(_work(stage))
                while not work.done():
                    live.update(draw(await stage.counts(), runs=runs), refresh=True)
                    await asyncio.wait([work], timeout=REFRESH_S)
        except TimeoutError:
            return False
        finally:
            live.update(draw(await stage.counts(), runs=runs), refresh=True)
    return True


async def _work(stage: Stage) -> None:
    await stage.dispatch()
    await stage.sandbox.settled()
    waiting = asyncio.Event()
    while not await stage.is_over():
        try:
            async with asyncio.timeout(0.1):
                await waiting.wait()
        except TimeoutError:
            continue


def _check_store(store: str | None) -> None:
    """The demo keeps a file of its own, or uses a database that somebody names."""
    if store is not None and not store.startswith(("postgresql://", "postgres://")):
        fail("relay demo: --store must be postgresql://USER@HOST/DATABASE", WRONG)


def _empty(directory: Path) -> None:
    """Make the directory anew; only ever one that an earlier demo made."""
    marker = directory / ".relay-demo"
    if directory.exists() and any(directory.iterdir()) and not marker.exists():
        fail(f"relay demo: {directory} is not empty and no demo made it", FAILED)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    marker.touch()


def _conclude(
    console: Console, options: StageOptions, found: list[str], store: str
) -> None:
    if found:
        console.print("\nSomething is not as it should be:", style="bold red")
        for difference in found:
            console.print(f"  {difference}", highlight=False)
        return
    sinks = "endpoint, file and topic" if options.kafka else "endpoint and file"
    shown = _shortest(options.directory)
    console.print(
        f"\nEvery run is one event at {sinks}:\n"
        "its id, outcome and output are the run's own, whether the callback came\n"
        "whole, twice, in part, or never.\n",
        style="green",
    )
    for label, what in (
        ("the events", f"{shown}/events.jsonl"),
        ("the store", store if options.store else f"{shown}/relay.db"),
        ("its account", f"{_program()} ledger --config {shown}/relay.yaml --verify"),
    ):
        console.print(f"  {label:<12}  {what}", highlight=False)


def _program() -> str:
    """How this program was called, so that what is printed can be typed."""
    return _shortest(Path(sys.argv[0]))


def _shortest(path: Path) -> str:
    """The path from here where it is below here, else as it is."""
    here = Path(os.environ.get("PWD", "/"))
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

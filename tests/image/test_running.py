"""The image at work: as a stranger, on a root that nobody can write, signalled and killed under load."""

import asyncio
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from relay.version import VERSION
from tests.acceptance.relays import Sink, load, open_sink, run_id
from tests.docs.pages import example
from tests.image.boxes import STRICT, Box, any_user
from tests.image.conftest import Image, Make
from tests.image.engine import OURS, RUN
from tests.places import HOST

pytestmark = [pytest.mark.process, pytest.mark.timeout(120, func_only=True)]

#: What stopping may take, with the settings that `Box` has; the engines' own patience is 10 s.
STOP_S_MAX = 10.0
#: SIGTERM's place in the masks of /proc/PID/status.
TERM = 1 << 14


async def until(holds: Callable[[], bool], *, within_s: float = 30.0) -> None:
    turn = asyncio.Event()
    async with asyncio.timeout(within_s):
        while not await asyncio.to_thread(holds):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await turn.wait()


def _settled(box: Box) -> bool:
    return box.ledger()["sink"]["pending"] == 0


async def _check(box: Box, sink: Sink, acknowledged: set[int]) -> None:
    """Everything acknowledged is there, under one id and in one form; the account balances."""
    wanted = {run_id(number) for number in acknowledged}
    await until(lambda: wanted <= sink.runs())
    await until(lambda: _settled(box))
    assert {len(bodies) for bodies in sink.bodies().values()} == {1}
    assert len(sink.bodies()) == len(sink.runs())


async def test_any_user_on_a_root_that_cannot_be_written_gets_its_traffic_through(
    make: Make, figures: list[str]
) -> None:
    async with open_sink() as sink:
        box = make(sink)
        took = await asyncio.to_thread(box.start)
        figures.append(f"ready {took:.1f} s after `podman start`")
        assert await load(box.url, range(300)) == set(range(300))
        await _check(box, sink, set(range(300)))
        held = await asyncio.to_thread(box.run, "cat", "/proc/1/status")
        said = dict(line.split(":\t", 1) for line in held.splitlines())
        assert ":".join((said["Uid"].split()[0], said["Gid"].split()[0])) == box.user
        assert int(said["CapEff"], 16) == int(said["CapPrm"], 16) == 0
        for path in ("/opt/relay/new", "/etc/relay/new", "/var/new", "/new"):
            with pytest.raises(AssertionError, match="Read-only file system"):
                await asyncio.to_thread(box.run, "touch", path)


async def test_sigterm_under_load_ends_it_in_time_and_loses_nothing(
    make: Make, figures: list[str]
) -> None:
    async with open_sink() as sink:
        box = make(sink)
        await asyncio.to_thread(box.start)
        loading = asyncio.gather(load(box.url, range(20_000)))
        await until(lambda: len(sink.got) > 200)
        began = time.monotonic()
        await asyncio.to_thread(box.signal, "TERM")
        assert await asyncio.to_thread(box.wait) == 0
        took = time.monotonic() - began
        [acknowledged] = await loading
        figures.append(
            f"SIGTERM under load: ended in {took:.1f} s, 1 s of it `drain_delay`;"
            f" {len(acknowledged)} acknowledged"
        )
        assert took < STOP_S_MAX
        await asyncio.to_thread(box.start)
        await _check(box, sink, acknowledged)


class HaltingSink(Sink):
    """Takes a number of events, and leaves whoever comes then without an answer until it is told to go on."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.halted = asyncio.Event()
        self.going = asyncio.Event()

    async def receive(self, request: web.Request) -> web.Response:
        if len(self.got) >= self.number:
            self.halted.set()
            await self.going.wait()
        return await super().receive(request)


async def test_sigkill_under_load_loses_nothing_that_was_acknowledged(
    make: Make, figures: list[str]
) -> None:
    async with open_sink(HaltingSink(200)) as sink:
        assert isinstance(sink, HaltingSink)
        box = make(sink)
        await asyncio.to_thread(box.start)
        loading = asyncio.gather(load(box.url, range(20_000)))
        await sink.halted.wait()
        await asyncio.to_thread(box.signal, "KILL")
        assert await asyncio.to_thread(box.wait) == 137
        [acknowledged] = await loading
        before = sink.runs()
        left = {run_id(number) for number in acknowledged} - before
        assert left
        sink.going.set()
        await asyncio.to_thread(box.start)
        await _check(box, sink, acknowledged)
        figures.append(
            f"SIGKILL under load: {len(acknowledged)} acknowledged, {len(left)} of them"
            " not delivered then; all of them were after the restart"
        )


async def test_sigterm_is_heard_while_it_still_starts(make: Make) -> None:
    """Process 1 has no default for a signal: what it does not catch is lost, and it is killed at last."""
    async with open_sink() as sink:
        box = make(sink)
        # It reads its configuration for as long as nobody writes it.
        (box.directory / "relay.yaml").unlink()
        os.mkfifo(box.directory / "relay.yaml")
        (box.directory / "relay.yaml").chmod(0o644)
        await asyncio.to_thread(box.engine.call, "podman", "start", box.name)
        pid = await asyncio.to_thread(box.pid)
        await until(lambda: bool(_caught(pid) & TERM))
        await asyncio.to_thread(box.signal, "TERM")
        async with asyncio.timeout(STOP_S_MAX):
            assert await asyncio.to_thread(box.wait) == 0


def _caught(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    [mask] = [line for line in status.splitlines() if line.startswith("SigCgt")]
    return int(mask.split()[1], 16)


@pytest.fixture(scope="module")
def other(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """One whose command line names another file than the image does, and that another port."""
    box = Box(image.engine, image.name, tmp_path_factory.mktemp("other") / "etc", 9)
    box.configure()
    (box.directory / "relay.yaml").rename(box.directory / "other.yaml")
    try:
        box.create(["relay", "serve", "--config", "/etc/relay/other.yaml"])
        box.start()
        yield box
    finally:
        box.remove()


def test_what_it_writes_is_for_its_user_alone(other: Box) -> None:
    words = ("find", "/var/lib/relay/", "-mindepth", "1", "-printf", "%M %U:%G %f\\n")
    found = [line.split(" ", 2) for line in other.run(*words).splitlines()]
    assert "relay.db" in {name for *_, name in found}
    assert other.run("grep", "^Umask", "/proc/1/status").split() == ["Umask:", "0077"]
    assert {(mode[4:], owner) for mode, owner, _ in found} == {("------", other.user)}


def test_it_is_healthy_where_its_own_configuration_says_that_it_listens(
    other: Box, figures: list[str]
) -> None:
    began = time.monotonic()
    assert other.is_healthy()
    figures.append(f"health asked in {time.monotonic() - began:.2f} s, podman included")
    # Who hangs takes connections, and answers none of them.
    pid = other.pid()
    os.kill(pid, signal.SIGSTOP)
    assert not other.is_healthy()
    os.kill(pid, signal.SIGCONT)
    assert other.is_healthy()


async def test_it_runs_as_the_page_says(make: Make, image: Image) -> None:
    """Word for word, but for names, and for ports, which are this machine's own here."""
    shown = re.search(
        r"^docker run --detach.*?^  runflow-relay:dev$",
        example("docs/deploying.md", "image"),
        re.DOTALL | re.MULTILINE,
    )
    assert shown is not None
    async with open_sink() as sink:
        box = make(sink, created=False)
        instead = {
            "docker": "podman",
            "runflow-relay": box.name,
            "relay-data:/var/lib/relay": f"{box.name}:/var/lib/relay",
            "$PWD/config:/etc/relay:ro": f"{box.directory}:/etc/relay:ro",
            "RELAY__PUBLIC__LISTEN=0.0.0.0:8080": f"RELAY__PUBLIC__LISTEN={HOST}:{box.port}",
            "RELAY__OPERATOR__LISTEN=0.0.0.0:8081": f"RELAY__OPERATOR__LISTEN={HOST}:{box.operator}",
            "runflow-relay:dev": image.name,
        }
        text = re.sub(r"--publish \S+", "", shown[0].replace("\\\n", " "))
        words = [instead.pop(word, word) for word in shlex.split(text)]
        assert instead == {}
        here = ("--network=host", *OURS)
        await asyncio.to_thread(box.engine.call, *words[:2], *here, *words[2:])
        await asyncio.to_thread(box.await_ready)
        assert await load(box.url, range(20)) == set(range(20))
        await _check(box, sink, set(range(20)))


def _once(
    image: Image, *words: str, options: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    """Run a container that ends by itself."""
    return image.engine.call(
        "podman", "run", "--rm", *STRICT, "--user", any_user(), *options, image.name,
        *words, check=False,
    )  # fmt: skip


def test_a_verb_needs_no_name_of_the_program_before_it(image: Image) -> None:
    done = _once(image, "version")
    assert (done.returncode, VERSION in done.stdout) == (0, True), done.stderr


def test_a_mistake_in_the_configuration_is_told_with_its_line(
    image: Image, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir(mode=0o755)
    (tmp_path / "etc" / "relay.yaml").write_text("sources: []\nnonsense: 1\n")
    done = _once(image, "check", options=("-v", f"{tmp_path / 'etc'}:/etc/relay:ro"))
    assert done.returncode == 2
    assert "/etc/relay/relay.yaml:2: nonsense" in done.stderr + done.stdout


def test_without_a_configuration_it_says_which_file_it_misses(image: Image) -> None:
    done = _once(image)
    assert done.returncode == 2
    assert "/etc/relay/relay.yaml: there is no such file" in done.stderr
    assert "Traceback" not in done.stderr


async def test_without_a_volume_it_does_not_start(image: Image, tmp_path: Path) -> None:
    """Rather than keep callbacks where they end with the container."""
    box = Box(image.engine, image.name, tmp_path / "etc", sink_port=9)
    box.configure()
    done = _once(image, options=("-v", f"{box.directory}:/etc/relay:ro"))
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert "Read-only file system" in done.stderr
    assert "/opt/relay/var" in done.stderr


@pytest.mark.long
def test_the_demo_plays_in_a_folder_of_memory(image: Image) -> None:
    """A sandbox with its faults, the relay and its sinks; a folder as docker makes a volume: root's, and sticky."""
    done = _once(
        image, "demo", "--runs", "20",
        options=("--tmpfs", "/var/lib/relay:rw,mode=1777"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_for_data_is_as_docker_copies_it_into_a_new_volume(
    image: Image,
) -> None:
    with image.engine.mounted(image.name) as root:
        found = (root / "var/lib/relay").stat()
        assert stat.S_IMODE(found.st_mode) == 0o1777
        assert (root / "opt/relay/var").readlink() == Path("/var/lib/relay")


def test_the_sbom_that_was_taken_out_is_the_one_inside(image: Image) -> None:
    done = image.engine.call(
        *RUN, "--network=none", "--entrypoint=cat", image.name,
        "/opt/relay/share/relay.cdx.json",
    )  # fmt: skip
    assert json.loads(image.sbom.read_text()) == json.loads(done.stdout)

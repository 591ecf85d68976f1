"""``relay sandbox`` as a person and a script meet it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.sandbox import GROUPS, Faults

ROOT = Path(__file__).parents[2]


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, ["sandbox", *(str(word) for word in words)])


@contextmanager
def served(*words: str) -> Iterator[Any]:
    """A sandbox as a process of its own; gives what it said, as JSON has it."""
    command = (
        sys.executable,
        "-m",
        "relay",
        "sandbox",
        "--port",
        "0",
        "--json",
        *words,
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_help_fits_a_terminal_and_says_what_it_is_in_the_first_lines() -> None:
    said = typed("--help").output
    assert "A local Runflow" in said[:400]
    assert max(map(len, said.partition("Begin:")[0].splitlines())) <= 80
    assert "…" not in said


def test_help_has_every_fault_in_its_group_and_the_groups_in_order() -> None:
    said = typed("--help").output
    starts = [said.index(f"─ {group} ─") for group in GROUPS]
    assert starts == sorted(starts)
    ends = [*starts[1:], len(said)]
    for each in fields(Faults):
        place = GROUPS.index(each.metadata["group"])
        flag = "--" + each.name.replace("_", "-")
        assert f"│ {flag} " in said[starts[place] : ends[place]]


def test_help_ends_with_commands_that_can_be_copied() -> None:
    example = typed("--help").output.partition("Begin:")[2]
    assert "  relay sandbox --double 0.2 --partial 0.1\n" in example
    flags = shlex.split("--double 0.2 --partial 0.1 --failed 0.8 --cancelled 0.8")
    assert "exceed 1 together" in typed(*flags).output  # the flags are understood
    commands = re.findall(r"^  curl (?:.*\\\n)*.*", example, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command.replace("\\\n", " "))
        for flag, value in pairwise(words):
            assert flag != "-d" or json.loads(value)


def test_every_mistake_in_the_faults_is_named_by_its_flag() -> None:
    said = typed("--drop", "2", "--api-429", "-1", "--spelling", "x")
    assert (said.exit_code, said.stdout) == (2, "")
    for flag in ("--drop", "--api-429", "--spelling"):
        assert f"{flag}: must be" in said.stderr


def test_a_state_that_cannot_be_used_is_said_and_exits_1(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("these are my notes, and no database at all")
    said = typed("--state", other, "--port", "0")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == f"relay sandbox: {other}: file is not a database\n"
    assert other.read_text().startswith("these are my notes")


@pytest.mark.process
def test_a_script_gets_addresses_and_secrets_as_one_line_of_json(
    tmp_path: Path,
) -> None:
    state = tmp_path / "sandbox.db"
    words = ("--state", str(state), "--seed", "9", "--secret", "whsec_abc")
    with served(*words) as told:
        assert told["url"].startswith("http://127.0.0.1:")
        assert told == {
            "url": told["url"],
            "token": "rf_live_sandbox",
            "secret": "whsec_abc",
            "seed": 9,
            "state": str(state),
            "truth": f"{told['url']}/sandbox/runs",
            "faults": f"{told['url']}/sandbox/faults",
            "settle": f"{told['url']}/sandbox/settle",
            "openapi": f"{told['url']}/openapi.json",
        }
    with served(
        "--state", str(state), "--secret", "whsec_other", "--seed", "1"
    ) as told:
        assert (told["secret"], told["seed"]) == ("whsec_abc", 9)

"""The Dockerfile and what goes with it, read and judged; nothing is built for that."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from image import build, healthcheck
from tests.image.base import STANDIN

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
IGNORE = ROOT / ".dockerignore"


def _steps() -> list[str]:
    """Every instruction on a line of its own."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line]


def _instructions(name: str) -> list[str]:
    return [step for step in _steps() if step.startswith(f"{name} ")]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", str(DOCKERFILE)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text("FROM debian\nRUN cd /x && sudo apt-get install curl\n")
    hadolint = Path(sys.executable).with_name("hadolint")
    assert subprocess.run([hadolint, str(worse)], check=False).returncode == 1


def test_its_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"ARG VERSION={project['version']}" in _steps()


def test_what_is_copied_and_what_the_builder_sees_are_the_same() -> None:
    """A file that is seen and not needed is one more way in; one that is needed and not seen breaks the build."""
    copied = {
        source
        for step in _instructions("COPY")
        if "--from=" not in step
        for source in step.split()[1:-1]
    }
    seen = {
        line.removeprefix("!")
        for line in IGNORE.read_text().splitlines()
        if line.startswith("!")
    }
    assert copied == seen
    assert [name for name in seen if not (ROOT / name).exists()] == []
    assert "*" in IGNORE.read_text().splitlines()


def test_whatever_is_installed_from_an_index_has_its_hash() -> None:
    installs = [
        part
        for step in _instructions("RUN")
        for part in step.split("&&")
        if re.search(r"\bpip\b.*\b(install|wheel)\b", part)
    ]
    assert len(installs) == 5
    for part in installs:
        assert "--require-hashes" in part or "--no-index" in part, part


def test_every_stage_stands_on_the_one_base() -> None:
    stages = [step.split()[1] for step in _instructions("FROM")]
    assert {*stages} == {"${PYTHON_IMAGE}", "tools", "relay", "scratch"}
    assert _steps()[0].startswith("ARG PYTHON_IMAGE=docker.io/library/python:3.")


def test_what_stands_in_for_the_base_is_the_same_python_on_the_same_debian() -> None:
    tag = re.search(r"python:([\d.]+)-slim-(\w+)", _steps()[0])
    assert tag is not None
    assert f":{tag[1]}-{tag[2]}-" in STANDIN


@pytest.mark.parametrize(
    "remote,said",
    [
        ("https://user:secret@git.example.com/a/relay.git", "https://git.example.com/a/relay"),
        ("git@git.example.com:a/relay.git", "https://git.example.com/a/relay"),
        ("ssh://git@git.example.com/a/relay", "https://git.example.com/a/relay"),
        ("http://git.example.com:3000/a/relay", "http://git.example.com:3000/a/relay"),
        ("/srv/git/relay.git", ""),
        ("file:///srv/git/relay.git", ""),
        ("../relay", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_source_is_an_address_for_everybody_or_none(remote: str, said: str) -> None:
    assert build.source(remote) == said


def test_the_environment_says_it_to_pip_before_its_files_do() -> None:
    told = build.pip_settings(
        ":env:.cert='/env.crt'\n:env:.find-links='/wheels'\n"
        "global.cert='/file.crt'\nglobal.index-url='https://one.example/'\n"
        "install.index-url='https://two.example/'\n"
        "global.extra-index-url='https://a.example/\\nhttps://b.example/'\n"
        "freeze.timeout='3'\n"
    )
    assert told == {
        "cert": "/env.crt",
        "find-links": "/wheels",
        "index-url": "https://two.example/",
        "extra-index-url": "https://a.example/\nhttps://b.example/",
    }


def test_an_address_is_read_as_the_kernel_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net").mkdir()
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    tail = "00000000:00000000 00:00000000 00000000  1000        0"
    (tmp_path / "net" / "tcp").write_text(
        f"{head}   0: 0100007F:1F90 00000000:0000 0A {tail} 77 1\n"
        f"   1: 00000000:1F91 00000000:0000 0A {tail} 78 1\n"
        f"   2: 00000000:1F92 00000000:0000 0A {tail} 99 1\n"
        f"   3: 0100007F:1F93 0100007F:C350 01 {tail} 77 1\n"
    )
    (tmp_path / "net" / "tcp6").write_text(
        f"{head}   0: {'0' * 24}01000000:1F94 {'0' * 32}:0000 0A {tail} 77 1\n"
    )
    monkeypatch.setattr(healthcheck, "PROC", str(tmp_path))
    if sys.byteorder == "little":
        assert [*healthcheck._addresses({"77", "78"})] == [
            ("127.0.0.1", 8080),
            ("0.0.0.0", 8081),  # noqa: S104 - what is read
            ("::1", 8084),
        ]

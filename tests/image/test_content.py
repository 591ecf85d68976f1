"""What is in the image: what it was made of and nothing else, nothing secret, nothing that anybody can change."""

import filecmp
import json
import os
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.image.conftest import LENT, ROOT, Image
from tests.image.engine import RUN

pytestmark = [pytest.mark.process, pytest.mark.timeout(120, func_only=True)]

#: Folders that anybody may write into, as on every system, and the one that is ours.
OPEN: Final = {"tmp", "var/tmp", "run/lock", "var/lock", "var/lib/relay"}
#: More than this on top of the base is an accident.
ADDED_BYTES_MAX: Final = 160 * 1024**2
INSTALLED: Final = (
    "import importlib.metadata as m\n"
    "for one in m.distributions(): print(one.name, one.version)"
)


@pytest.fixture(scope="module")
def root(image: Image) -> Iterator[Path]:
    with image.engine.mounted(image.name) as found:
        yield found


@pytest.fixture(scope="module")
def told(image: Image) -> dict[str, object]:
    """The image's configuration, as the engine keeps it."""
    [found] = json.loads(image.engine.say("podman", "image", "inspect", image.name))
    config: dict[str, object] = found["Config"]
    return config | {"HealthCheck": found.get("HealthCheck", found.get("Healthcheck"))}


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)  # noqa: PTH118 - a hundred thousand times
            yield os.path.relpath(path, root), os.lstat(path)


def test_nothing_in_it_changes_who_it_runs_as_and_nobody_but_root_owns_or_writes(
    root: Path,
) -> None:
    wrong = []
    for path, found in _walk(root):
        mode = stat.S_IMODE(found.st_mode)
        # A device is not of the image, but of whoever runs it.
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            continue
        if mode & (stat.S_ISUID | stat.S_ISGID) and not stat.S_ISDIR(found.st_mode):
            wrong.append(f"{path} runs as somebody else")
        if mode & stat.S_IWOTH and not (mode & stat.S_ISVTX and path in OPEN):
            wrong.append(f"{path} may be written")
        if path.startswith("opt/") and (found.st_uid, found.st_gid) != (0, 0):
            wrong.append(f"{path} is not root's")
        if path.startswith("opt/") and mode & 0o444 != 0o444:
            wrong.append(f"{path} cannot be read")
    assert wrong == []


def test_the_relay_in_it_is_the_relay_of_this_tree_and_compiled(root: Path) -> None:
    [site] = (root / "opt/relay/lib").glob("python3*/site-packages")
    ours = {
        path.relative_to(ROOT)
        for path in (ROOT / "relay").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    theirs = {
        path.relative_to(site)
        for path in (site / "relay").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert theirs == ours
    assert [p for p in ours if not filecmp.cmp(ROOT / p, site / p, shallow=False)] == []
    uncompiled = [
        path
        for path in site.rglob("*.py")
        if not [*(path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc")]
    ]
    assert uncompiled == []


def test_it_has_no_tools_no_tests_and_nothing_of_the_build(root: Path) -> None:
    assert _names(root / "opt/relay") == [
        "bin", "include", "lib", "lib64", "libexec", "pyvenv.cfg", "share", "var",
    ]  # fmt: skip
    assert _names(root / "opt/relay/libexec") == [
        "entrypoint.py", "healthcheck.py",
    ]  # fmt: skip
    names = {
        "pip",
        "hatchling",
        "cyclonedx",
        "tests",
        ".git",
        "requirements",
        "ensurepip",
    }
    lost = [
        path
        for path, one in _walk(root)
        if stat.S_ISDIR(one.st_mode)
        and os.path.basename(path) in names  # noqa: PTH119 - a text
        and path.startswith(("opt/", "usr/local/", "build"))
    ]
    assert lost == []
    for path in ("build", "etc/pip.conf", "run/secrets/ca.crt", "root/.cache"):
        assert not (root / path).exists(), path
    assert _names(root / "etc/relay") == []
    assert _names(root / "var/lib/relay") == []


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_installed_speaks_of_where_it_was_built(root: Path) -> None:
    """Neither of this machine's folders nor of the builder's."""
    found = [
        (str(path.relative_to(root)), word)
        for path in (root / "opt/relay").rglob("*")
        if path.is_file() and path.suffix not in {".so", ".py"}
        for word in (b"/build/tools", b"/build/lister", b"/build/wheels", bytes(ROOT))
        if word in path.read_bytes()
    ]
    assert found == []


def test_how_the_builders_pip_was_led_is_nowhere_in_it(
    root: Path, image: Image
) -> None:
    grep = shutil.which("grep")
    assert grep is not None
    told = [grep, "-r", "-l", "-F", "-s", LENT, str(root)]
    said = subprocess.run(told, check=False, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (1, "")
    assert LENT not in image.engine.say("podman", "history", "--no-trunc", image.name)
    assert LENT not in image.engine.say("podman", "image", "inspect", image.name)


def test_it_is_told_to_run_as_nobody_in_particular(told: dict[str, object]) -> None:
    assert told["User"] == "65532:65532"
    assert told["Entrypoint"] == [
        "/opt/relay/bin/python", "-P", "/opt/relay/libexec/entrypoint.py",
    ]  # fmt: skip
    assert told["Cmd"] == ["serve"]
    assert told["StopSignal"] in {"SIGTERM", "15"}
    assert told["ExposedPorts"] == {"8080/tcp": {}}
    assert told.get("Volumes") is None
    health = told["HealthCheck"]
    assert isinstance(health, dict)
    assert health["Test"][0] == "CMD"
    assert told["WorkingDir"] == "/opt/relay"


def test_its_environment_is_what_is_written_down(
    told: dict[str, object], image: Image
) -> None:
    base = json.loads(image.engine.say("podman", "image", "inspect", image.base))
    environment = told["Env"]
    assert isinstance(environment, list)
    added = {*environment} - {*(base[0]["Config"].get("Env") or ())}
    assert {word.partition("=")[0] for word in added} <= {
        "PATH", "HOME", "PYTHONDONTWRITEBYTECODE", "RELAY_CONFIG",
    }  # fmt: skip


def test_its_labels_say_what_it_is_and_where_it_comes_from(
    told: dict[str, object], image: Image
) -> None:
    labels = told["Labels"]
    assert isinstance(labels, dict)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in labels.items()
    }
    assert said["title"] == project["name"]
    assert said["description"] == project["description"]
    assert said["version"] == project["version"]
    assert said["licenses"] == project["license"]
    assert said["base.name"] == image.base
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607 - found by the system
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert said["revision"].removesuffix("-modified") == git.stdout.strip()
    assert said["created"].startswith("20")
    assert labels["io.runflow.relay.sbom"] == "/opt/relay/share/relay.cdx.json"


def test_the_sbom_lists_exactly_what_is_installed(image: Image) -> None:
    bom = json.loads(image.sbom.read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    own = bom["metadata"]["component"]
    listed = {(own["name"], own["version"])} | _components(bom, "pkg:pypi/")
    inside = image.engine.say(
        *RUN, "--network=none", "--entrypoint=python", image.name,
        "-c", INSTALLED,
    )  # fmt: skip
    assert {(name.lower(), version) for name, version in listed} == {
        (name.lower(), version)
        for name, version in (line.split() for line in inside.splitlines())
    }
    assert {"runflow-relay", "aiohttp", "uvloop"} <= {name for name, _ in listed}
    packages = image.engine.say(
        *RUN, "--network=none", "--entrypoint=dpkg-query", image.name,
        "--show", "--showformat=${Package} ${Version}\\n",
    )  # fmt: skip
    assert _components(bom, "pkg:deb/") == {
        tuple(line.split()) for line in packages.splitlines()
    }
    assert len(_components(bom, "pkg:generic/cpython@")) == 1


def _components(
    bom: dict[str, list[dict[str, str]]], kind: str
) -> set[tuple[str, str]]:
    return {
        (one["name"], one["version"])
        for one in bom["components"]
        if one.get("purl", "").startswith(kind)
    }


def test_it_is_small(image: Image, figures: list[str]) -> None:
    sizes = [
        int(image.engine.say("podman", "image", "inspect", "--format={{.Size}}", name))
        for name in (image.name, image.base)
    ]
    whole, base = sizes
    figures.append(
        f"{whole / 1e6:.0f} MB, of which the base is {base / 1e6:.0f} MB (uncompressed)"
    )
    assert whole - base < ADDED_BYTES_MAX

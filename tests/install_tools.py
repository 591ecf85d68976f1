"""Make sure of the system's tools that tests need and no Python package holds.

``strace`` shows in which order the relay writes, syncs and answers; ``pgbouncer`` stands before a
server as operators have it. Where one is missing and this may install packages, it does; elsewhere it
says what to do, and the tests that need it fail. ``promtool`` judges the alerts; the package that it is in
would start a server, so it is unpacked beside the other downloads and not installed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOOLS = ("strace", "pgbouncer")


#: Tools that are taken out of a package, and which.
UNPACKED = {"promtool": "prometheus"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PLACE = CACHE / "runflow-relay" / "tools"


def find(tool: str) -> str | None:
    """Where a tool lies; daemons lie where only root's path leads."""
    known = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:{PLACE}"
    return shutil.which(tool, path=known)


def unpack(tool: str) -> int:
    """Take a tool out of its package, with nothing of the package installed."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        steps = (
            ["apt-get", "download", "-q", UNPACKED[tool]],
            ["sh", "-c", "dpkg-deb --extract *.deb tree"],
        )
        for step in steps:
            code = subprocess.run(step, check=False, cwd=folder).returncode
            if code:
                return code
        # Whole or not at all, also where two do it at once.
        (Path(folder) / "tree" / "usr" / "bin" / tool).rename(PLACE / tool)
    return 0


def missing() -> list[str]:
    """The packages without which tests fail."""
    return [tool for tool in TOOLS if find(tool) is None]


def main() -> int:
    packages = missing()
    tools = [tool for tool in UNPACKED if find(tool) is None]
    if not packages and not tools:
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        lacking = [*packages, *(f"{tool} ({UNPACKED[tool]})" for tool in tools)]
        print(f"please install: {' '.join(lacking)}", file=sys.stderr)  # noqa: T201 - a script
        return 1
    # A package's question would wait for somebody who is not there.
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=False, env=environ)  # noqa: S607 - found by the system
    for tool in tools:
        code = unpack(tool)
        if code:
            return code
    if not packages:
        return 0
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    code = subprocess.run(command, check=False, env=environ).returncode
    # A package of that name may hold something else.
    return code or int(bool(missing()))


if __name__ == "__main__":
    sys.exit(main())

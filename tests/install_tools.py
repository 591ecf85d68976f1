"""Make sure of the system's tools that tests need and no Python package holds.

``strace`` shows in which order the relay writes, syncs and answers; ``pgbouncer`` stands before a
server as operators have it; with ``curl`` the pages' commands are typed. Where one is missing and this
may install packages, it does; elsewhere it says what to do, and the tests that need it fail.
"""

import os
import shutil
import subprocess
import sys

TOOLS = ("strace", "pgbouncer", "curl")


def find(tool: str) -> str | None:
    """Where a tool lies; daemons lie where only root's path leads."""
    return shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def missing() -> list[str]:
    """The packages without which tests fail."""
    return [tool for tool in TOOLS if find(tool) is None]


def main() -> int:
    packages = missing()
    if not packages:
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"please install: {' '.join(packages)}", file=sys.stderr)  # noqa: T201 - a script
        return 1
    # A package's question would wait for somebody who is not there.
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=False, env=environ)  # noqa: S607 - found by the system
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    code = subprocess.run(command, check=False, env=environ).returncode
    # A package of that name may hold something else.
    return code or int(bool(missing()))


if __name__ == "__main__":
    sys.exit(main())

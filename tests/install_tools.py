"""Make sure of the system's tools that tests need and no Python package holds.

``strace`` shows in which order the relay writes, syncs and answers; ``pgbouncer`` stands before a
server as operators have it. Where one is missing and this may install packages, it does; elsewhere it
says what to do, and the tests that need it fail. What containers need is tried as well; a machine that
cannot have it is told that the image stays untested there, and goes on.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

TOOLS = ("strace", "pgbouncer")
#: What builds the image and runs it, and makes something to build it upon where no registry answers.
CONTAINERS = ("buildah", "podman", "runc", "mmdebstrap")


def find(tool: str) -> str | None:
    """Where a tool lies; daemons lie where only root's path leads."""
    return shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def missing(tools: Sequence[str]) -> list[str]:
    """The packages that are not there."""
    return [tool for tool in tools if find(tool) is None]


def install(tools: Sequence[str]) -> list[str]:
    """Install what is missing; what is missing still."""
    packages = missing(tools)
    if not packages or shutil.which("apt-get") is None or os.geteuid() != 0:
        return packages
    # A package's question would wait for somebody who is not there.
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=False, env=environ)  # noqa: S607 - found by the system
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    subprocess.run(command, check=False, env=environ)
    # A package of that name may hold something else.
    return missing(tools)


def main() -> int:
    lacking = install(TOOLS)
    if lacking:
        print(f"please install: {' '.join(lacking)}", file=sys.stderr)  # noqa: T201 - a script
    without = install(CONTAINERS)
    if without:
        print(f"THE IMAGE WILL NOT BE TESTED, for want of {' '.join(without)}")  # noqa: T201 - a script
    return int(bool(lacking))


if __name__ == "__main__":
    sys.exit(main())

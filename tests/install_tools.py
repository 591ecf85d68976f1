"""Make sure of the system's tools that tests need and no Python package holds.

``strace`` shows in which order the relay writes, syncs and answers; ``pgbouncer`` stands before a server as
operators have it, ``haproxy`` and ``nginx`` before the relay; ``curl`` types the pages' commands. Where one is
missing and this may install packages, it does; elsewhere it says what to do, and the tests that need it fail.
``promtool`` judges the alerts; the package that it is in would bring a server, so it is unpacked beside the other
downloads and not installed. What containers need is tried as well; a machine that cannot have it is told that
the image stays untested there, and goes on.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TOOLS = ("strace", "pgbouncer", "curl", "haproxy", "nginx")
#: What builds the image and runs it, and makes something to build it upon where no registry answers.
CONTAINERS = ("buildah", "podman", "runc", "mmdebstrap")
#: Tools that are taken out of a package, and which.
UNPACKED = {"promtool": "prometheus"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PLACE = CACHE / "runflow-relay" / "tools"
#: Who is asked by Debian's packages whether a service may be started.
POLICY = Path("/usr/sbin/policy-rc.d")


def find(tool: str) -> str | None:
    """Where a tool lies; daemons lie where only root's path leads."""
    known = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:{PLACE}"
    return shutil.which(tool, path=known)


def missing(tools: Sequence[str]) -> list[str]:
    """Those that are not there. Packages are called like the tool in them, but for the unpacked."""
    return [tool for tool in tools if find(tool) is None]


@contextmanager
def without_services() -> Iterator[None]:
    """Nothing that is installed meanwhile is started as a service: tests start their own, on loopback."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def install(tools: Sequence[str]) -> list[str]:
    """Install what is missing; what is missing still."""
    lacking = missing(tools)
    if not lacking or shutil.which("apt-get") is None or os.geteuid() != 0:
        return lacking
    # A package's question would wait for somebody who is not there.
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=False, env=environ)  # noqa: S607 - found by the system
    packages = [tool for tool in lacking if tool not in UNPACKED]
    if packages:
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends"]
        with without_services():
            subprocess.run([*command, *packages], check=False, env=environ)
    for tool in UNPACKED.keys() & set(lacking):
        unpack(tool)
    # A package of that name may hold something else.
    return missing(tools)


def unpack(tool: str) -> None:
    """Take a tool out of its package, with nothing of the package installed."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        for step in (
            ["apt-get", "download", "-q", UNPACKED[tool]],
            ["sh", "-c", "dpkg-deb --extract *.deb tree"],
        ):
            if subprocess.run(step, check=False, cwd=folder).returncode:
                return
        # Whole or not at all, also where two do it at once.
        (Path(folder) / "tree" / "usr" / "bin" / tool).rename(PLACE / tool)


def main() -> int:
    lacking = install([*TOOLS, *UNPACKED])
    if lacking:
        named = (
            f"{tool} ({UNPACKED[tool]})" if tool in UNPACKED else tool
            for tool in lacking
        )
        print(f"please install: {' '.join(named)}", file=sys.stderr)  # noqa: T201 - a script
    without = install(CONTAINERS)
    if without:
        print(f"THE IMAGE WILL NOT BE TESTED, for want of {' '.join(without)}")  # noqa: T201 - a script
    return int(bool(lacking))


if __name__ == "__main__":
    sys.exit(main())

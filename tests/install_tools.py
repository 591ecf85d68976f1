"""Make sure of the system's tools that tests need and no Python package holds.

``strace`` shows in which order the relay writes, syncs and answers. Where it is missing and this may
install packages, it does; elsewhere it says what to do, and the tests that need it fail.
"""

import os
import shutil
import subprocess
import sys

TOOLS = ("strace",)


def main() -> int:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not missing:
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"please install: {' '.join(missing)}", file=sys.stderr)  # noqa: T201 - a script
        return 1
    subprocess.run(["apt-get", "update", "-q"], check=False)  # noqa: S607 - found by the system
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

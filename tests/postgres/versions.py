"""The whole law of the shared store, and the relay on it, on every release that is promised.

``python -m tests.postgres.versions [MAJOR ...]``. Goes on after a release that fails; the exit code is 1
where any did, and a server that cannot be had is one that failed.
"""

import subprocess
import sys
import time
from collections.abc import Sequence

from tests.postgres import binaries, releases

PARTS = (
    "tests/postgres/test_local_postgres.py::TestServer::test_it_is_the_release_that_was_asked_for",
    "tests/record/test_postgres.py",
    "tests/record/test_postgres_shared.py",
    "tests/record/test_postgres_faults.py",
    "tests/app",
)


def main(asked: Sequence[int]) -> int:
    """Play every part on each release."""
    ended = {}
    for major in asked or (*releases.MAJORS, binaries.NEWEST):
        began = time.monotonic()
        options = ["-q", "-m", "postgres and not kafka", "--postgres", str(major)]
        command = [sys.executable, "-m", "pytest", *options, *PARTS]
        print("+", " ".join(command[1:]), flush=True)  # noqa: T201 - a script that says what it does
        code = subprocess.run(command, check=False).returncode
        ended[major] = (code, time.monotonic() - began)
    for major, (code, seconds) in ended.items():
        word = "passed" if code == 0 else f"FAILED ({code})"
        print(f"PostgreSQL {major}: {word} in {seconds:.0f} s", flush=True)  # noqa: T201 - as above
    return int(any(code for code, _ in ended.values()))


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]]))

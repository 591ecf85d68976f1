"""What process 1 of a container does before it is the relay.

Owns what no configuration can say: what it writes is for its own user alone; SIGTERM is heard from the
first moment (process 1 has no default for signals, so that a stop while it starts would wait until it is
killed); and `relay serve` means what `serve` does. Knows nothing of what the verbs do.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> None:
    os.umask(0o077)
    if sys.argv[1:2] == ["relay"]:
        del sys.argv[1]
    # In the place of this file's own name: it is what the relay's help calls itself.
    sys.argv[0] = "relay"
    # `relay serve` has a handler of its own as soon as there is something to end.
    signal.signal(signal.SIGTERM, _end)
    # Imported last, as it takes most of the start.
    from relay.cli import main as relay  # noqa: PLC0415 - see above

    relay()


def _end(number: int, _: FrameType | None) -> NoReturn:
    """End at once: asked to stop, which is what `serve` is told to do; any other verb was broken off."""
    sys.exit(0 if sys.argv[1:2] == ["serve"] else 128 + number)


if __name__ == "__main__":
    main()

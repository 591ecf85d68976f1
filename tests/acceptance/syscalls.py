"""What strace saw: reading its log, and holding each answer to the sync that must come before it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["STRACE", "Call", "premature_answers", "read_log"]

#: Whole strings (a page of the log is 4 KiB), the files and sockets behind descriptors, times.
STRACE = (
    "strace", "-f", "-ttt", "-T", "-yy", "-s", "9000",
    "-e", "trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg", "-e", "signal=none",
)  # fmt: skip

_LINE = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>")
_TOOK = re.compile(r"<(\d+\.\d+)>$")
_PEER = re.compile(r"->127\.0\.0\.1:(\d+)\]>")


@dataclass
class Call:
    """One system call: when it began and ended (seconds), and what was given to it."""

    name: str
    arguments: str
    began: float
    ended: float = float("inf")


def read_log(lines: Iterable[str]) -> list[Call]:
    """Calls in the order in which they began; those of other threads may lie in between."""
    calls: list[Call] = []
    open_calls: dict[str, Call] = {}
    for line in lines:
        begun, resumed = _LINE.match(line), _RESUMED.match(line)
        if begun:
            thread, at, name, arguments = begun.groups()
            call = Call(name, arguments, float(at))
            calls.append(call)
            took = _TOOK.search(line)
            if took and "<unfinished" not in line[-20:]:
                call.ended = call.began + float(took[1])
            else:
                open_calls[thread] = call
        elif resumed and resumed[1] in open_calls:
            took = _TOOK.search(line)
            call = open_calls.pop(resumed[1])
            call.ended = call.began + float(took[1]) if took else float(resumed[2])
    return calls


def premature_answers(
    calls: list[Call], sent: dict[int, list[str]]
) -> Iterator[tuple[str, str]]:
    """Runs whose 2xx was written before a sync of the log that began after their page was written.

    ``sent`` gives, by the client's port, the run ids in the order in which they were sent.
    """
    answers: defaultdict[int, list[Call]] = defaultdict(list)
    for call in calls:
        peer = _PEER.search(call.arguments[:200])
        if peer and call.name != "pwrite64" and "HTTP/1.1 20" in call.arguments[:400]:
            answers[int(peer[1])].append(call)
    log = [call for call in calls if "-wal" in call.arguments[:200]]
    syncs = [call for call in log if call.name in ("fdatasync", "fsync")]
    for port, runs in sent.items():
        for run, answer in zip(runs, answers[port], strict=True):
            written = [
                call
                for call in log
                if call.name == "pwrite64" and run in call.arguments
            ]
            if not written:
                yield run, "never written to the log"
                continue
            first = written[0]
            if not any(
                first.ended <= sync.began and sync.ended <= answer.began
                for sync in syncs
            ):
                yield run, "answered before its sync"

"""Show: what lies in quarantine, in a terminal and for programs. Decides nothing and asks nobody."""

import base64
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from relay.cli.selecting import brief, narrow, short
from relay.core.moment import text_of
from relay.core.quarantine import Group, Kept
from relay.core.timeline import plain
from relay.core.timeline.words import QUARANTINE
from relay.operate.actions.readmitting import Report

__all__ = ["list_document", "one_document", "show_list", "show_one", "show_report"]


def show_list(
    console: Console,
    groups: Sequence[Group],
    kept: Sequence[Kept],
    more: int | None,
    *,
    chosen: bool,
    now: int,
) -> None:
    """How many, by source and reason; the newest; and how to go on.

    ``chosen`` is whether only some were asked for.
    """
    if not groups:
        console.print(
            "Nothing in quarantine is meant by that."
            if chosen
            else "Nothing is in quarantine."
        )
        return
    console.print(_counted(groups, now))
    console.print()
    console.print(_listed(groups, kept, now))
    lines = [] if more is None else [f"The next ones: --cursor {more}"]
    lines.append(
        "relay quarantine show DIGEST tells of one; relay quarantine replay reads them once more."
    )
    for line in lines:
        console.print(line, soft_wrap=True)


def _counted(groups: Sequence[Group], now: int) -> Table:
    table = narrow()
    table.add_column("source", overflow="fold")
    table.add_column("reason", no_wrap=True)
    for name in ("bodies", "receipts"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("first", "last"):
        table.add_column(name, no_wrap=True)
    for group in groups:
        table.add_row(
            plain(group.source),
            plain(group.reason),
            f"{group.bodies:,}",
            f"{group.receipts:,}",
            brief(group.first_seen, now),
            brief(group.last_seen, now),
        )
    return table


def _listed(groups: Sequence[Group], kept: Sequence[Kept], now: int) -> Table:
    """A line each. What all of them have in common is said above, and not once more."""
    sources = len({group.source for group in groups}) > 1
    reasons = len({group.reason for group in groups}) > 1
    table = narrow()
    for name in ("last seen", "digest"):
        table.add_column(name, no_wrap=True)
    if sources:
        table.add_column("source", overflow="fold")
    if reasons:
        table.add_column("reason", no_wrap=True)
    for name in ("bytes", "times"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in kept:
        row = [brief(one.last_seen, now), one.digest[:12]]
        row += [plain(one.source)] if sources else []
        row += [plain(one.reason)] if reasons else []
        table.add_row(*row, f"{one.size:,}", f"{one.count:,}")
    return table


def list_document(
    groups: Sequence[Group], kept: Sequence[Kept], more: int | None
) -> dict[str, object]:
    """The same for programs."""
    return {
        "summary": [
            {
                "source": group.source,
                "reason": group.reason,
                "bodies": group.bodies,
                "receipts": group.receipts,
                "first_seen": text_of(group.first_seen),
                "last_seen": text_of(group.last_seen),
            }
            for group in groups
        ],
        "items": [_kept_document(one) for one in kept],
        "next": more,
    }


def show_one(console: Console, one: Kept, headers: bytes) -> None:
    """One body, but for what is in it."""
    why = QUARANTINE.get(one.reason)
    lines = [
        f"{one.digest} of {plain(one.source)}, channel {plain(one.channel)}",
        f"  reason   {plain(one.reason)}" + (f": {why}" if why else ""),
        f"  came     {_times(one)}, signed with {plain(one.secret)}",
        f"  body     {one.size:,} bytes: relay quarantine show {one.digest[:12]} --body",
    ]
    for number, (name, text) in enumerate(_headers(headers).items()):
        head = "  headers  " if number == 0 else "           "
        lines.append(f"{head}{plain(name)}: {plain(text)}")
    console.print("\n".join(lines), soft_wrap=True)


def _times(one: Kept) -> str:
    if one.count == 1:
        return f"once, {short(one.first_seen)}"
    return f"{one.count:,} times, {short(one.first_seen)} to {short(one.last_seen)}"


def one_document(one: Kept, headers: bytes, body: bytes | None) -> dict[str, object]:
    """The same for programs; ``body`` only where it was asked for."""
    found = _kept_document(one) | {"headers": _headers(headers)}
    if body is not None:
        found["body_base64"] = base64.b64encode(body).decode()
    return found


def _kept_document(one: Kept) -> dict[str, object]:
    return {
        "digest": one.digest,
        "source": one.source,
        "channel": one.channel,
        "secret": one.secret,
        "reason": one.reason,
        "size": one.size,
        "count": one.count,
        "first_seen": text_of(one.first_seen),
        "last_seen": text_of(one.last_seen),
    }


def _headers(headers: bytes) -> dict[str, str]:
    return msgspec.json.decode(headers, type=dict[str, str])


def show_report(console: Console, report: Report) -> None:
    """What reading once more has come to."""
    if not report.looked_at:
        console.print("Nothing in quarantine is meant by that.")
        return
    admitted = sum(report.admitted.values())
    words = ", ".join(f"{count:,} {word}" for word, count in report.admitted.items())
    if admitted:
        console.print(
            f"{admitted:,} left quarantine ({words}); {report.events:,} made an event at once.",
            soft_wrap=True,
        )
    if report.gone:
        were = "was" if report.gone == 1 else "were"
        console.print(
            f"{report.gone:,} {were} gone by then: had been read by somebody else meanwhile, or forgotten.",
            soft_wrap=True,
        )
    for reason, count in report.left.items():
        why = QUARANTINE.get(reason)
        console.print(
            f"{count:,} stayed: {plain(reason)}" + (f", {why}" if why else ""),
            soft_wrap=True,
        )

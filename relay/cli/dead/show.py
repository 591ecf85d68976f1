"""Show: dead letters in a terminal, and for programs. Decides nothing and asks nobody."""

from collections.abc import Iterator, Sequence

from rich.console import Console

from relay.cli.selecting import AGED, document_of, heap_table, letter_table, short
from relay.core.deadletter import Ended, Heap, Page
from relay.core.moment import text_of
from relay.core.timeline import Attempt, History, plain
from relay.core.timeline.words import failure_words

__all__ = ["document", "letter_document", "show_letter", "show_list"]


def show_list(
    console: Console, heaps: Sequence[Heap], page: Page, *, chosen: bool, now: int
) -> None:
    """How many, by destination and reason; the newest; and how to go on.

    ``chosen`` is whether only some were asked for.
    """
    if not heaps:
        console.print(
            "Nothing is dead that fits these options; without them `relay dead` lists all there is."
            if chosen
            else "Nothing is dead.",
            soft_wrap=True,
        )
        return
    console.print(heap_table(heaps, head="dead", now=now))
    console.print()
    console.print(
        letter_table(page.items, heaps, head="died", number="number", now=now)
    )
    total = sum(heap.count for heap in heaps)
    lines = [f"{len(page.items):,} of {total:,} are listed."]
    if page.next is not None:
        lines.append(f"The next ones: --cursor {cursor_of(page)}")
    lines.append("relay dead show NUMBER tells of one; relay replay sends them again.")
    for line in lines:
        console.print(line, soft_wrap=True)


def cursor_of(page: Page) -> str | None:
    """Where the next page begins, as a word that can be typed."""
    return None if page.next is None else "{}.{}".format(*page.next)


def document(heaps: Sequence[Heap], page: Page) -> dict[str, object]:
    """The same for programs."""
    return {
        "summary": [
            {
                "destination": heap.destination,
                "reason": heap.reason,
                "dead": heap.count,
                "forgotten": heap.expired,
                "first": text_of(heap.oldest),
                "last": text_of(heap.newest),
            }
            for heap in heaps
        ],
        "items": [document_of(one) for one in page.items],
        "next": cursor_of(page),
    }


def show_letter(console: Console, one: Ended, past: History) -> None:
    """One dead letter and its tries."""
    key = one.key
    ref = "" if one.client_ref is None else f", client_ref {plain(one.client_ref)}"
    again = (
        "" if one.generation == 1 else f", sent for the {_times(one.generation)} time"
    )
    lines = [
        f"delivery {one.number} to {plain(one.destination)}{again}",
        f"  event   {one.event_id}",
        f"          io.runflow.{key.kind.value}.{one.outcome.value}, revision {one.revision}",
        f"  run     {plain(key.id)} of {plain(key.source)}{ref}",
        f"  died    {short(one.settled_at)}: {failure_words(one.reason)}{_last(one, past)}",
    ]
    tries = _tries(one, past)
    for number, attempt in enumerate(tries):
        head = "  tries   " if number == 0 else "          "
        lines.append(f"{head}{_try_line(attempt)}")
        if attempt.excerpt:
            lines.append(
                f"            {plain(attempt.excerpt.decode(errors='replace'))}"
            )
    console.print("\n".join(lines), soft_wrap=True)
    for line in _advice(one, past):
        console.print(line, soft_wrap=True)


def _advice(one: Ended, past: History) -> Iterator[str]:
    if not one.is_kept:
        yield (
            "It cannot be sent again: the callback that it is built from has been forgotten"
            " (`retention.dead_letters`)."
        )
        return
    if one.reason == "too_large":
        topic = ", or what its topic takes" if _kind(one, past) == "kafka" else ""
        yield f"It is as large as ever: first raise `max_bytes` of {plain(one.destination)}{topic}."
    yield f"To send it again: relay replay {one.event_id} --destination {one.destination}"


def _kind(one: Ended, past: History) -> str | None:
    """What kind its destination was of."""
    kinds = (made.kind for made in past.deliveries if made.number == one.number)
    return next(kinds, None)


def _times(generation: int) -> str:
    return {2: "second", 3: "third"}.get(generation, f"{generation}th")


def _tries(one: Ended, past: History) -> list[Attempt]:
    return [attempt for attempt in past.attempts if attempt.delivery == one.number]


def _last(one: Ended, past: History) -> str:
    """What somebody who has died of age was told to the last."""
    tries = _tries(one, past)
    if one.reason != AGED or not tries:
        return ""
    return f", and at last {failure_words(tries[-1].reason)}"


def _try_line(attempt: Attempt) -> str:
    is_told = attempt.status is None or attempt.reason == f"status_{attempt.status}"
    status = "" if is_told else f" {attempt.status}"
    detail = f" ({plain(attempt.detail)})" if attempt.detail else ""
    took = attempt.duration_us / 1_000_000
    return f"{short(attempt.at)}  {attempt.reason}{status}{detail}, {took:.3f} s"


def letter_document(one: Ended, past: History) -> dict[str, object]:
    """The same for programs."""
    return document_of(one) | {
        "kind_of_destination": _kind(one, past),
        "tries": [
            {
                "at": text_of(attempt.at),
                "duration_us": attempt.duration_us,
                "reason": attempt.reason,
                "status": attempt.status,
                "detail": attempt.detail,
                "excerpt": attempt.excerpt.decode(errors="replace"),
            }
            for attempt in _tries(one, past)
        ],
    }

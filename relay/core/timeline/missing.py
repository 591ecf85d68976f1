"""Missing: what it means that the store has nothing of a run, by what the API says of it.

Owns the words for a callback that never came: whether the run had this relay's address, whether Runflow
has sent anything, and what was answered. Pure.
"""

from collections.abc import Iterator, Sequence

from relay.core.snapshot import Snapshot, Unfinished
from relay.core.sweep import is_under
from relay.core.timeline.account import account_words, callback_words
from relay.core.timeline.history import Account, Plan, Unanswered
from relay.core.timeline.words import plain

__all__ = ["missing_words", "named_words"]


def missing_words(
    account: Account, *, plan: Plan | None, base: str | None, now: int
) -> list[str]:
    """What the API says of a run that the store does not know, and what follows, a sentence each.

    ``base`` is the relay's own public URL, where one is configured.
    """
    return list(_words(account, plan, base, now))


def named_words(source: str, runs: Sequence[str]) -> Iterator[str]:
    """What to do where Runflow knows runs under a ``client_ref`` that the store has not."""
    ids = ", ".join(plain(run) for run in runs)
    yield f"{source}: Runflow knows it as the client_ref of {ids}."
    yield (
        "No callback has named it, and no answer so far; ask for the run by its id: relay explain"
        f" {plain(runs[0])}."
    )


def _words(
    account: Account, plan: Plan | None, base: str | None, now: int
) -> Iterator[str]:
    said = account_words(account, plan=plan)
    if isinstance(account.run, Unanswered):
        if account.run.reason == "not_found":
            yield f"{account.source}: Runflow does not know it either, or not by this token."
        else:
            yield f"{account.source}: the API could not be asked: {said}"
        return
    yield f"{account.source}: Runflow knows it: {said}."
    url = account.callback_url
    if url is None:
        yield (
            "It has no callback_url, so no callback ever comes: create runs with one of this relay's"
            " (relay check shows them)."
        )
        return
    if base is not None and not is_under(url, f"{base.rstrip('/')}/callbacks"):
        yield f"Its callbacks go to {plain(url)}, which is not this relay ({base})."
        return
    yield f"Its callbacks: {callback_words(account, plan=plan, now=now)}."
    yield _what_follows(account)


def _what_follows(account: Account) -> str:
    if isinstance(account.run, Unfinished):
        return "Its callback comes when it has ended."
    if isinstance(account.callbacks, Unanswered):
        return "No callback of it has come here."
    tries = [one for delivery in account.callbacks for one in delivery.tries]
    taken = [one for one in tries if one.status and 200 <= one.status <= 299]
    if taken:
        return (
            f"One was answered {taken[-1].status}, and it is not in this store: another relay, or another"
            " store, has it."
        )
    again = "have Runflow send it again (POST /v1/{}/{}/callback-redeliveries)".format(
        "batches"
        if isinstance(account.run, Snapshot) and account.run.key.kind.value == "batch"
        else "runs",
        account.run.key.id if isinstance(account.run, Snapshot) else "{id}",
    )
    return f"No callback of it has come here: a sweep finds it, or {again}."

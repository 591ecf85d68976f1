"""Receipts to record: callbacks of few runs, as they would come in.

Owns bodies of every sort that a store has to tell apart. Nothing here knows what becomes of them.
"""

import json
from collections.abc import Sequence

from relay.core.callback import DEFAULT_REQUIRE, Field
from relay.core.receipt import Receipt
from relay.core.route import Route, Router, compile_match
from tests.fakes import NOW_US

__all__ = [
    "EVERYWHERE",
    "NOWHERE",
    "callback",
    "odd",
    "partial",
    "poison",
    "routed",
    "still_running",
]

#: What every store of the tests delivers to.
EVERYWHERE = Router(routes=[], destinations=["lake", "orders"])
NOWHERE = Router(routes=[], destinations=[])


def routed(*to: str, when: object = (), known: Sequence[str] = ()) -> Router:
    """Routes that take what matches ``when`` to these destinations."""
    route = Route(
        name="some", match=compile_match(list(when) if when == () else when), to=to
    )
    return Router(routes=[route], destinations=[*to, *known])


def callback(
    run: str = "run_1",
    *,
    status: str = "succeeded",
    event: str | None = None,
    client_ref: str | None = None,
    output: object = None,
    completed_at: str | None = "2026-03-01T11:59:58Z",
    note: str = "",
    body: bytes | None = None,
    source: str = "acme",
    channel: str = "callback",
    secret: str = "k1",
    at: int = NOW_US,
    router: Router = EVERYWHERE,
    require: tuple[Field, ...] = DEFAULT_REQUIRE,
    collapses: bool = False,
) -> Receipt:
    """A verified callback; complete unless told otherwise. ``note`` makes equal ones differ."""
    said = {
        "event": event,
        "run_id": run,
        "status": status,
        "completed_at": completed_at,
        "client_ref": client_ref,
        "output": {"images": [1.10]} if output is None else output,
        "note": note,
    }
    kept = {name: value for name, value in said.items() if value not in (None, "")}
    return Receipt(
        source=source,
        channel=channel,
        origin="callback" if channel == "callback" else "webhook",
        body=json.dumps(kept).encode() if body is None else body,
        headers=((b"Content-Type", b"application/json"),),
        secret=secret,
        received_at=at,
        router=router,
        require=require,
        collapses=collapses,
    )


def partial(
    run: str = "run_1",
    *,
    status: str = "succeeded",
    channel: str = "callback",
    at: int = NOW_US,
) -> Receipt:
    """A callback that does not say when the run ended: the truth has to be asked for."""
    return callback(run, status=status, channel=channel, at=at, completed_at=None)


def still_running(run: str = "run_1") -> Receipt:
    """A callback that speaks of a state which ends nothing."""
    return callback(run, status="running")


def odd(body: bytes = b"not json") -> Receipt:
    """Signed bytes that say nothing about a run."""
    return callback(body=body)


def poison(run: str = "run_1") -> Receipt:
    """A receipt that no store can keep: it holds a text that is not Unicode."""
    # A body of its own: an equal one would only be counted, and its text never written.
    return callback(run, note="poison", secret="\ud800")

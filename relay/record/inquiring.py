"""Inquiring: rows become inquiries, whatever the store.

Owns making a claimed inquiry of what is stored. Decides nothing. Knows no database.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from relay.core.identity import RunKey
from relay.core.inquiry import Inquiry, InquiryState
from relay.record.codes import OUTCOMES

__all__ = ["inquiries"]


def inquiries(
    rows: Iterable[tuple[Any, ...]],
    accounts: Iterable[tuple[Any, ...]],
    *,
    lease: int,
) -> list[Inquiry]:
    """Make inquiries, those that were opened first in front.

    Columns of ``rows``: number of the run; source, namespace and id; state, outcome, reasons, opened_at
    and asks of the inquiry. Of ``accounts``: number of the run, body of one of its callbacks.
    """
    bodies: defaultdict[int, list[bytes]] = defaultdict(list)
    for run, body in accounts:
        bodies[run].append(bytes(body))
    found = [
        Inquiry(
            run=run,
            lease=lease,
            key=RunKey.restore(source, namespace, bytes(stored)),
            state=InquiryState(state),
            outcome=OUTCOMES[outcome] if outcome else None,
            reasons=tuple(json.loads(reasons)),
            opened_at=opened_at,
            asks=asks,
            bodies=tuple(bodies[run]),
        )
        for run, source, namespace, stored, state, outcome, reasons, opened_at, asks in rows
    ]
    return sorted(found, key=lambda inquiry: (inquiry.opened_at, inquiry.run))

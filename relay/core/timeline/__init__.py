"""Timeline: what happened to one run, where it stands, and what is being waited for now.

Pure: from plain rows and the upstream's own account to lines in the order of time, one of six states with
a reason, and one sentence. Knows no store, no API and no terminal.

``history`` has the shapes that come in; ``words`` says every reason in words for a person; ``account``
reads what the API says now, ``entries`` makes the lines; ``parcels``, ``questions`` and ``standing`` say
where it stands; ``document`` is the whole as programs read it.
"""

from relay.core.timeline.account import (
    Difference,
    account_words,
    callback_words,
    differences,
)
from relay.core.timeline.document import (
    Explanation,
    Named,
    Stated,
    as_json,
    explain,
    explain_hidden,
)
from relay.core.timeline.entries import Entry, entries
from relay.core.timeline.history import (
    Account,
    Attempt,
    CallbackDelivery,
    CallbackTry,
    Delivery,
    EventRow,
    Findings,
    FoundBy,
    History,
    PastAsk,
    Plan,
    Presence,
    Question,
    ReceiptRow,
    Unanswered,
)
from relay.core.timeline.missing import missing_words, named_words
from relay.core.timeline.parcels import Place, RunState
from relay.core.timeline.standing import Standing, hidden_standing, standing
from relay.core.timeline.words import plain

__all__ = [
    "Account",
    "Attempt",
    "CallbackDelivery",
    "CallbackTry",
    "Delivery",
    "Difference",
    "Entry",
    "EventRow",
    "Explanation",
    "Findings",
    "FoundBy",
    "History",
    "Named",
    "PastAsk",
    "Place",
    "Plan",
    "Presence",
    "Question",
    "ReceiptRow",
    "RunState",
    "Standing",
    "Stated",
    "Unanswered",
    "account_words",
    "as_json",
    "callback_words",
    "differences",
    "entries",
    "explain",
    "explain_hidden",
    "hidden_standing",
    "missing_words",
    "named_words",
    "plain",
    "standing",
]

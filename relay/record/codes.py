"""Codes: the small numbers under which stores keep closed sets of words.

Owns the numbers; a number once given is never given another meaning. Both stores use the same.
"""

from typing import Final

from relay.core.identity import Outcome
from relay.core.run import Verdict

__all__ = ["OUTCOMES", "OUTCOME_CODES", "VERDICTS", "VERDICT_CODES"]

OUTCOME_CODES: Final = {
    Outcome.SUCCEEDED: 1,
    Outcome.FAILED: 2,
    Outcome.CANCELLED: 3,
    Outcome.PARTIAL_SUCCEEDED: 4,
    Outcome.OTHER: 5,
    Outcome.DISABLED: 11,
    Outcome.PAUSED: 12,
    Outcome.RESUMED: 13,
    Outcome.FAILING: 14,
    Outcome.BEHIND: 15,
}
OUTCOMES: Final = {code: outcome for outcome, code in OUTCOME_CODES.items()}

VERDICT_CODES: Final = {
    Verdict.FIRST: 1,
    Verdict.DUPLICATE: 2,
    Verdict.STALE: 3,
    Verdict.CONFLICT: 4,
    Verdict.QUARANTINED: 5,
    Verdict.TOLD: 6,
}
VERDICTS: Final = {code: verdict for verdict, code in VERDICT_CODES.items()}

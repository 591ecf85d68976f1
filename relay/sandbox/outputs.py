"""What a run gives: outputs, failures and costs, as raw JSON text, by seed.

Owns the invented content of runs. Its shapes follow the public documents: a normalised
``outputs[]`` with presigned, expiring links on success; on failure an error envelope or
null (the documents have both); null when cancelled. Beside them stand values that a
careless reader spoils: ``1.10``, an integer of forty digits, escapes, unsorted keys.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from relay.sandbox.faults import Outcome
from relay.sandbox.wire import Raw, dump

__all__ = ["Failure", "Result", "result"]

_KINDS = (("image", "png"), ("image", "webp"), ("video", "mp4"), ("audio", "wav"))
_LIFETIMES_S = (86_400, 259_200)  # a day and three days: both have been seen
_CAPTIONS = (
    "null",
    r'"caf\u00e9 \ud83c\udf05 \/ done"',
    '"Zürich → 東京 \U0001f305"',
    r'"line\nbreak \"quoted\" \\ \u0041"',
)
_NUMBERS = ("1.10", "0.50", "1.0", "6.02e+23", "-0", "100")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed: a stable code, a text for people, the stage of the pipeline."""

    code: str
    message: str
    stage: str


_FAILURES = (
    Failure(
        "INPUT_VALIDATION_FAILED", "The input image could not be read.", "dispatch"
    ),
    Failure("PROVIDER_ERROR", "The provider gave up: “out of memory”.", "execution"),
    Failure("PROVIDER_TIMEOUT", "The provider did not answer in time.", "execution"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What stands in a run once it is over.

    Attributes:
        output: The raw JSON text of its output; None is null.
        cost: A decimal string, as the API has it; None where nothing is charged.
        failure: None unless it failed.
    """

    output: Raw | None
    cost: str | None
    failure: Failure | None


def result(
    outcome: Outcome, dice: random.Random, *, run_id: uuid.UUID, at: datetime
) -> Result:
    """The result of a run that ends now.

    Args:
        outcome: How it ends.
        dice: Chance for the content.
        run_id: Stands in the links.
        at: The moment of the end, in UTC; the links are signed at it.
    """
    if outcome is Outcome.CANCELLED:
        return Result(None, None, None)
    if outcome is Outcome.FAILED:
        failure = dice.choice(_FAILURES)
        return Result(_envelope(failure, dice), None, failure)
    cost = str(Decimal(dice.randrange(1, 5000)).scaleb(-4))
    wanted = dice.randrange(2, 4)
    got = wanted - 1 if outcome is Outcome.PARTIAL_SUCCEEDED else wanted
    return Result(_output(dice, run_id, at, got), cost, None)


def _envelope(failure: Failure, dice: random.Random) -> Raw | None:
    if dice.random() < 0.5:
        return None
    return Raw(dump({"code": failure.code, "message": failure.message, "errors": None}))


def _output(dice: random.Random, run_id: uuid.UUID, at: datetime, count: int) -> Raw:
    entries = []
    for index in range(count):
        kind, suffix = dice.choice(_KINDS)
        entries.append({"url": _link(dice, run_id, at, index, suffix), "type": kind})
    seed = dice.choice(("null", str(dice.randrange(10**39, 10**40)), "42"))
    fields: dict[str, object] = {
        "outputs": entries,
        "seed": Raw(seed),
        "timing": {"total": Raw(dice.choice(_NUMBERS)), "inference": Raw("1.10")},
        "nsfw_detected": dice.choice((None, False)),
        "caption": Raw(dice.choice(_CAPTIONS)),
    }
    return Raw(dump(fields))


def _link(
    dice: random.Random, run_id: uuid.UUID, at: datetime, index: int, suffix: str
) -> str:
    query = "&".join(
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            f"X-Amz-Credential=SANDBOX%2F{at:%Y%m%d}%2Feu-west-1%2Fs3%2Faws4_request",
            f"X-Amz-Date={at:%Y%m%dT%H%M%SZ}",
            f"X-Amz-Expires={dice.choice(_LIFETIMES_S)}",
            "X-Amz-SignedHeaders=host",
            f"X-Amz-Signature={dice.getrandbits(256):064x}",
        )
    )
    return f"https://assets.runflow.example/{run_id}/{index}.{suffix}?{query}"

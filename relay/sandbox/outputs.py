"""What a run gives: outputs, failures and costs, as raw JSON text, by seed.

Owns the invented content of runs. Its shapes follow the public documents: a normalised ``outputs[]`` of
links on success; on failure an error envelope or null (the documents have both); null when cancelled.
Beside them stand values that a careless reader spoils: ``1.10``, an integer of forty digits, escapes,
unsorted keys. Links are written unsigned here: `relay.sandbox.links` signs them whenever they are shown.
"""

import random
import uuid
from dataclasses import dataclass
from decimal import Decimal

from relay.sandbox.fate import Outcome
from relay.sandbox.links import unsigned_link
from relay.sandbox.wire import Raw, dump

__all__ = ["Failure", "Result", "result"]

_KINDS = (("image", "png"), ("image", "webp"), ("video", "mp4"), ("audio", "wav"))
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
        output: The raw JSON text of its output, links unsigned; None is null.
        cost: A decimal string, as the API has it; None where nothing is charged.
        failure: None unless it failed.
    """

    output: Raw | None
    cost: str | None
    failure: Failure | None


def result(outcome: Outcome, dice: random.Random, *, run_id: uuid.UUID) -> Result:
    """The result of a run that ends.

    Args:
        outcome: How it ends.
        dice: Chance for the content.
        run_id: Stands in the links.
    """
    if outcome is Outcome.CANCELLED:
        return Result(None, None, None)
    if outcome is Outcome.FAILED:
        failure = dice.choice(_FAILURES)
        return Result(_envelope(failure, dice), None, failure)
    cost = str(Decimal(dice.randrange(1, 5000)).scaleb(-4))
    wanted = dice.randrange(2, 4)
    got = wanted - 1 if outcome is Outcome.PARTIAL_SUCCEEDED else wanted
    return Result(_output(dice, run_id, got), cost, None)


def _envelope(failure: Failure, dice: random.Random) -> Raw | None:
    if dice.random() < 0.5:
        return None
    return Raw(dump({"code": failure.code, "message": failure.message, "errors": None}))


def _output(dice: random.Random, run_id: uuid.UUID, count: int) -> Raw:
    entries = []
    for index in range(count):
        kind, suffix = dice.choice(_KINDS)
        link = unsigned_link(f"{run_id}/{index}.{suffix}")
        entries.append({"url": link, "type": kind})
    seed = dice.choice(("null", str(dice.randrange(10**39, 10**40)), "42"))
    fields: dict[str, object] = {
        "outputs": entries,
        "seed": Raw(seed),
        "timing": {"total": Raw(dice.choice(_NUMBERS)), "inference": Raw("1.10")},
        "nsfw_detected": dice.choice((None, False)),
        "caption": Raw(dice.choice(_CAPTIONS)),
    }
    return Raw(dump(fields))

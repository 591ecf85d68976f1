"""What goes wrong with a single call of the API: chance, by seed and the number of the call.

Owns which mishap a call meets. Pure: it knows neither requests nor answers, only how often this run (or
this kind of call) was asked before. So the same requests meet the same weather, whatever the clock says.
"""

from dataclasses import dataclass
from enum import StrEnum

from relay.sandbox.chance import stream
from relay.sandbox.faults import Faults

__all__ = ["CALM", "Mishap", "Weather", "weather"]


class Mishap(StrEnum):
    """What a call meets; the values are the names of the shares."""

    NONE = "none"
    TOO_MANY = "api_429"
    BROKEN = "api_5xx"
    UNAUTHORIZED = "api_401"
    FORBIDDEN = "api_403"
    NOT_FOUND = "api_404"
    HANGUP = "api_hangup"
    TRUNCATED = "api_truncated"
    HTML = "api_html"
    REDIRECT = "api_redirect"
    ENDLESS = "api_endless"
    WRONG_RUN = "api_wrong_run"
    FOREIGN_RUN = "api_foreign_run"


@dataclass(frozen=True, slots=True)
class Weather:
    """What one call meets.

    Attributes:
        mishap: The fault, or none.
        status: For `Mishap.BROKEN`, which of the 5xx it is.
        headers: For `Mishap.TOO_MANY`, whether it says when to come again.
    """

    mishap: Mishap
    status: int = 0
    headers: bool = False


CALM = Weather(Mishap.NONE)


def weather(seed: int, place: int | str, number: int, faults: Faults) -> Weather:
    """What a call meets.

    Args:
        seed: The sandbox's.
        place: The number of the run that is asked for, or the name of the route.
        number: How many calls this place has had, this one included.
        faults: Those in force now.
    """
    if not any(getattr(faults, mishap.value, 0.0) for mishap in Mishap):
        return CALM
    dice = stream(seed, place, f"call {number}")
    throw, status, named = dice.random(), dice.choice((500, 502, 503)), dice.random()
    below = 0.0
    for mishap in Mishap:
        below += getattr(faults, mishap.value, 0.0)
        if throw < below:
            wanted = {"both": named < 0.5, "with": True, "without": False}
            return Weather(mishap, status, wanted[faults.retry_after])
    return CALM

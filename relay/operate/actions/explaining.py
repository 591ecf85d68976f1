"""Explaining: what went wrong with a source's API or the store, in plain words and with the setting to look at.

Owns the sentences. What they quote of an answer is made fit to be shown in a terminal; tokens are
taken out by the API's client.
"""

from typing import Final

import msgspec

from relay.core.errors import CalledOffError, RelayError, StoreFullError
from relay.runflow import RunflowError

__all__ = ["Why", "explain"]

_QUOTED_MAX: Final = 300

_NOT_RUNFLOW: Final = (
    "what answers is not Runflow's API: look at the source's `api.base_url`"
)
_AWAY: Final = "Runflow's API does not answer: look at the source's `api.base_url`"
#: By the reason of a RunflowError.
_SENTENCES: Final = {
    "unauthorized": "Runflow does not know the token: look at the source's `api.token`",
    "forbidden": "the token may not list runs: the source's `api.token` needs the scope `runs:read`,"
    " and `api.organization_id` must be one of its own",
    "insufficient_credit": "the organisation's credit does not cover it: that is settled with Runflow",
    "not_found": "there is no list of runs there: look at the source's `api.base_url` and"
    " `api.organization_id`",
    "rate_limited": "Runflow has had too many requests: lower the source's `api.rate`, or try again later",
    "server_error": "Runflow's API has a fault of its own: try again later",
    "unreachable": _AWAY,
    "disconnected": _AWAY,
    "timeout": "Runflow's API did not answer in time: look at the source's `api.base_url` and `api.timeout`",
    "tls": "the server that answers is not to be trusted: look at the source's `api.base_url`, and at a"
    " proxy in between",
    "too_large": "the answer is larger than the source's `api.response_bytes`",
    "truncated": "the answer ended too early: try again, or look at a proxy before `api.base_url`",
    "redirect": _NOT_RUNFLOW,
    "wrong_content": _NOT_RUNFLOW,
    "not_json": _NOT_RUNFLOW,
    "not_http": _NOT_RUNFLOW,
    "unexpected_shape": _NOT_RUNFLOW,
    "unexpected_status": _NOT_RUNFLOW,
    "paging": "the list of runs has no end: ask for less with `since`, and tell Runflow",
}


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Why something could not be done: a closed word, and a sentence."""

    reason: str
    text: str


def explain(error: RunflowError | RelayError) -> Why:
    """Say what went wrong, and which setting to look at."""
    if isinstance(error, CalledOffError):
        return Why(
            reason="called_off",
            text="it was ended: the relay stops, or the source's settings have changed",
        )
    if isinstance(error, StoreFullError):
        return Why(reason="store_full", text=f"the store has no room: {_quoted(error)}")
    if isinstance(error, RelayError):
        return Why(reason="store", text=f"the store cannot take it: {_quoted(error)}")
    sentence = _SENTENCES.get(error.reason, "Runflow's API refuses")
    wait = ""
    if error.retry_after is not None:
        wait = f"; it asks to wait {max(1, round(error.retry_after))} s"
    return Why(reason=error.reason, text=f"{sentence}{wait} ({_quoted(error)})")


def _quoted(error: Exception) -> str:
    """Its own words, without anything that a terminal would obey."""
    text = "".join(one if one.isprintable() else " " for one in str(error))
    return text if len(text) <= _QUOTED_MAX else f"{text[:_QUOTED_MAX]}…"

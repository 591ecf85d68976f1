"""Words: every reason that the relay keeps, said in words for a person.

Owns one table for each set of reasons. They are complete: a test compares them with what the code can
produce. Also how times, lengths of time and foreign texts are written.
"""

import re
from collections.abc import Mapping
from typing import Final

from relay.core.delivery import HOUR, SECOND
from relay.core.holding import Hold
from relay.core.moment import text_of
from relay.core.run import Verdict
from relay.core.timeline.history import Plan

__all__ = [
    "ACCESS",
    "ANSWERS",
    "DESTINATION_FAULTS",
    "FAILURES",
    "QUARANTINE",
    "REASONS",
    "VERDICTS",
    "answer_words",
    "clock",
    "failure_words",
    "hint_words",
    "hold_words",
    "is_of_destination",
    "joined",
    "length",
    "plain",
    "reasons_words",
]

VERDICTS: Final[Mapping[Verdict, str]] = {
    Verdict.FIRST: "the first of its run",
    Verdict.DUPLICATE: "duplicate, nothing new",
    Verdict.STALE: "stale, of a state that the run had left",
    Verdict.CONFLICT: "contradicts what was known, both are kept",
    Verdict.QUARANTINED: "in quarantine",
    Verdict.TOLD: "an answer of the API",
}

#: Why a run waits for the truth.
REASONS: Final[Mapping[str, str]] = {
    "missing_status": "the callback names no status",
    "missing_created_at": "the callback lacks created_at",
    "missing_completed_at": "the callback lacks completed_at",
    "missing_duration_ms": "the callback lacks duration_ms",
    "missing_output": "the callback lacks the output",
    "missing_metadata": "the callback lacks the metadata",
    "missing_client_ref": "the callback lacks client_ref",
    "status_unknown": "the callback's status is a word that nobody knows",
    "status_not_terminal": "the callback's status is not an end",
    "event_and_status_disagree": "the callback's event and status disagree",
    "client_ref_conflict": "two callbacks name different client_refs",
    "outcome_conflict": "two callbacks say different ends",
    "not_enriched": "the source wants what only the API tells",
    "no_callback": "a sweep found it and no callback has come",
}

#: Why signed bytes are in quarantine.
QUARANTINE: Final[Mapping[str, str]] = {
    "not_utf8": "it is not UTF-8",
    "not_json": "it is not JSON",
    "too_deep": "its JSON is nested too deeply",
    "not_an_object": "it is JSON, but not an object",
    "duplicate_key": "it names a field twice",
    "unknown_family": "it speaks of neither a run nor a batch",
    "unknown_event": "its event is a word that nobody knows",
    "unusable_id": "its id cannot name anything",
    "unusable_client_ref": "its client_ref cannot be kept",
    "too_old": "it is older than the relay's memory of runs",
    "unstorable": "the store could not keep it as a run's",
    "damaged": "its bytes are not what was signed any more",
}

#: What the API answered, or why it did not.
ANSWERS: Final[Mapping[str, str]] = {
    "told": "it has ended",
    "unended": "it has not ended yet",
    "redelivery": "it was asked to send its callback once more, and will",
    # no answer
    "timeout": "no answer in time",
    "tls": "its certificate or TLS handshake cannot be trusted",
    "unreachable": "no connection to it could be made",
    "disconnected": "the connection broke before an answer",
    "not_http": "what answered does not speak HTTP",
    "transport": "no answer came",
    # an answer that cannot be used
    "truncated": "the answer broke off in the middle",
    "not_json": "the answer is not JSON",
    "wrong_content": "a web page, or something else that is not JSON, came",
    "redirect": "it sent us elsewhere, which is not followed",
    "too_large": "the answer is larger than api.response_bytes",
    "unexpected_status": "a status that the API does not have",
    "unexpected_shape": "JSON of another form than documented",
    "answer": "an answer that cannot be used",
    # an answer that must not be believed
    "wrong_run": "the answer is about another run",
    "other_organization": "the answer is another organisation's",
    "no_status": "the answer has no status",
    # a refusal
    "bad_request": "it calls the question wrong",
    "unauthorized": "it does not know the token",
    "insufficient_credit": "the organisation's credit does not cover it",
    "forbidden": "the token may not read this",
    "not_found": "it knows no such run, or it is another organisation's",
    "conflict": "it sees a conflict",
    "unprocessable": "it does not accept the question",
    "rate_limited": "it is asked too often",
    "server_error": "a fault of its own",
    "refused": "it refused",
    # what the client's own verbs end with
    "paging": "a list of it that has no end",
    "wait_timeout": "it had not ended in the time given",
    "run_failed": "it has failed",
    "error": "the question failed",
    # nobody asked
    "internal": "a fault of the relay's own while asking",
    "not_asked": "nobody is asked: there is no api.token, or enrich is never",
    "api_down": "the API did not work at all, so nobody was asked",
    "offline": "not asked, as you wished",
    "no_token": "not asked: the source has no api.token",
    "never": "not asked: the source says enrich: never",
    "no_source": "not asked: the source is not in the configuration",
    "own": "not asked: the relay itself has told it",
    "no_settings": "not asked: the configuration cannot be used as it is",
}

#: Which setting to look at; ``{}`` stands for the source in the configuration.
ACCESS: Final[Mapping[str, str]] = {
    "unauthorized": "check {}.api.token",
    "forbidden": "give {}.api.token the scope runs:read",
    "other_organization": "check {}.api.organization_id",
    "no_token": "set {}.api.token",
    "unreachable": "check {}.api.base_url",
    "tls": "check {}.api.base_url and whom this machine trusts",
    "not_http": "check {}.api.base_url",
    "redirect": "check {}.api.base_url",
    "wrong_content": "check {}.api.base_url",
    "too_large": "raise {}.api.response_bytes",
    "rate_limited": "lower {}.api.rate",
    "no_settings": "run relay check",
}

#: Why a try did not deliver.
FAILURES: Final[Mapping[str, str]] = {
    "connect": "no connection could be made",
    "connect_timeout": "no connection stood in time",
    "dns": "its name has no address",
    "tls": "its certificate or TLS handshake failed",
    "timeout": "no answer in time",
    "reset": "the connection broke",
    "malformed_response": "the answer was not HTTP",
    "gone": "it says that it is gone (410)",
    "forgotten": "its destination had left the configuration, and an operator gave it up",
    "status_408": "it was too slow to read (408)",
    "status_410": "it says that it is gone (410)",
    "status_425": "it does not want to be asked so early (425)",
    "status_429": "it is asked too often (429)",
    "status_unknown": "it answered a status that does not exist",
    "no_live_key": "no secret of the destination is in force",
    "blocked_address": "its address is one that deliveries may not reach",
    "bad_url": "its URL cannot be posted to",
    "too_large": "the event is larger than it takes",
    "expired": "it had failed for max_age",
    "discarded": "an operator discarded it",
    "unknown_topic": "the topic does not exist",
    "not_authorized": "the broker does not let us",
    "broker": "the broker refused",
    "closed": "the producer was closed meanwhile",
    "disk_full": "the disk is full",
    "io_error": "the file cannot be written",
    "internal": "a fault of the relay's own",
    "unknown_builder": "a newer relay has made the event",
    "not_a_run": "it is about the relay itself, and the destination's format has words for runs alone",
    "damaged_receipt": "the stored bytes are not what was signed any more",
}

#: Reasons that are about the destination as a whole: it is probed, and no step of a ladder is used up.
DESTINATION_FAULTS: Final = frozenset(
    {
        "connect",
        "connect_timeout",
        "dns",
        "tls",
        "timeout",
        "reset",
        "malformed_response",
        "gone",
        "status_408",
        "status_425",
        "status_429",
        "status_unknown",
        "no_live_key",
        "unknown_topic",
        "not_authorized",
        "broker",
        "closed",
        "disk_full",
        "io_error",
        "internal",
    }
)

_STATUS: Final = re.compile(r"status_(\d{3})")
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_MINUTE: Final = 60 * SECOND
_DAY: Final = 24 * HOUR


def failure_words(reason: str | None) -> str:
    """Why a try did not deliver; a word that nobody knows is shown as it is."""
    if reason is None:
        return "no reason is kept"
    known = FAILURES.get(reason)
    if known is not None:
        return known
    status = _STATUS.fullmatch(reason)
    return f"it answered {status[1]}" if status else plain(reason)


def is_of_destination(reason: str | None) -> bool:
    """Whether a reason is about the destination as a whole, and not about this event."""
    return reason is not None and (
        reason in DESTINATION_FAULTS or reason.startswith("status_5")
    )


def answer_words(reason: str) -> str:
    """What the API answered; a word that nobody knows is shown as it is."""
    known = ANSWERS.get(reason)
    if known is not None:
        return known
    asked, _, why = reason.partition("_")
    if asked == "redelivery":
        return f"it does not send its callback once more: {answer_words(why)}"
    return plain(reason)


def hint_words(reason: str, plan: Plan | None) -> str:
    """Which setting to look at, after a dash; nothing where no setting would help or none is known."""
    hint = ACCESS.get(reason)
    setting = None if plan is None else plan.setting
    if hint is None or (setting is None and "{}" in hint):
        return ""
    return f" - {hint.format(setting)}"


def reasons_words(reasons: tuple[str, ...]) -> str:
    """Why a run waits."""
    return joined([REASONS.get(one) or plain(one) for one in reasons])


def joined(parts: list[str]) -> str:
    """One, two and three."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def plain(text: str, most: int = 200) -> str:
    """A foreign text on one line, with nothing in it that moves a terminal's cursor."""
    cut = text[:most]
    shown = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", cut)
    shown = shown.encode(errors="backslashreplace").decode()
    return f"{shown}…" if len(text) > most else shown


def clock(moment_us: int, now_us: int) -> str:
    """A moment as people say it: the time, UTC, and the day where it is another than today."""
    day, _, time = text_of(moment_us).partition("T")
    shown = time[:8]
    today = text_of(now_us)[:10]
    return shown if day == today else f"{day} {shown}"


def length(span_us: int) -> str:
    """A length of time, in two units at most."""
    span = abs(span_us)
    if span < SECOND:
        return f"{span // 1000} ms"
    if span < 10 * SECOND:
        return f"{span / SECOND:.1f} s"
    if span < _MINUTE:
        return f"{span // SECOND} s"
    units = ((_DAY, "d"), (HOUR, "h"), (_MINUTE, "min"), (SECOND, "s"))
    place = next(n for n, (unit, _) in enumerate(units) if span >= unit)
    parts = []
    for unit, name in units[place : place + 2]:
        parts.append(f"{span // unit} {name}")
        span %= unit
    return " ".join(part for part in parts if not part.startswith("0 "))


def hold_words(hold: Hold, now_us: int) -> str:
    """Why nothing is sent: "paused since 12:00:01 by ada: the shop is moving"."""
    since = clock(hold.since, now_us)
    match hold.reason:
        case "gone":
            return f"disabled since {since}: it answered 410, which says that it is no more"
        case "failing":
            return f"disabled since {since}, after days of nothing but failures"
        case "brake":
            return (
                f"paused since {since} by the relay: one delivery after the other failed for good,"
                " and more of them would have died"
            )
        case _:
            why = f": {plain(hold.reason)}" if hold.reason else ""
            return f"{hold.kind} since {since} by {plain(hold.by)}{why}"

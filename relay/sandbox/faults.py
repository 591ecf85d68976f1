"""What a user may ask to go wrong: the shares and switches, each with its group and its help.

Owns `Faults`, its limits, and how one is changed while the sandbox runs. The command's flags, the
documentation's table and ``PATCH /sandbox/faults`` are all read from these fields. What follows from them
for a run is `relay.sandbox.chance`'s, for a call of the API `relay.sandbox.weather`'s.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, cast, get_args

__all__ = [
    "GROUPS",
    "NO_FAULTS",
    "PARTIAL_FIELDS",
    "Faults",
    "InvalidFaultsError",
    "choices",
]

#: The groups, in the order in which people read them.
GROUPS: Final = (
    "How runs end",
    "Callbacks on their way",
    "What callbacks say",
    "What the API answers",
    "How the API is read",
)
_ENDS, _WAY, _SAYS, _API, _READ = GROUPS
#: What a partial callback can lack; ``run_id`` is ``batch_id`` in a batch's.
PARTIAL_FIELDS: Final = (
    "event",
    "run_id",
    "status",
    "output",
    "duration_ms",
    "created_at",
    "completed_at",
    "metadata",
)


class InvalidFaultsError(ValueError):
    """A change that cannot be obeyed. `errors` has one entry for each mistake."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{e['field']}: {e['message']}" for e in errors))
        self.errors = errors


def _share(group: str, text: str) -> float:
    told = {"group": group, "help": text, "least": 0.0, "most": 1.0}
    return field(default=0.0, metadata=told)


def _number(group: str, text: str, default: float, *, most: float) -> Any:
    told = {"group": group, "help": text, "least": 0, "most": most}
    return field(default=default, metadata=told)


def _word(group: str, text: str, default: str) -> Any:
    return field(default=default, metadata={"group": group, "help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong, and how runs end. A share (0 to 1) is of runs, callbacks or calls.

    What is decided for a run is decided when it is created, by the seed and its number; what is decided
    for a call of the API is decided when it comes, by the seed and the number of the call.
    """

    failed: float = _share(_ENDS, "Share of runs that fail.")
    cancelled: float = _share(_ENDS, "Share of runs that are cancelled.")
    partial_succeeded: float = _share(_ENDS, "Share of runs that succeed in part.")
    empty_output: float = _share(
        _ENDS, "Share of successful runs whose output is null everywhere."
    )
    spelling: Literal["both", "cancelled", "canceled"] = _word(
        _ENDS,
        "How a cancelled run's status is spelt; the documents have both.",
        "both",
    )
    evaluated: float = _share(_ENDS, "Share of successful runs that are evaluated.")
    revise: float = _share(
        _ENDS, "Share of runs that end anew, otherwise, and call back again."
    )
    revise_silently: float = _share(
        _ENDS, "Share of runs that end anew, otherwise, and say nothing."
    )

    drop: float = _share(
        _WAY, "Share of single tries that are lost; the last of a callback never is."
    )
    lose: float = _share(_WAY, "Share of callbacks that never come at all.")
    double: float = _share(_WAY, "Share of callbacks that come twice.")
    reorder: float = _share(
        _WAY, "Share of callbacks that wait until a later one has come."
    )
    delay: float = _share(_WAY, "Share of callbacks that come late.")
    delay_seconds: float = _number(
        _WAY, "How late at most, in seconds.", 2.0, most=3600
    )
    wrong_secret: float = _share(
        _WAY, "Share of callbacks signed with no known secret."
    )
    old_secret: float = _share(
        _WAY, "Share of callbacks signed with the secret before the current one."
    )

    partial: float = _share(_SAYS, "Share of callbacks that lack a field.")
    partial_fields: str = _word(
        _SAYS,
        f"What a partial one may lack, with commas: {', '.join(PARTIAL_FIELDS)}.",
        "status,output,completed_at",
    )
    null_output: float = _share(
        _SAYS, "Share of successful runs' callbacks whose output is null."
    )
    conflict: float = _share(
        _SAYS, "Share of callbacks that name another outcome than the API."
    )
    contradict: float = _share(
        _SAYS, "Share of runs with two callbacks of which one names another outcome."
    )
    client_ref: Literal["both", "always", "never"] = _word(
        _SAYS, "Whether callbacks name client_ref; the documents have both.", "both"
    )
    client_ref_conflict: float = _share(
        _SAYS, "Share of runs with two callbacks of which one names another client_ref."
    )
    children: bool = field(
        default=False,
        metadata={
            "group": _SAYS,
            "help": "Runs of a batch call the batch's callback_url, too.",
        },
    )

    api_429: float = _share(_API, "Share of calls answered 429.")
    retry_after: Literal["both", "with", "without"] = _word(
        _API, "Whether a 429 has Retry-After and rate-limit headers.", "both"
    )
    api_5xx: float = _share(_API, "Share of calls answered 500, 502 or 503.")
    api_401: float = _share(_API, "Share of calls answered 401.")
    api_403: float = _share(_API, "Share of calls answered 403.")
    api_404: float = _share(_API, "Share of calls answered 404.")
    api_hangup: float = _share(_API, "Share of calls that end without an answer.")
    api_truncated: float = _share(_API, "Share of calls whose JSON is cut off.")
    api_html: float = _share(_API, "Share of calls answered 200 with a page of HTML.")
    api_redirect: float = _share(_API, "Share of calls answered with a redirect.")
    api_endless: float = _share(_API, "Share of calls whose answer never ends.")
    api_wrong_run: float = _share(_API, "Share of reads that give another run.")
    api_foreign_run: float = _share(
        _API, "Share of reads that give a run of another organisation."
    )
    api_slow_ms: int = _number(
        _API, "How long each call takes at least, in milliseconds.", 0, most=600_000
    )
    stale: float = _share(
        _API, "Share of runs that the API calls running after their end."
    )
    stale_reads: int = _number(
        _API, "For how many reads it does so.", 2, most=1_000_000
    )

    link_seconds: int = _number(
        _READ,
        "How long links of outputs live, in seconds; 0: a day or three.",
        0,
        most=604_800,
    )
    filters: Literal["both", "plain", "eq"] = _word(
        _READ, "Which form of q is understood: field:value, field.EQ:'value'.", "both"
    )
    paging: Literal["bare", "url", "next_pq"] = _word(
        _READ,
        "Form of cursors: first, next, previous (bare or as URLs), or next_pq, prev_pq.",
        "bare",
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be obeyed.

        Raises:
            InvalidFaultsError: A share is outside 0 to 1, shares that exclude each other exceed the
                whole, or a word is not known.
        """
        errors = [wrong for each in fields(self) for wrong in self._wrong(each.name)]
        for names in (_OUTCOMES, _CALLS, ("revise", "revise_silently")):
            if not errors and sum(getattr(self, name) for name in names) > 1 + 1e-9:
                text = f"{', '.join(names[:-1])} and {names[-1]} exceed 1 together"
                errors.append({"field": names[-1], "message": text})
        if errors:
            raise InvalidFaultsError(errors)

    def _wrong(self, name: str) -> list[dict[str, str]]:
        value, told = getattr(self, name), _FIELDS[name]
        words = choices(name)
        if words and value not in words:
            return [{"field": name, "message": f"must be one of {', '.join(words)}"}]
        if name == "partial_fields" and not set(value.split(",")) <= set(
            PARTIAL_FIELDS
        ):
            known = ", ".join(PARTIAL_FIELDS)
            return [{"field": name, "message": f"must be of {known}"}]
        least, most = told.get("least"), told.get("most")
        if least is not None and not least <= value <= most:
            text = f"must be from {least:g} to {most:g}, not {value}"
            return [{"field": name, "message": text}]
        return []

    def changed(self, given: Mapping[str, object]) -> "Faults":
        """These faults with some of them changed.

        Args:
            given: New values by name, as JSON has them.

        Raises:
            InvalidFaultsError: A name is not known, or a value is not of its kind.
        """
        errors = [
            {"field": name, "message": "is not a fault"}
            for name in given
            if name not in _FIELDS
        ] or [
            {"field": name, "message": f"must be {_KINDS[type(kept)]}"}
            for name, value in given.items()
            if not _is_like(value, kept := getattr(self, name))
        ]
        if errors:
            raise InvalidFaultsError(errors)
        return Faults(**(asdict(self) | dict(given)))


_OUTCOMES: Final = ("failed", "cancelled", "partial_succeeded")
_CALLS: Final = tuple(
    each.name
    for each in fields(Faults)
    if each.name.startswith("api_") and each.name != "api_slow_ms"
)
_FIELDS: Final = {each.name: each.metadata for each in fields(Faults)}
_KINDS: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
}


def choices(name: str) -> tuple[str, ...]:
    """The words that a fault may have as its value; none where it is no such fault."""
    return cast("tuple[str, ...]", get_args(Faults.__annotations__[name]))


def _is_like(value: object, kept: object) -> bool:
    if isinstance(kept, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(kept)


NO_FAULTS: Final = Faults()

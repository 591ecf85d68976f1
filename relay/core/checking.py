"""Checking: what is made of the answers when a relay looks at the world that it is put into.

Owns judging what Runflow says of a token and of its latest runs, and what an answer to a probe means. Pure.
Knows nothing of how anybody was asked. What others have written is quoted only as far as it cannot be a secret.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from relay.core.finding import Finding, Result
from relay.core.identity import canonical
from relay.core.sweep import is_under

__all__ = ["Heard", "judge_answer", "judge_me", "judge_runs", "shown_url"]

#: From this length on a segment of a path may be a token.
_TELLING: Final = 16
_FOREIGN_SHOWN: Final = 3
#: What a proxy says that finds nobody behind it.
_NOBODY: Final = (502, 503, 504)


def judge_me(
    source: str,
    me: Mapping[str, object],
    *,
    organization: str | None,
    scopes: Sequence[str],
) -> Finding:
    """Judge what ``auth/me`` says; no page documents it, so what it does not say is no mistake."""
    named = _organisation(me)
    if organization and named and canonical(named) != canonical(organization):
        return Finding(
            check="api",
            about=source,
            result="failed",
            found=f"the token belongs to organisation {named}, not to {organization}",
            remedy="set `api.organization_id`, or give the token of the organisation that is meant",
        )
    given = me.get("scopes")
    lacking = [one for one in scopes if isinstance(given, list) and one not in given]
    if lacking:
        return Finding(
            check="api",
            about=source,
            result="failed",
            found=f"the token lacks the scope {', '.join(lacking)}",
            remedy="create a token with it in Runflow, and set `api.token`",
        )
    whose = (
        f"organisation {named}" if named else "an organisation that it does not name"
    )
    return Finding(
        check="api", about=source, result="ok", found=f"the token is of {whose}"
    )


def _organisation(me: Mapping[str, object]) -> str | None:
    for name in ("org_id", "organization_id"):
        found = me.get(name)
        if isinstance(found, str) and found.isprintable():
            return found[:64]
    return None


def judge_runs(source: str, urls: Sequence[str | None], *, own: str) -> Finding:
    """Judge where the latest runs call back to; ``own`` is where this source's callbacks come."""
    calling = [url for url in urls if url]
    foreign = [url for url in calling if not is_under(url, own)]
    ours = len(calling) - len(foreign)
    said = f"{ours} of the latest {len(urls)} runs call back here"
    if foreign:
        said += f"; {len(foreign)} elsewhere: {_shown(foreign)}"
    if len(urls) > len(calling):
        said += f"; {len(urls) - len(calling)} nowhere"
    remedy = f"create runs with `callback_url` {own}"
    result: Result = "ok"
    if not urls:
        result, said = "unknown", "there are no runs yet"
        remedy += ", and look again"
    elif not ours:
        result = "failed"
    elif foreign:
        result = "warning"
        remedy = f"if those are meant for this relay: {remedy}"
    return Finding(
        check="runs",
        about=source,
        result=result,
        found=said,
        remedy="" if result == "ok" else remedy,
    )


def _shown(urls: Sequence[str]) -> str:
    counted = Counter(map(shown_url, urls)).most_common()
    shown = ", ".join(f"{url} ({count})" for url, count in counted[:_FOREIGN_SHOWN])
    return shown if len(counted) <= _FOREIGN_SHOWN else f"{shown}, …"


def shown_url(url: str) -> str:
    """A URL of somebody's, without whatever in it may be a secret: user, query, and long words of its path."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(not a URL)"
    path = "/".join(
        "…" if len(word) >= _TELLING else word for word in parts.path.split("/")
    )
    text = f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"
    return text if text.isprintable() else "(not a URL)"


class Heard(NamedTuple):
    """What came back for a probe, and whether it proves that the other side holds the secret."""

    status: int
    proven: bool
    #: The relay's own word in the answer, if it is a relay's.
    word: str = ""
    #: Whom the relay took us for.
    peer: str = ""


class _Verdict(NamedTuple):
    found: str
    remedy: str


_SECRET: Final = _Verdict(
    "401: the relay there does not know this secret, or what it got is not what was sent",
    "give both the same secret (a running relay takes a change over, see its log); else the ingress drops"
    " `Runflow-Signature` or changes bodies, or the clocks differ by more than a channel's `tolerance`",
)
_ANSWERS: Final[Mapping[int, _Verdict]] = {
    401: _SECRET,
    404: _Verdict(
        "404: nothing is there under this path",
        "forward `/callbacks/` at the ingress, path unchanged; if it is, the relay there has no such source or"
        " channel",
    ),
    405: _Verdict(
        "405: what answers takes no POST",
        "forward `/callbacks/` at the ingress to the relay's public listener",
    ),
    415: _Verdict(
        "415: the body came with a `Content-Encoding`",
        "let the ingress pass bodies on as they are",
    ),
    429: _Verdict(
        "429: too many requests have failed verification, from where this one seems to come",
        "set `public.trusted_proxies` to where the ingress dials from; else wait a minute",
    ),
}


def judge_answer(
    where: str, heard: Heard, *, size: int, runs_here: bool
) -> Finding | None:
    """Judge what an ingress or a relay has answered to a probe of ``size`` bytes; None where all is well.

    ``where`` is the source and channel; ``runs_here`` is whether a relay is known to run beside us.
    """
    if heard.proven:
        return None
    result: Result = "failed"
    if heard.status in _NOBODY and not heard.word and not runs_here:
        result = "unknown"
    verdict = _verdict(heard, size)
    return Finding(
        check="callbacks",
        about=where,
        result=result,
        found=verdict.found,
        remedy=verdict.remedy,
    )


def _verdict(heard: Heard, size: int) -> _Verdict:
    status = heard.status
    if status in _ANSWERS:
        return _ANSWERS[status]
    if status == 413:
        return _Verdict(
            f"413: a body of {size:,} bytes is refused",
            "raise the ingress's limit to `limits.body_bytes` (docs/deploying.md#the-ingress)",
        )
    if 300 <= status <= 399:
        return _Verdict(
            f"{status}: a redirect, which a sender of callbacks need not follow",
            "set `public.url` to where it leads",
        )
    if status in _NOBODY:
        return _unavailable(heard)
    if 200 <= status <= 299:
        return _Verdict(
            f"{status}, but not from a relay that holds this secret",
            "lead `public.url` to this relay: something else answers there, or a relay older than this one",
        )
    return _Verdict(
        f"{status}: what answers is not a relay",
        "lead `public.url` to the relay's public listener, and look at the ingress's log",
    )


def _unavailable(heard: Heard) -> _Verdict:
    if heard.word == "unavailable":
        return _Verdict(
            f"{heard.status}: the relay there takes nothing in now",
            "see `why` of `callback.unavailable` in its log: no secret of this source in force (`not_before`, `not_after`),"
            " or no room for a body more (`limits.in_flight_bytes`)",
        )
    return _Verdict(
        f"{heard.status}: the ingress finds no relay behind it",
        "start the relay, and look at its `/readyz` and at where the ingress looks for it",
    )

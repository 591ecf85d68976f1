"""Api: whether Runflow knows the token, and where a source's latest runs call back to.

Owns the two questions and what each refusal of the API asks for.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from relay.app.sweeps import build_client
from relay.core.checking import judge_me, judge_runs
from relay.core.finding import Finding
from relay.runflow import Runflow, RunflowError
from relay.settings import Source

__all__ = ["look_at_runs", "look_at_token"]

_LATEST: Final = 100
_REMEDIES: Final[Mapping[str, str]] = {
    "unauthorized": "create a token with the scope `runs:read` in Runflow, and set `api.token`",
    "forbidden": "give `api.token` the scope `runs:read`, and `api.organization_id` the organisation that it is of",
    "unreachable": "look at `api.base_url`, at DNS, and whether connections out are let through",
    "tls": "look at `api.base_url`, and at what stands in between and has a certificate of its own",
    "rate_limited": "lower `api.rate`: others ask with this token, too",
}
_OTHERWISE: Final = "look at `api.base_url`, and try again"


async def look_at_token(source: Source) -> Finding:
    """Whether Runflow knows the token, as the organisation that is configured."""
    wanted = ["runs:read", *(["runs:execute"] if source.sweep.redeliver else [])]
    async with _asking(source) as client:
        if client is None:
            return _unasked("api", source)
        try:
            me = await client.auth.me()
        except RunflowError as error:
            return _refused("api", source, error)
    said = me.model_extra or {}
    return judge_me(
        source.name, said, organization=source.api.organization_id, scopes=wanted
    )


async def look_at_runs(source: Source, public_url: str | None) -> Finding:
    """The share of the latest runs that call back here."""
    async with _asking(source) as client:
        if client is None:
            return _unasked("runs", source)
        if public_url is None:
            return Finding(
                check="runs",
                about=source.name,
                result="skipped",
                found="`public.url` is not set, so nobody can tell which runs call back here",
            )
        search = client.runs.search(
            limit=_LATEST, sort_by="created_at:desc", fields=("id", "callback_url")
        )
        try:
            page = await search.page()
            urls = [run.callback_url for run in page.items]
        except RunflowError as error:
            return _refused("runs", source, error)
    own = f"{public_url.rstrip('/')}/callbacks/{source.name}"
    return judge_runs(source.name, urls, own=own)


@asynccontextmanager
async def _asking(source: Source) -> AsyncIterator[Runflow | None]:
    client = build_client(source)
    try:
        yield client
    finally:
        if client is not None:
            await client.close()


def _unasked(check: str, source: Source) -> Finding:
    why = "`api.token` is not set" if source.api.token is None else "`enrich: never`"
    return Finding(
        check=check,
        about=source.name,
        result="skipped",
        found=f"{why}: Runflow is not asked",
    )


def _refused(check: str, source: Source, error: RunflowError) -> Finding:
    return Finding(
        check=check,
        about=source.name,
        result="failed",
        found=str(error),
        remedy=_REMEDIES.get(error.reason, _OTHERWISE),
    )

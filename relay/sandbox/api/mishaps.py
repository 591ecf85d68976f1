"""What goes wrong with a call, done: refusals, broken answers, answers about something else.

Owns the form of each. A refusal comes before the request is obeyed, so that nothing has happened; a broken
answer comes after, so that something has.
"""

import json
import uuid
from typing import Final

from aiohttp import web

from relay.sandbox.api.answers import Refused, json_answer
from relay.sandbox.api.routes import Route
from relay.sandbox.clock import pause
from relay.sandbox.views.names import FOREIGN_ORG
from relay.sandbox.weather import Mishap, Weather

__all__ = ["meet", "rate_headers"]

_HTML: Final = "<!doctype html><title>Runflow</title><h1>We will be back soon</h1>\n"
_CHUNK: Final = b" " * 65_536
_REFUSALS: Final = {
    Mishap.UNAUTHORIZED: (401, "UNAUTHORIZED", "A valid bearer token is required."),
    Mishap.FORBIDDEN: (403, "PERMISSION_DENIED", "The key may not do this."),
    Mishap.NOT_FOUND: (404, "RUN_NOT_FOUND", "No run has this id."),
}
_BROKEN: Final = {
    500: ("INTERNAL_ERROR", "Something went wrong."),
    503: ("SERVICE_UNAVAILABLE", "Try again later."),
}
#: What a wrong run is said to have ended in, by what it did.
_OTHER_END: Final = {"succeeded": "failed", "failed": "succeeded"}


async def meet(met: Weather, request: web.Request, route: Route) -> web.StreamResponse:
    """Answer a request in this weather.

    Raises:
        Refused: That is what it meets, or what it would meet anyway.
    """
    mishap = met.mishap
    if mishap in _REFUSALS:
        raise Refused(*_REFUSALS[mishap])
    if mishap is Mishap.TOO_MANY:
        return _too_many(headers=met.headers)
    if mishap is Mishap.BROKEN:
        return _broken(met.status)
    if mishap is Mishap.REDIRECT:
        return web.Response(status=302, headers={"Location": "/sign-in"})
    answer = await route.handler(request)
    if not isinstance(answer, web.Response) or mishap is Mishap.NONE:
        return answer
    return await _spoilt(mishap, answer, request, route)


def rate_headers() -> dict[str, str]:
    """The headers that an older page of the documents has on every answer; the numbers are ours."""
    return {
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1",
    }


async def _spoilt(
    mishap: Mishap, answer: web.Response, request: web.Request, route: Route
) -> web.StreamResponse:
    if mishap is Mishap.HTML:
        return web.Response(text=_HTML, content_type="text/html")
    if mishap is Mishap.TRUNCATED:
        text = answer.text or ""
        return web.Response(
            text=text[: len(text) // 2], content_type="application/json"
        )
    if mishap is Mishap.HANGUP:
        if request.transport is not None:
            request.transport.abort()
        return answer
    if mishap is Mishap.ENDLESS:
        return await _endless(answer, request)
    return _of_another(mishap, answer) if route.reads else answer


def _too_many(*, headers: bool) -> web.Response:
    answer = Refused(429, "RATE_LIMITED", "Too many requests.").answer()
    if headers:
        answer.headers.update(rate_headers() | {"Retry-After": "1"})
    return answer


def _broken(status: int) -> web.Response:
    if status not in _BROKEN:  # a gateway knows nothing of the envelope
        return web.Response(text=_HTML, status=status, content_type="text/html")
    return Refused(status, *_BROKEN[status]).answer()


async def _endless(answer: web.Response, request: web.Request) -> web.StreamResponse:
    """The answer, but for its last brace, and then spaces until the caller has had enough."""
    stream = web.StreamResponse(headers={"Content-Type": "application/json"})
    stream.enable_chunked_encoding()
    await stream.prepare(request)
    try:
        await stream.write((answer.text or "{}").encode()[:-1])
        while True:
            await stream.write(_CHUNK)
            await pause(0.001)  # not a load test
    except ConnectionError:
        return stream


def _of_another(mishap: Mishap, answer: web.Response) -> web.Response:
    """The run that was asked for, as if it were another one, and with another end."""
    given = json.loads(answer.text or "{}")
    if "id" not in given:
        return answer
    shown = dict(given)
    if mishap is Mishap.WRONG_RUN:
        shown["id"] = str(uuid.uuid5(uuid.UUID(given["id"]), "another"))
    else:
        shown["org_id"] = FOREIGN_ORG
    ended = given.get("status_code", "")
    shown["status_code"] = _OTHER_END.get(ended, ended)
    return json_answer(shown)

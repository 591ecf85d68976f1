"""Problems: what is wrong with a request, as RFC 9457 has it.

Owns the form: ``type`` is ``urn:runflow-relay:problem:{slug}``, ``detail`` a sentence for people.
"""

from http import HTTPStatus

import msgspec
from aiohttp import web

__all__ = ["problem"]


def problem(status: HTTPStatus, slug: str, detail: str) -> web.Response:
    """An answer that says what is wrong."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(
            {
                "type": f"urn:runflow-relay:problem:{slug}",
                "title": status.phrase,
                "status": status.value,
                "detail": detail,
            }
        ),
        content_type="application/problem+json",
    )

"""The sandbox's own OpenAPI document, built from the routes that it serves.

Owns the document's form (OpenAPI 3.1). Says nothing that is not in a route or a schema.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from relay.sandbox.api.routes import Route
from relay.sandbox.api.schemas import SCHEMAS

__all__ = ["document"]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_ORGANISATION: Final = {
    "name": "X-Organization-Id",
    "in": "header",
    "required": False,
    "description": "The organisation; that of the key where it is left out.",
    "schema": {"type": "string"},
}
_ABOUT: Final = (
    "A local stand-in for the Runflow API: runs end by themselves, outcomes and faults follow from a seed,"
    " callbacks are signed and retried. Written from Runflow's public documentation; it is not Runflow's own"
    " description of its API."
)


def document(routes: Iterable[Route], *, base: str, version: str) -> dict[str, object]:
    """The whole document.

    Args:
        routes: What is served.
        base: The sandbox's address.
        version: Of the sandbox.
    """
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(route.plain_path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Runflow sandbox", "version": version, "description": _ABOUT},
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, object]:
    said: dict[str, object] = {
        "operationId": _name(route),
        "summary": route.what,
        "tags": [route.tag],
        "parameters": _parameters(route),
        "security": [{"bearer": []}] if route.guarded else [],
        "responses": _responses(route),
    }
    if route.body is not None:
        said["requestBody"] = {
            "required": "required" in SCHEMAS[route.body],
            "content": _json(_ref(route.body)),
        }
    return said


def _name(route: Route) -> str:
    parts = (
        part for part in re.split(r"\W+", route.plain_path) if part not in {"", "v1"}
    )
    return "_".join((route.method.lower(), *parts))


def _parameters(route: Route) -> list[Mapping[str, object]]:
    named: list[Mapping[str, object]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
        }
        for name in _PLACEHOLDER.findall(route.plain_path)
    ]
    named += [
        {
            "name": param.name,
            "in": param.place,
            "required": False,
            "description": param.what,
            "schema": dict(param.schema),
        }
        for param in route.params
    ]
    return [*named, _ORGANISATION] if route.guarded else named


def _responses(route: Route) -> dict[str, object]:
    schema: dict[str, Any] = _ref(route.answer)
    if route.many:
        schema = {"type": "array", "items": schema}
    if route.many == "page":
        schema = {
            "type": "object",
            "required": ["items"],
            "properties": {
                "items": schema,
                **{
                    name: {"type": ["string", "null"]}
                    for name in ("first", "next", "previous")
                },
            },
        }
    kind = "application/octet-stream" if route.answer == "File" else "application/json"
    responses: dict[str, object] = {
        str(route.status): {
            "description": "As asked for.",
            "content": {kind: {"schema": schema}},
        },
        "default": {"description": "Refused.", "content": _json(_ref("Error"))},
    }
    return responses


def _ref(name: str) -> dict[str, object]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Mapping[str, object]) -> dict[str, object]:
    return {"application/json": {"schema": dict(schema)}}

"""What a route is: path, handler, and what is said of it to people and programs.

Owns `Route` and `Param`, and the parameters that lists share. Which routes there are is each resource's own.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from aiohttp import web

__all__ = ["LIST_PARAMS", "Handler", "Param", "Route"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Schema = Mapping[str, object]
TEXT: Final[Schema] = {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter, as OpenAPI describes one."""

    name: str
    what: str
    place: Literal["query", "header", "path"] = "query"
    schema: Schema = field(default_factory=lambda: TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path.

    Attributes:
        path: As aiohttp has it; a part that may hold slashes is ``{slug:.+}``.
        what: What it does, in a line.
        answer: The name of the schema that it answers with.
        many: Whether it answers a bare list of them (``list``) or a page (``page``).
        body: The name of the schema of its request's body.
        params: Its parameters, those of the path aside.
        status: The status when all went well.
        guarded: Whether a token is needed.
        reads: Whether it gives one run, which may be the wrong one.
    """

    method: str
    path: str
    handler: Handler
    what: str
    answer: str
    many: Literal["", "list", "page"] = ""
    body: str | None = None
    params: tuple[Param, ...] = ()
    status: int = 200
    guarded: bool = True
    reads: bool = False

    @property
    def plain_path(self) -> str:
        """The path without its patterns."""
        return self.path.replace(":.+", "")

    @property
    def tag(self) -> str:
        """The group in which people find it."""
        if not self.path.startswith("/v1/"):
            return "the sandbox's own"
        if "callback" in self.path:
            return "callbacks"
        return "batches" if "batches" in self.path else "runs"


_LIMIT: Final = Param(
    name="limit",
    what="Page size.",
    schema={"type": "integer", "minimum": 1, "maximum": 500},
)
#: What every list understands.
LIST_PARAMS: Final = (
    Param(name="q", what="Filter: field:value, field.EQ:'value', AND, OR, NOT."),
    _LIMIT,
    Param(name="sort_by", what="Order, e.g. created_at:desc; several with commas."),
    Param(name="fields", what="Which fields are shown, e.g. id,status_code."),
    Param(name="pq", what="Cursor of a page."),
    Param(
        name="from_prev",
        what="Walk back from the cursor.",
        schema={"type": "boolean", "default": False},
    ),
)

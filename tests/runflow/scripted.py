"""A scripted API that answers by path: one thing for a run, another for its callbacks.

Owns serving it for as long as a test needs it. What is answered is each test's own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.runflow.upstream import Answering, Reply

__all__ = ["Paths", "serving"]


class Paths:
    """Answers each path with what it was told, and everything else with 404."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self._replies: dict[str, Reply | Answering] = {}

    def says(self, path: str, reply: Reply | Answering) -> None:
        """From now on."""
        self._replies[path] = reply

    def gives(self, path: str, document: object) -> None:
        """From now on, with 200."""
        self.says(path, Reply(json=document))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The handler of every path."""
        self.asked.append(request.path)
        missing = {"code": "RUN_NOT_FOUND", "message": "There is none."}
        reply = self._replies.get(request.path, Reply(status=404, json=missing))
        return reply.response() if isinstance(reply, Reply) else await reply(request)


@asynccontextmanager
async def serving() -> AsyncIterator[Paths]:
    """Serves on a free port of 127.0.0.1."""
    paths = Paths()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", paths.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    paths.url = f"http://{host}:{port}"
    try:
        yield paths
    finally:
        await runner.cleanup()

"""The ceiling: a bare aiohttp server that reads a POST's body and answers 200.

Owns nothing but itself. The loop, the server class and its options are those of the relay's public
listener, and so is the way a body is read that came in one piece with its head; it verifies nothing,
parses nothing and keeps nothing. Imports nothing of the relay, so that the measure does not move with
what is measured.

``python -m bench.echo`` prints ``READY {port}`` and runs until SIGTERM.
"""

import asyncio
import signal
from typing import Final

import uvloop
from aiohttp import web

ANSWER: Final = b'{"result":"accepted"}'


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    """Read the body, say 200."""
    content = request.content
    if content.is_eof():
        content.read_nowait(-1)
    else:
        await request.read()
    return web.Response(status=200, body=ANSWER, content_type="application/json")


async def serve() -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = web.Server(answer, access_log=None, auto_decompress=False)
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"READY {runner.addresses[0][1]}", flush=True)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as main:
        main.run(serve())

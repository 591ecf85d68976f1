"""An API that takes its time: answers every run after some milliseconds, and counts who was asked for.

Owns nothing of Runflow's but the form of one answer. Imports nothing of the relay.

``python -m bench.api`` prints ``READY {port}`` and runs until SIGTERM. ``GET /calls`` gives how many
questions there were and about how many runs.
"""

import asyncio
import signal
from collections import Counter
from typing import Final

import uvloop
from aiohttp import web

DELAY_S: Final = 0.02

calls: Counter[str] = Counter()


async def answer(request: web.Request) -> web.StreamResponse:
    """How the run ended, after a while."""
    run = request.match_info["run"]
    calls[run] += 1
    loop = asyncio.get_running_loop()
    slept = loop.create_future()
    loop.call_later(DELAY_S, slept.set_result, None)
    await slept
    return web.json_response(
        {
            "id": run,
            "status_code": "succeeded",
            "created_at": "2026-03-01T11:58:00.000000Z",
            "completed_at": "2026-03-01T11:59:58.000000Z",
            "duration_ms": 118_000,
            "output": {"outputs": [{"type": "image", "url": f"https://a/{run}.png"}]},
        }
    )


async def count(_: web.Request) -> web.StreamResponse:
    """What was asked so far."""
    return web.json_response({"calls": calls.total(), "runs": len(calls)})


async def main() -> None:
    """Serve until told to end."""
    app = web.Application()
    app.router.add_get("/v1/runs/{run}", answer)
    app.router.add_get("/calls", count)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"READY {runner.addresses[0][1]}", flush=True)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())

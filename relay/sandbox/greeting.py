"""Serving until told to stop, and what is said first: how to use this sandbox.

Owns the lines for people and the object for programs. Decides nothing.
"""

from collections.abc import Callable
from typing import Final

from relay.sandbox.service import Sandbox
from relay.sandbox.wire import dump

__all__ = ["about", "greeting", "run"]

_EXAMPLE: Final = {
    "input": {},
    "client_ref": "order-1",
    "callback_url": "http://127.0.0.1:8080/callbacks/acme",
}


async def run(
    sandbox: Sandbox, *, announce: Callable[[str], None], json: bool = False
) -> None:
    """Serve until `sandbox.over` is set (or the task cancelled); say first how to use it.

    Args:
        sandbox: Not yet started.
        announce: Is given a few lines for people, one call for each.
        json: Give it one line of JSON for programs instead.

    Raises:
        OSError: The address cannot be had.
        ShelfError: The state file cannot be used.
        ExceptionGroup: A defect of the sandbox ended its runs.
    """
    async with sandbox:
        for line in (dump(about(sandbox)),) if json else greeting(sandbox):
            announce(line)
        await sandbox.over.wait()


def about(sandbox: Sandbox) -> dict[str, object]:
    """Where everything is, and the secrets, for programs."""
    return {
        "url": sandbox.url,
        "token": sandbox.token,
        "secret": sandbox.secret,
        "seed": sandbox.seed,
        "state": None if sandbox.state is None else str(sandbox.state),
        "truth": f"{sandbox.url}/sandbox/runs",
        "faults": f"{sandbox.url}/sandbox/faults",
        "settle": f"{sandbox.url}/sandbox/settle",
        "openapi": f"{sandbox.url}/openapi.json",
    }


def greeting(sandbox: Sandbox) -> tuple[str, ...]:
    """The same for people, with a first run to dispatch."""
    signing = (
        f"signed with {sandbox.secret}" if sandbox.secret else "unsigned (no secret)"
    )
    kept = "in memory: gone when this ends" if sandbox.state is None else sandbox.state
    return (
        f"A local Runflow listens on {sandbox.url}",
        f"  token      {sandbox.token}",
        f"  callbacks  {signing}",
        f"  state      {kept}",
        f"  the truth  {sandbox.url}/sandbox/runs",
        f"  faults     {sandbox.url}/sandbox/faults",
        f"  the API    {sandbox.url}/openapi.json",
        "Dispatch a run:",
        f"  curl -X POST {sandbox.url}/v1/models/runflow/tag-removal/runs \\",
        f"    -H 'Authorization: Bearer {sandbox.token}' \\",
        "    -H 'Content-Type: application/json' \\",
        f"    -d '{dump(_EXAMPLE)}'",
    )

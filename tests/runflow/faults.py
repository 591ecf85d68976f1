"""Asking what is scripted, and getting an error: what the tests of bad upstreams share."""

from typing import Any, Final

import pytest

from relay.runflow import Runflow, RunflowError
from tests.deliver.endpoint import Endpoint
from tests.runflow.upstream import client_of

__all__ = ["HEAD", "RUN", "fault_of", "fault_of_endpoint"]

RUN: Final = "019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01"
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def fault_of(client: Runflow) -> RunflowError:
    """What the client says when it asks for a run."""
    with pytest.raises(RunflowError) as caught:
        await client.runs.get(RUN)
    return caught.value


async def fault_of_endpoint(endpoint: Endpoint, **options: Any) -> RunflowError:
    """What a client says of an endpoint whose every byte is scripted, after one request."""
    async with (
        endpoint,
        client_of(f"http://127.0.0.1:{endpoint.port}", **options) as client,
    ):
        fault = await fault_of(client)
    assert len(endpoint.requests) == 1
    return fault

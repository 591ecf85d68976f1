"""Cut: how an aiokafka client is ended without waiting for anybody.

Owns all that the relay knows of aiokafka's insides: private names of the pinned 0.14, held by tests.
Must not know why a client is ended.

The public ``stop()`` and ``close()`` wait for brokers: for what is still to be sent, for the other
side's goodbye. When a broker is gone or hangs they do not come back, and what they left behind goes
on sending after they were cancelled.
"""

# ruff: noqa: SLF001 - there is no public way to end a producer; this module is the one place for it

import asyncio
import traceback
from typing import Final

from aiokafka import AIOKafkaClient, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

__all__ = ["Leash", "farewell", "hold", "sever"]

#: Cancelled tasks end within a turn or two of the loop; this is for one that does not.
_FAREWELL_S: Final = 1.0

Tasks = set[asyncio.Task[None]]


class Leash:
    """Holds a producer so that it can be stopped dead. To be put on before its start."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._requests: Tasks = set()
        self._is_cut = False
        self._track_requests()
        hold(producer.client)

    def cut(self) -> Tasks:
        """Let nothing more go out; gives the tasks that were cancelled."""
        self._is_cut = True
        tasks = set(self._requests)
        sender = self._producer._sender.sender_task
        if sender is not None:
            tasks.add(sender)
        for task in tasks:
            task.cancel()
        # Otherwise its finaliser says that it was forgotten.
        self._producer._closed = True
        return tasks | _disconnect(self._producer.client)

    def _track_requests(self) -> None:
        """Know each task that carries batches to a broker; the producer keeps them to itself.

        One that was made but had not begun must not begin: it would connect anew.
        """
        sender = self._producer._sender
        send = sender._send_produce_req

        async def tracked(node: int, batches: object) -> None:
            task = asyncio.current_task()
            if task is None or self._is_cut:
                return
            self._requests.add(task)
            try:
                await send(node, batches)
            finally:
                self._requests.discard(task)

        sender._send_produce_req = tracked


def hold(client: AIOKafkaClient) -> None:
    """Let a client that is cancelled while it looks for its cluster drop the connection by which it does.

    Nobody else knows of that one yet. To be put on before its start.
    """
    bootstrap = client.bootstrap

    async def held() -> None:
        try:
            await bootstrap()
        except asyncio.CancelledError as error:
            for frame, _ in traceback.walk_tb(error.__traceback__):
                connection = frame.f_locals.get("bootstrap_conn")
                if connection is not None:
                    _ = connection.close()
            raise

    client.bootstrap = held


def sever(admin: AIOKafkaAdminClient) -> Tasks:
    """End an admin client; gives the tasks that were cancelled."""
    return _disconnect(admin._client)


async def farewell(tasks: Tasks) -> None:
    """Wait until cancelled tasks have ended; a second at the most."""
    if tasks:
        await asyncio.wait(tasks, timeout=_FAREWELL_S)


def _disconnect(client: AIOKafkaClient) -> Tasks:
    """Drop every connection with whatever waits in it."""
    tasks = set() if client._sync_task is None else {client._sync_task}
    for connection in client._conns.values():
        if connection._read_task is not None:
            tasks.add(connection._read_task)
        if connection._writer is not None:
            connection._writer.transport.abort()
        # What it gives back to wait for is done when the aborted transport is.
        _ = connection.close()
    for task in tasks:
        task.cancel()
    return tasks

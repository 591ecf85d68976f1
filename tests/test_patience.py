"""The loop of tests counts what it was given, and not what the machine took."""

import asyncio
import time

import pytest


async def test_a_machine_that_stands_still_makes_nobody_late() -> None:
    done = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(0.1):
        time.sleep(0.2)  # noqa: ASYNC251, TID251 - the machine
        await asyncio.wait([done], timeout=0)


async def test_what_comes_one_after_the_other_does_so_after_a_standstill() -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    loop.call_later(0.02, first.set_result, None)
    loop.call_later(0.05, second.set_result, None)
    time.sleep(0.2)  # noqa: ASYNC251, TID251 - the machine
    await first
    assert not second.done()
    await second


async def test_a_limit_of_time_is_one_all_the_same() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await asyncio.get_running_loop().create_future()
    assert time.monotonic() - began >= 0.03

"""Turns: everybody who asks one API is bounded together, and left waiting together."""

import asyncio

import pytest

from relay.core.pace import HUSH_MAX_S, LIMITED_S, Pace
from relay.reconcile.turns import Turns
from relay.runflow import RateLimitedError

pytestmark = pytest.mark.timeout(30, func_only=True)


async def test_all_that_share_a_pace_take_turns() -> None:
    """Thirty turns of two askers at forty a second, after a burst of twenty."""
    pace = Pace(40, burst_s=0.5)
    one, other = Turns(pace), Turns(pace)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(who.turn() for who in [one, other] * 15))
    assert loop.time() - began >= (30 - 21) / 40


async def test_who_waits_for_a_turn_waits_on_when_the_api_wants_peace() -> None:
    pace = Pace(20, burst_s=0.0)
    one, other = Turns(pace), Turns(pace)
    loop = asyncio.get_running_loop()
    await one.turn()
    waiting = loop.create_task(one.turn())
    other.hush(0.2)
    began = loop.time()
    await waiting
    assert loop.time() - began >= 0.2


async def test_who_would_wait_long_is_told_so_instead() -> None:
    """And no wish for peace lasts for years."""
    pace = Pace(1000)
    turns = Turns(pace)
    turns.hush(1e300)
    with pytest.raises(RateLimitedError) as caught:
        await turns.turn()
    assert caught.value.retry_after == pytest.approx(HUSH_MAX_S, abs=60)


async def test_a_wish_for_peace_is_never_made_shorter() -> None:
    pace = Pace(1000)
    turns = Turns(pace)
    turns.hush(60.0)
    until = pace.quiet_until
    turns.hush(1.0)
    assert pace.quiet_until == until


async def test_an_api_that_does_not_say_for_how_long_is_left_in_peace_for_a_while() -> (
    None
):
    pace = Pace(1000)
    began = asyncio.get_running_loop().time()
    Turns(pace).hush(None)
    assert pace.quiet_until >= began + LIMITED_S

"""The upstream: callbacks as the script has them, repeated until they are answered with 2xx.

Owns the bodies, signing them, when it comes again and when it gives up, and what it was promised: each
2xx is a body that the relay has taken over. Knows nothing of what becomes of it.
"""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final

from tests.record.harness import Stumbled
from tests.simulator.history import History
from tests.simulator.loop import VirtualLoop, pause
from tests.simulator.process import KEY, Process
from tests.simulator.script import Call

__all__ = ["TRIES", "Upstream", "body_of", "digest", "run_id"]

#: Calls of one callback until the upstream gives up.
TRIES: Final = 6
_SPELLINGS: Final = {"cancelled": ("cancelled", "canceled", "Cancelled", "CANCELED")}
_NAMESPACE: Final = uuid.UUID(int=7)


def run_id(run: int) -> str:
    """The id of a run: every other one is a UUID."""
    if run % 2:
        return f"run_{run}"
    return str(uuid.uuid5(_NAMESPACE, str(run)))


def body_of(call: Call) -> bytes:
    """What a call says, byte for byte."""
    if call.shape == "odd":
        return b'{"event":"run.exploded","run_id":"%d"}' % call.run
    name = run_id(call.run)
    if call.spelling % 2 and call.run % 2 == 0:
        name = name.upper()
    words = _SPELLINGS.get(call.outcome, (call.outcome, call.outcome.upper()))
    word = words[call.spelling % len(words)]
    said: dict[str, object] = {
        "run_id": name,
        ("status", "status_code")[call.spelling // 2]: word,
        "completed_at": "2026-03-01T11:59:58Z",
        "output": {"images": [1.10]},
    }
    if call.client_ref is not None:
        said["client_ref"] = call.client_ref
    if call.shape == "partial":
        del said["completed_at"]
    if call.shape == "open":
        said["status"] = "running"
        said.pop("status_code", None)
    if call.spelling:
        said["note"] = call.spelling
    return json.dumps(said).encode()


class Upstream:
    """Calls whichever process is there."""

    def __init__(
        self,
        loop: VirtualLoop,
        dice: Random,
        history: History,
        *,
        process: Callable[[], Process | None],
        acknowledged: Callable[[bytes], None],
    ) -> None:
        """``acknowledged`` is called at the very moment of a 2xx."""
        self._loop = loop
        self._dice = dice
        self._history = history
        self._process = process
        self._acknowledged = acknowledged
        #: How often each body was answered with 2xx.
        self.taken: Counter[bytes] = Counter()
        self.busy = 0

    async def call(self, number: int, call: Call) -> None:
        """One callback, from its first call to its last."""
        self.busy += 1
        await pause(call.at)
        body = body_of(call)
        for attempt in range(TRIES):
            status = await self._once(number, call, body, attempt)
            if 200 <= status < 300 or (call.shape == "forged" and status == 401):
                break
            await pause(0.5 * 2 ** min(attempt, 2) * (1 + self._dice.random()))
        self.busy -= 1

    async def _once(self, number: int, call: Call, body: bytes, attempt: int) -> int:
        process = self._process()
        words = f"call {number}, {call.shape} {call.outcome} of run {call.run}"
        if process is None or not process.ready:
            self._history.note("upstream", f"{words}: nobody is there")
            return 0
        secret = b"" if call.shape == "forged" else body
        headers = {
            "Content-Type": "application/json",
            "Runflow-Signature": KEY.mac(secret),
        }
        await pause(self._dice.uniform(0.0005, 0.003))
        if not process.life.alive:
            return 0
        try:
            answer = await self._loop.begin(process.life, process.answer(body, headers))
        except Stumbled:
            # The listener would answer so.
            self._history.note("upstream", f"{words}: 500")
            return 500
        if answer is None:
            self._history.note("upstream", f"{words}: hung up")
            return 0
        status, told = answer
        again = f", call {attempt + 1}" if attempt else ""
        self._history.note("upstream", f"{words}{again}: {status}")
        self._judge(call, body, status, told=told)
        return status

    def _judge(self, call: Call, body: bytes, status: int, *, told: bool) -> None:
        if call.shape == "forged":
            self._history.require(
                status in (401, 429), "P8", f"a forged callback was answered {status}"
            )
            return
        self._history.require(
            status in (200, 202, 503), "P1", f"our own fault was answered {status}"
        )
        self._history.require(
            status != 503 or told, "P1", "503 without a word when to come again"
        )
        if status != 503:
            self.taken[body] += 1
            self._acknowledged(body)


def digest(body: bytes) -> bytes:
    """As receipts are found by."""
    return hashlib.sha256(body).digest()[:16]

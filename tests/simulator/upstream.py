"""The upstream: callbacks as the script has them, repeated until they are answered with 2xx.

Owns the bodies, signing them, when it comes again and when it gives up, and what it was promised: each
2xx is a body that the relay has taken over. Knows nothing of what becomes of it.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from tests.record.harness import Stumbled
from tests.simulator.history import History
from tests.simulator.layout import FIRST_SECRET, Layout, key_of
from tests.simulator.loop import VirtualLoop, pause
from tests.simulator.process import Process
from tests.simulator.story import SOURCES, Call, Course, Subject
from tests.simulator.truth import body_of

__all__ = ["TRIES", "Taken", "Upstream", "digest"]

#: A callback that is taken over: its source, and its bytes.
Taken = tuple[str, bytes]

#: Calls of one callback until the upstream gives up.
TRIES: Final = 6
#: Seconds after which the store has noticed that its disk is full, whatever its clock has done.
_NOTICED_S: Final = 3.0


class Upstream:
    """Calls whichever process is there."""

    def __init__(
        self,
        loop: VirtualLoop,
        dice: Random,
        history: History,
        courses: Mapping[Subject, Course],
        *,
        process: Callable[[], Process | None],
        acknowledged: Callable[[Taken], None],
    ) -> None:
        """``acknowledged`` is called at the very moment of a 2xx."""
        self._loop = loop
        self._dice = dice
        self._history = history
        self._courses = courses
        self._process = process
        self._acknowledged = acknowledged
        #: How often each was answered with 2xx.
        self.taken: Counter[Taken] = Counter()
        #: By source and digest: the configurations under which it was verified.
        self.heard: defaultdict[Taken, list[Layout]] = defaultdict(list)
        #: By source: the number of the secret that is signed with.
        self.secrets = dict.fromkeys(SOURCES, FIRST_SECRET)
        #: Since when the relay may take nothing in.
        self.full_since: float | None = None
        self.busy = 0
        #: Everything that is said, or will be.
        self.said: list[Call] = []

    async def call(self, number: int, call: Call) -> None:
        """One callback, from its first call to its last."""
        self.busy += 1
        self.said.append(call)
        await pause(max(0.0, call.at - self._loop.time()))
        body = self.body_of(call)
        for attempt in range(TRIES):
            status = await self._once(number, call, body, attempt)
            lasting = call.shape == "forged" or call.key != "now"
            if 200 <= status < 300 or (lasting and status == 401):
                break
            await pause(0.5 * 2 ** min(attempt, 2) * (1 + self._dice.random()))
        self.busy -= 1

    def body_of(self, call: Call) -> bytes:
        """What a call says."""
        return body_of(call, self._courses[call.subject])

    async def _once(self, number: int, call: Call, body: bytes, attempt: int) -> int:
        process = self._process()
        words = f"call {number}, {call.shape} {call.outcome} of {call.subject}"
        if process is None or not process.ready:
            self._history.note("upstream", f"{words}: nobody is there")
            return 0
        source, secret = self._signer(call)
        signed = b"" if call.shape == "forged" else body
        headers = {
            "Content-Type": "application/json",
            "Runflow-Signature": key_of(source, secret).mac(signed),
        }
        await pause(self._dice.uniform(0.0005, 0.003))
        if not process.life.alive:
            return 0
        began = self._loop.time()
        verified: list[bool] = []

        def begun(layout: Layout) -> None:
            """The relay looks at it, with this configuration."""
            right = call.shape != "forged" and call.key != "foreign"
            verified.append(right and layout.accepts(source, secret))
            if verified[0]:
                self.heard[source, digest(body)].append(layout)

        try:
            answer = await self._loop.begin(
                process.life, process.answer(call.subject.source, body, headers, begun)
            )
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
        if verified[0]:
            self._judge(call, body, status, told=told, began=began)
        else:
            self._history.require(
                status in (401, 429), "P8", f"a forged callback was answered {status}"
            )
        return status

    def _signer(self, call: Call) -> tuple[str, int]:
        """Whose secret this call is signed with, and which of them."""
        source = call.subject.source
        if call.key == "foreign":
            source = SOURCES[SOURCES.index(source) - 1]
        return source, self.secrets[source] - (call.key == "before")

    def _judge(
        self, call: Call, body: bytes, status: int, *, told: bool, began: float
    ) -> None:
        self._history.require(
            status in (200, 202, 503), "P1", f"our own fault was answered {status}"
        )
        self._history.require(
            status != 503 or told, "P1", "503 without a word when to come again"
        )
        if status == 503:
            return
        full = self.full_since
        self._history.require(
            full is None or began < full + _NOTICED_S,
            "P10",
            f"taken in at {began:.3f}, full since {full}",
        )
        taken = call.subject.source, body
        self.taken[taken] += 1
        self._acknowledged(taken)


def digest(body: bytes) -> bytes:
    """As receipts are found by."""
    return hashlib.sha256(body).digest()[:16]

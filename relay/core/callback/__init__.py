"""Callback: what a signed body says.

Owns reading the bytes: which run or batch they speak of, how it ended, which fields they carry, and
what is missing or contradicts itself. Bytes that cannot be read as a run's end are *unreadable* with
a reason: they go to quarantine, never to waste. Knows nothing of what was known before.

Field names and types: Runflow's ``concepts/callbacks`` (the run payload), ``api-reference`` (batch
payload, spelling of states). The upstream contradicts itself in places; everything that any of its
pages shows is accepted, and ``output`` and ``metadata`` stay the exact bytes that came.

``wire`` takes the bytes apart, ``reader`` says what they mean and what is wrong with them, ``reading`` is
the result.
"""

from relay.core.callback.reader import DEFAULT_REQUIRE, Field, read
from relay.core.callback.reading import Problem, Reading
from relay.core.callback.wire import DEPTH_MAX, Unreadable, UnreadableReason

__all__ = [
    "DEFAULT_REQUIRE",
    "DEPTH_MAX",
    "Field",
    "Problem",
    "Reading",
    "Unreadable",
    "UnreadableReason",
    "read",
]

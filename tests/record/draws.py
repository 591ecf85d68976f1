"""Draws: what the state machine does a thing with.

Owns the few runs, places and ways to end that everything is drawn from: few, so that they meet.
"""

from hypothesis import strategies as st

from relay.core.delivery import Delivered, Failed, Fault, Refused, Released
from tests.record.model import PLACES
from tests.record.receipts import callback, odd, partial, still_running

__all__ = ["ends", "outcomes", "places", "receipts", "runs"]

RUNS = ("run_1", "run_2", "run_3")
runs = st.sampled_from(RUNS)
places = st.sampled_from(PLACES)
ends = st.sampled_from(["succeeded", "failed"])
receipts = st.one_of(
    st.builds(callback, runs, status=ends, note=st.sampled_from(["", "again"])),
    st.builds(callback, runs, client_ref=st.sampled_from(["order-1", "order-2"])),
    st.builds(partial, runs, status=ends),
    st.builds(still_running, runs),
    st.builds(odd, st.sampled_from([b"[]", b"{}"])),
)
outcomes = st.sampled_from(
    [
        Delivered(status=200),
        Failed(reason="status_400", fault=Fault.EVENT, detail="no"),
        Refused(reason="too_large"),
        Released(),
    ]
)

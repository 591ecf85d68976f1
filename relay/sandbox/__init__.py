"""A local Runflow: runs on any model, and their callbacks, with faults by seed.

For people who develop against Runflow, and the upstream of this project's own tests and
demo. It shares nothing with the rest of the package, so that neither can hide the
other's mistakes. What it does is taken from Runflow's public documents; where they
disagree (the spelling of "cancelled", ``client_ref`` in callbacks, the output of a
failed run) it does both, by seed.

Start with `Sandbox`; `Faults` and `Retries` say how it misbehaves; `Sandbox.runs` gives
the truth to compare with. Inside: `state` (runs and their lives), `faults` (what goes
wrong), `outputs` (what runs give), `orders` (what is asked for), `callbacks` (what is
sent), `views` and `server` (what the API shows), `service` (the whole).
"""

from relay.sandbox.callbacks import Retries
from relay.sandbox.faults import Faults
from relay.sandbox.service import LOCAL_KEY, Sandbox, run
from relay.sandbox.state import Truth

__all__ = ["LOCAL_KEY", "Faults", "Retries", "Sandbox", "Truth", "run"]

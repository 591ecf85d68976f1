"""A local Runflow: its API, runs on any model, and their callbacks, with faults by seed.

For people who develop against Runflow, and the upstream of this project's own tests and demo. It shares
nothing with the rest of the package, so that neither can hide the other's mistakes. What it does is taken
from Runflow's public documents; where they disagree (the spelling of "cancelled", ``client_ref`` in
callbacks, the output of a failed run) it does both, by seed.

Start with `Sandbox`; `Faults` and `Retries` say how it misbehaves; `Sandbox.runs` gives the truth to compare
with. Inside, in the order of a run's way: `orders` (what is asked for), `faults`, `fate` and `chance` (what
goes wrong with it), `state` (runs and their moves), `book` (all of them) and `shelf` (where they are kept), `lives` (who
waits and when), `outputs` and `links` (what runs give), `callbacks` and `sender` (what is said of them),
`search` and `views` (how they are found and shown), `weather` (what goes wrong with a call) and `api` (what
answers), `truth`, `service` (the whole) and `greeting` (what it says of itself).

The modules named ``kafka`` are a local Kafka, of which the local Runflow knows nothing.
"""

from relay.sandbox.faults import GROUPS, Faults, InvalidFaultsError, choices
from relay.sandbox.greeting import run
from relay.sandbox.links import unsigned
from relay.sandbox.sender import Retries
from relay.sandbox.service import LOCAL_KEY, Sandbox
from relay.sandbox.shelf import ShelfError
from relay.sandbox.truth import BatchTruth, Truth

__all__ = [
    "GROUPS",
    "LOCAL_KEY",
    "BatchTruth",
    "Faults",
    "InvalidFaultsError",
    "Retries",
    "Sandbox",
    "ShelfError",
    "Truth",
    "choices",
    "run",
    "unsigned",
]

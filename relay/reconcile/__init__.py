"""3. Ask what is true: runs that wait are asked for, each once, until the upstream has answered.

The upstream says how a run ended; what follows from its answer, or from none, is decided in ``core``;
who waits is known to the store.
"""

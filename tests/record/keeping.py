"""For how long the tests' stores keep what."""

from relay.core.retention import Keeping

__all__ = ["DAY_S", "KEEPING"]

DAY_S = 86_400
_HALF_DAY_US = DAY_S * 500_000
#: The clock of the tests begins at noon: with half a day, what goes by its age goes with its day as well.
KEEPING = Keeping(
    payloads=61 * _HALF_DAY_US,
    attempts=181 * _HALF_DAY_US,
    dead_letters=241 * _HALF_DAY_US,
    identities=3651 * _HALF_DAY_US,
)

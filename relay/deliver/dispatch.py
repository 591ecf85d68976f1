"""Dispatch: the couriers of every destination, as the commit sees them.

Owns handing fresh parcels to the right courier. Knows nothing of senders.
"""

from collections.abc import Iterable, Mapping, Sequence

from relay.core.ports import Parcel, Room
from relay.deliver.worker import Courier

__all__ = ["Dispatch"]


class Dispatch:
    """The Handover port over a set of couriers; empty until :meth:`employ`."""

    def __init__(self) -> None:
        self._couriers: Mapping[str, Courier] = {}

    def employ(self, couriers: Sequence[Courier]) -> None:
        """Let these couriers take parcels from now on."""
        self._couriers = {courier.name: courier for courier in couriers}

    @property
    def workers(self) -> Mapping[str, Courier]:
        """The couriers, by the names that they work under."""
        return {f"deliver.{name}": courier for name, courier in self._couriers.items()}

    @property
    def degraded(self) -> Sequence[str]:
        """Destinations that are known not to work now."""
        return [name for name, courier in self._couriers.items() if courier.gate.open]

    def room(self) -> Room:
        """See :class:`relay.core.ports.Handover`."""
        return {name: courier.room for name, courier in self._couriers.items()}

    def hand(self, parcels: Sequence[Parcel], /) -> None:
        """See :class:`relay.core.ports.Handover`."""
        for parcel in parcels:
            self._couriers[parcel.destination].hand(parcel)

    def hint(self, destinations: Iterable[str], /) -> None:
        """See :class:`relay.core.ports.Handover`."""
        for name in destinations:
            courier = self._couriers.get(name)
            if courier is not None:
                courier.hint()

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
        #: Everyone ever employed, by name: a courier that was let go gives back what it is handed.
        self._last: dict[str, Courier] = {}
        #: Destinations that nothing is sent to now.
        self._held: frozenset[str] = frozenset()

    def employ(self, couriers: Sequence[Courier]) -> None:
        """Let these couriers take parcels from now on, and nobody else."""
        self._couriers = {courier.name: courier for courier in couriers}
        self._last |= self._couriers
        self.hold(self._held)

    def hold(self, destinations: Iterable[str]) -> None:
        """Send nothing to these, and to all others again."""
        self._held = frozenset(destinations)
        for name, courier in self._couriers.items():
            courier.hold(held=name in self._held)

    @property
    def degraded(self) -> Sequence[str]:
        """Destinations that are known not to work now, or that nothing is sent to."""
        return [
            name
            for name, courier in self._couriers.items()
            if courier.gate.open or name in self._held
        ]

    def room(self) -> Room:
        """See :class:`relay.core.ports.Handover`."""
        return {name: courier.room for name, courier in self._couriers.items()}

    def hand(self, parcels: Sequence[Parcel], /) -> None:
        """See :class:`relay.core.ports.Handover`."""
        for parcel in parcels:
            courier = self._couriers.get(parcel.destination)
            if courier is None:
                # Let go while the commit was under way.
                self._last[parcel.destination].hand(parcel)
            else:
                courier.hand(parcel)

    def hint(self, destinations: Iterable[str], /) -> None:
        """See :class:`relay.core.ports.Handover`."""
        for name in destinations:
            courier = self._couriers.get(name)
            if courier is not None:
                courier.hint()

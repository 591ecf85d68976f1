"""``relay sweep``: look by hand for runs whose callback never came."""

from relay.cli.sweep.verb import Help, sweep

__all__ = ["Help", "sweep"]

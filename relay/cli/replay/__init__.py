"""``relay replay``: what has ended is sent again, or what never was sent at all."""

from relay.cli.replay.verb import Help, replay

__all__ = ["Help", "replay"]

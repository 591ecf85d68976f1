"""``relay dead``: what could not be delivered, and why."""

from relay.cli.dead.verb import app

__all__ = ["app"]

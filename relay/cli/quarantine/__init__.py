"""``relay quarantine``: verified bytes that became no event."""

from relay.cli.quarantine.verb import app

__all__ = ["app"]

"""``relay destinations``: how they stand; and to pause one, have it go on, or forget it.

``verb`` are the commands, ``show`` draws on a terminal.
"""

from relay.cli.destinations.verb import app

__all__ = ["app"]

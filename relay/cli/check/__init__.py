"""``relay check``: is the configuration right, and does all that it names work?

``verb`` is the command, ``online`` has the world looked at, ``show`` draws on a terminal.
"""

from relay.cli.check.verb import check

__all__ = ["check"]

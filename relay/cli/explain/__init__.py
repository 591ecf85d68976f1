"""``relay explain``: where is my run?

``verb`` is the command, ``show`` draws on a terminal.
"""

from relay.cli.explain.verb import explain

__all__ = ["explain"]

"""Words: what is typed is text.

Owns the refusal of arguments that are not UTF-8: nothing is called so, nothing can be stored so, and nothing of
the kind can be printed. The paths of files may be any bytes. Knows no verb.

Source: PEP 383; a byte that is no UTF-8 comes to a program as a lone surrogate.
"""

import os
from itertools import pairwise
from typing import Any, Final

import typer.core

from relay.cli.leaving import WRONG, fail

__all__ = ["Words"]


#: The options of any verb whose values are paths.
PATHS: Final = ("--config", "-c", "--directory", "--state")


class Words(typer.core.TyperGroup):
    """A group of verbs that takes nothing but text."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse what is no text, before anybody reads it."""
        for before, word in pairwise(["", *args]):
            if not (_is_text(word) or _is_path(word, before)):
                shown = os.fsencode(word).decode(errors="backslashreplace")
                fail(f'relay: an argument is not UTF-8: "{shown}"', WRONG)
        return super().parse_args(ctx, args)


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_path(word: str, before: str) -> bool:
    """Whether it is what follows ``--option``, or the like of ``--option=path`` or ``-cpath``."""
    sticking = (f"{one}=" if one.startswith("--") else one for one in PATHS)
    return before in PATHS or word.startswith(tuple(sticking))

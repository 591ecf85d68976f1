"""Ids of what every sandbox has: its organisation, its person, its models and workflows.

Owns how they follow from a name, so that they are the same in every sandbox.
"""

import uuid
from typing import Final

__all__ = ["FOREIGN_ORG", "ORG", "PERSON", "fixed_id"]

_SPACE: Final = uuid.UUID("0d8d7f0e-6f0b-4b5e-9a44-5a0b8c0f7f11")


def fixed_id(name: str) -> str:
    """The id of what has this name."""
    return str(uuid.uuid5(_SPACE, name))


ORG: Final = fixed_id("organisation")
PERSON: Final = fixed_id("person")
#: An organisation that is not the caller's.
FOREIGN_ORG: Final = fixed_id("another organisation")

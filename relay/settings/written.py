"""Written: the keys of a destination as they stand in the file.

Owns telling a secret that the file only refers to (``${NAME}``, ``{file: PATH}``) from one that is
spelled out in it, which is shown to nobody. Reads the file and changes nothing.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from relay.settings.document import Data, read_document

__all__ = ["secrets_as_written"]

_REFERENCE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_SHORT_ID: Final = "default"


def secrets_as_written(path: Path, destination: str) -> Mapping[str, Data]:
    """Give what stands as each key's secret, by the key's id; None for one that is spelled out.

    To be asked of a file that has been read as a configuration before.

    Raises:
        OSError: the file cannot be read any more.
    """
    found = read_document(path.read_text(encoding="utf-8")).data.get("destinations")
    entries = found if isinstance(found, list) else []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == destination:
            return {name: _shown(secret) for name, secret in _secrets(entry)}
    return {}


def _secrets(entry: dict[str, Data]) -> list[tuple[str, Data]]:
    many = entry.get("secrets")
    keys = (
        [key for key in many if isinstance(key, dict)] if isinstance(many, list) else []
    )
    if "secret" in entry:
        keys = [{"id": _SHORT_ID, "secret": entry["secret"]}]
    return [(str(key.get("id")), key.get("secret")) for key in keys]


def _shown(secret: Data) -> Data:
    if isinstance(secret, str) and _REFERENCE.fullmatch(secret):
        return secret
    return secret if isinstance(secret, dict) else None

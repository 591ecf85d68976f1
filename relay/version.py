"""Version: what this program calls itself."""

from importlib.metadata import version
from typing import Final

__all__ = ["VERSION"]

VERSION: Final = version("runflow-relay")

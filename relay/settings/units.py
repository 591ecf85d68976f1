"""Units: times and sizes as people write them.

Owns ``5m`` and ``6MiB``: reading them, writing them, and the limits that a setting puts on them.
Knows nothing of which settings use them.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from relay.settings.forms import Form
from relay.settings.mistakes import refuse

__all__ = [
    "Bytes",
    "Duration",
    "OrOff",
    "PerSecond",
    "Span",
    "Whole",
    "size",
    "size_text",
]

_DURATION: Final = re.compile(r"([0-9]{1,15})(ms|s|m|h|d|y)")
_MILLISECONDS: Final = MappingProxyType(
    {
        "y": 31_536_000_000,
        "d": 86_400_000,
        "h": 3_600_000,
        "m": 60_000,
        "s": 1000,
        "ms": 1,
    }
)

_RATE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)/(s|m|h)")
_SECONDS: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600})

_SIZE: Final = re.compile(r"([0-9]{1,18}) ?([A-Za-z]{1,3})")
_BYTES: Final = MappingProxyType(
    {
        "TiB": 1 << 40,
        "GiB": 1 << 30,
        "MiB": 1 << 20,
        "KiB": 1 << 10,
        "TB": 10**12,
        "GB": 10**9,
        "MB": 10**6,
        "kB": 1000,
        "KB": 1000,
        "B": 1,
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, in whole milliseconds."""

    ms: int

    @classmethod
    def of(cls, text: str) -> "Duration":
        """Read ``250ms``, ``5s``, ``5m``, ``24h``, ``7d`` or ``5y`` (a year is 365 days).

        Raises:
            ValueError: The text is none of these.
        """
        found = _DURATION.fullmatch(text)
        if found is None:
            raise ValueError("not a duration")
        return cls(int(found[1]) * _MILLISECONDS[found[2]])

    @property
    def us(self) -> int:
        """Microseconds, the unit of ``relay.core``."""
        return self.ms * 1000

    @property
    def seconds(self) -> float:
        """Seconds, the unit of the event loop."""
        return self.ms / 1000

    def __str__(self) -> str:
        if not self.ms:
            return "0s"
        unit = next(unit for unit, ms in _MILLISECONDS.items() if not self.ms % ms)
        return f"{self.ms // _MILLISECONDS[unit]}{unit}"


def size(text: str) -> int:
    """Read ``512KiB``, ``6MiB``, ``1GiB`` (powers of 1024) or ``6MB`` (of 1000) as bytes.

    Raises:
        ValueError: The text is none of these.
    """
    found = _SIZE.fullmatch(text)
    if found is None or found[2] not in _BYTES:
        raise ValueError("not a size")
    return int(found[1]) * _BYTES[found[2]]


def size_text(count: int) -> str:
    """Write a number of bytes in the largest unit that holds it exactly."""
    if not count:
        return "0B"
    unit = next(unit for unit, scale in _BYTES.items() if not count % scale)
    return f"{count // _BYTES[unit]}{unit}"


class Span(Form):
    """A ``Duration`` between two others, ends included."""

    kind = "duration"

    def __init__(self, low: str, high: str) -> None:
        self.low = Duration.of(low)
        self.high = Duration.of(high)
        self.limits = f"{low} to {high}"

    def read(self, value: object) -> Duration:
        """Accept a duration's text, a bare 0, or a ``Duration`` (a default)."""
        duration = self._read(value)
        if not self.low <= duration <= self.high:
            raise refuse(f"must be {self.low} to {self.high}")
        return duration

    @staticmethod
    def _read(value: object) -> Duration:
        if isinstance(value, Duration):
            return value
        if type(value) is int and value == 0:
            return Duration(0)
        if type(value) is int:
            raise refuse("a time needs its unit", "such as 250ms, 5s, 5m, 24h or 7d")
        try:
            return Duration.of(value if isinstance(value, str) else "")
        except ValueError:
            raise refuse(
                "not a time: write a whole number and its unit",
                "such as 250ms, 5s, 5m, 24h or 7d",
            ) from None


class Bytes(Form):
    """A number of bytes between two others, ends included. The value is a plain ``int``."""

    kind = "size"

    def __init__(self, low: str, high: str) -> None:
        self.low = size(low)
        self.high = size(high)
        self.limits = f"{low} to {high}"

    def read(self, value: object) -> int:
        """Accept a size's text or a bare number of bytes."""
        if type(value) is int:
            count = value
        else:
            try:
                count = size(value if isinstance(value, str) else "")
            except ValueError:
                raise refuse(
                    "not a size: write a whole number and its unit",
                    "such as 512KiB, 6MiB, 1GiB; kB, MB and GB count by 1000",
                ) from None
        if not self.low <= count <= self.high:
            raise refuse(f"must be {self.limits}")
        return count

    @staticmethod
    def show(value: object) -> str:
        """Write a size as it would stand in the file."""
        return size_text(value) if isinstance(value, int) else str(value)


class PerSecond(Form):
    """A rate between two others, ends included. The value is a plain ``float``, a second."""

    kind = "rate"

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high
        self.limits = f"{self.show(low)} to {self.show(high)}"

    def read(self, value: object) -> float:
        """Accept ``100/s``, ``30/m`` or ``500/h``, or a ``float`` (a default)."""
        if type(value) is float:
            rate = value
        else:
            found = _RATE.fullmatch(value if isinstance(value, str) else "")
            if found is None:
                raise refuse("not a rate", "such as 100/s, 30/m or 500/h")
            rate = float(found[1]) / _SECONDS[found[2]]
        if not self.low <= rate <= self.high:
            raise refuse(f"must be {self.limits}")
        return rate

    @staticmethod
    def show(value: object) -> str:
        """Write a rate as it would stand in the file."""
        return f"{value:g}/s" if isinstance(value, float | int) else str(value)


class Whole(Form):
    """A whole number between two others, ends included."""

    kind = "whole number"

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self.limits = f"{low} to {high}"

    def read(self, value: object) -> int:
        """Accept an integer and nothing that merely looks like one."""
        if type(value) is not int:
            raise refuse("must be a whole number, without quotes")
        if not self.low <= value <= self.high:
            raise refuse(f"must be {self.limits}")
        return value


class OrOff(Form):
    """Another form, or the word ``off``, which is None."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.kind = form.kind
        self.limits = f"{form.limits}, or `off`"

    def read(self, value: object) -> object:
        """Accept ``off``, None (a default), or what the other form does."""
        if value is None or value == "off":
            return None
        return self._form.read(value)

    @classmethod
    def dump(cls, value: object) -> object:
        """Give a value as JSON has it."""
        return "off" if value is None else super().dump(value)

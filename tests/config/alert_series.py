"""What is measured, as promtool writes series: a value each minute; ``0+5x3`` is 0, 5, 10, 15; ``_`` is no sample."""

from collections.abc import Mapping

__all__ = [
    "ACME",
    "BY_JOB",
    "LINE",
    "ORDERS",
    "deliveries",
    "of",
    "outcomes",
    "seldom",
    "text",
]

LINE = {"job": "runflow-relay", "instance": "relay-0:8081"}


def text(name: str, labels: Mapping[str, str]) -> str:
    """The name of one series."""
    pairs = [f'{key}="{value}"' for key, value in {**LINE, **labels}.items()]
    return f"{name}{{{', '.join(pairs)}}}"


def of(name: str, **labels: str) -> str:
    """The name of one series of the relay's own."""
    return text(f"runflow_relay_{name}", labels)


def deliveries(**counts: str) -> dict[str, str]:
    """The ledger's line of a destination."""
    names = ("created", "delivered", "pending", "held", "dead", "discarded")
    return {
        of("deliveries", destination="orders", outcome=name): counts.get(name, "0x240")
        for name in names
    }


def outcomes(**counts: str) -> dict[str, str]:
    """The ledger's line of a source."""
    names = "receipts first duplicate stale conflict quarantined opened events waiting held collapsed closed unrouted"
    return {
        of("source_outcomes", source="acme", outcome=name): counts.get(name, "0x240")
        for name in names.split()
    }


def seldom(more: int, *, times: int, begin: int = 0) -> str:
    """A count that is larger by so many each half hour, and stays as it is between."""
    return " ".join(f"{begin + more * n}x29" for n in range(times))


BY_JOB = {"job": "runflow-relay"}
ACME = {**BY_JOB, "source": "acme"}
ORDERS = {**BY_JOB, "destination": "orders"}

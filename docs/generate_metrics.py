"""Write ``docs/metrics.md`` from the program's own table of metrics."""

from pathlib import Path

from relay.observe.metrics import DEFINITIONS

__all__ = ["page"]

HEAD = """\
# Metrics

`GET /metrics` on the operator listener, in Prometheus's text format. The list is closed; it is written by
`make docs` from the program's own table, and a test holds the two together.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{name}` | {it.kind} | {', '.join(f'`{label}`' for label in it.labels)} "
        f"| {it.help} |\n"
        for name, it in DEFINITIONS.items()
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    Path(__file__).with_name("metrics.md").write_text(page())

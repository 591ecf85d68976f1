"""Write the table of faults of docs/sandbox.md from the sandbox's own fields."""

from dataclasses import fields
from pathlib import Path

from relay.sandbox import GROUPS, Faults, choices

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).with_name("sandbox.md")
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def table() -> str:
    """The table, with a line for each group."""
    lines = ["| flag | default | what it does |", "| --- | --- | --- |"]
    for group in GROUPS:
        lines.append(f"| **{group}** | | |")
        for each in fields(Faults):
            if each.metadata["group"] != group:
                continue
            words = choices(each.name)
            said = f" {', '.join(f'`{word}`' for word in words)}." if words else ""
            default = str(each.default).lower().removesuffix(".0")
            flag = "--" + each.name.replace("_", "-")
            lines.append(f"| `{flag}` | `{default}` | {each.metadata['help']}{said} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with the table anew."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))

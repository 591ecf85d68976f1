"""Pages: what a reader finds in README and docs, block by block.

Owns finding the blocks, their language, and what is said of them above the fence: `<!-- example: NAME -->` for
one that a test takes by this name and runs, `<!-- illustration: REASON -->` for one that cannot be run. Knows
nothing of how any of them is run. What a page shows of a terminal is compared but for what differs each time.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = [
    "DOCS",
    "PAGES",
    "README",
    "ROOT",
    "Block",
    "alike",
    "blocks",
    "example",
    "examples",
]

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
README: Final = ROOT / "README.md"
PAGES: Final = [README, *sorted(ROOT.glob("C*.md")), *sorted(DOCS.glob("**/*.md"))]

_BLOCK: Final = re.compile(
    r"(?:^<!-- (?P<mark>example|illustration): (?P<said>[^\n]+?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    text: str
    name: str | None = None
    illustrates: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.language}"


def blocks(page: Path) -> list[Block]:
    """Every block of a page, from its beginning to its end."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page=str(page.relative_to(ROOT)),
            line=text.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            text=found["text"],
            name=found["said"] if found["mark"] == "example" else None,
            illustrates=found["said"] if found["mark"] == "illustration" else None,
        )
        for found in _BLOCK.finditer(text)
    ]


def example(page: str, name: str) -> str:
    """The text of the block that has this name; `page` as it stands in a link from the project's root."""
    [found] = [block.text for block in blocks(ROOT / page) if block.name == name]
    return found


def examples(page: str, language: str) -> list[str]:
    """The texts of all blocks in a language that have no name: whoever takes them takes each."""
    return [
        block.text
        for block in blocks(ROOT / page)
        if block.language == language and not block.name and not block.illustrates
    ]


def alike(text: str) -> str:
    """A text without what differs from one time to the next: numbers, ids, and how it is broken into lines."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"\d[\d:.-]*", "9", text.replace("\u2500", ""))
    return " ".join(text.split())

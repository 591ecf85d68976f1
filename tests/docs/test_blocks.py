"""Every block on every page has a language, and something that runs it or a reason why nothing does."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from relay.app.catalogs import check_match
from relay.settings import load
from tests.docs.pages import PAGES, Block, blocks

HERE = Path(__file__).parent
#: Languages that are checked here, wherever a block of theirs stands.
CHECKED = {"yaml", "json"}
#: What nothing runs, and why. What is added here is read by whoever reviews it.
ILLUSTRATIONS = {
    ("docs/design.md", "a drawing"),
    ("docs/threat-model.md", "a drawing"),
    ("docs/deploying.md", "a part of a pod; the chart's tests render whole ones"),
}
EVERY = [block for page in PAGES for block in blocks(page)]
SECRET = "whsec_b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHM="


def _taken() -> Iterator[tuple[str, str]]:
    """Page and name, or page and language, of each block that a test asks for."""
    for path in (*HERE.glob("*.py"), *(HERE.parent / "image").glob("*.py")):
        tree = ast.parse(path.read_text())
        known = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"example", "examples"}
            ):
                page, what = (
                    known.get(word.id) if isinstance(word, ast.Name) else word.value
                    for word in node.args
                    if isinstance(word, ast.Name | ast.Constant)
                )
                yield str(page), str(what)


TAKEN = set(_taken())


def test_every_fence_opens_or_closes_a_block_that_is_seen() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fences = re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)
        assert len(fences) == 2 * len(blocks(page)), page


def test_every_mark_belongs_to_a_block() -> None:
    """One that is written otherwise, or stands apart from its block, would say nothing."""
    for page in PAGES:
        marks = re.findall(r"^<!-- (?:example|ill)", page.read_text(), re.MULTILINE)
        said = [block for block in blocks(page) if block.name or block.illustrates]
        assert len(marks) == len(said), page


def _is_seen_to(block: Block) -> bool:
    if block.illustrates:
        return (block.page, block.illustrates) in ILLUSTRATIONS
    if block.name:
        return (block.page, block.name) in TAKEN
    return block.language in CHECKED or (block.page, block.language) in TAKEN


def test_every_block_is_run_or_checked_or_said_to_be_an_illustration() -> None:
    assert [str(block) for block in EVERY if not block.language] == []
    assert [str(block) for block in EVERY if not _is_seen_to(block)] == []


def test_every_name_stands_once_on_its_page() -> None:
    named = [(block.page, block.name) for block in EVERY if block.name]
    assert len(named) == len(set(named))


def test_no_reason_is_left_over() -> None:
    said = {(block.page, block.illustrates) for block in EVERY if block.illustrates}
    assert said == ILLUSTRATIONS


@pytest.mark.parametrize(
    "block",
    [b for b in EVERY if b.language == "yaml" and not b.illustrates],
    ids=str,
)
def test_every_configuration_is_one(block: Block, tmp_path: Path) -> None:
    """Whole, or with what it leaves to the reader put in: a source, destinations that routes name, files of secrets."""
    text = re.sub(r"/run/secrets\b", str(tmp_path / "secrets"), block.text)
    for path in re.findall(rf"{re.escape(str(tmp_path))}/secrets/[\w./-]+", text):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(SECRET)
    given = YAML(typ="safe").load(text)
    here = {one["name"] for one in given.get("destinations", [])}
    named = {name for route in given.get("routes", []) for name in route["to"]}
    if "sources" not in given:
        text += f"\nsources: [{{name: acme, secret: {SECRET}}}]\n"
    if "destinations" not in given:
        every = sorted(named) or ["audit"]
        rows = [f"{{name: {n}, kind: file, path: {n}.jsonl}}" for n in every]
        text += f"\ndestinations: [{', '.join(rows)}]\n"
    else:
        assert named <= here
    place = tmp_path / "relay.yaml"
    place.write_text(text)
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), SECRET)
    settings = load(place, variables, check_match=check_match)
    assert settings.destinations


@pytest.mark.parametrize("block", [b for b in EVERY if b.language == "json"], ids=str)
def test_every_document_is_json(block: Block) -> None:
    assert isinstance(json.loads(block.text), dict)

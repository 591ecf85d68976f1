"""The production configuration says what the settings are, and can be used as it stands."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from relay.app.catalogs import check_match
from relay.settings import Settings, parse, production, review
from relay.settings.production_values import EXAMPLES, LIVE, NOTES
from relay.settings.section import Section
from relay.settings.shape import is_list, sections_in, tag_of
from tests.settings.conftest import SIGNING

FILE = Path(__file__).parents[2] / "config" / "production.yaml"
NOW = datetime(2026, 5, 6, tzinfo=UTC)
#: A line that is a setting which is not set: its # stands where the setting would.
OFF = re.compile(r"^( *)#((?:- )?[a-z_]+:)")
VARIABLES = set(re.findall(r"\$\{(\w+)\}", production())) - {"NAME"}
ENVIRONMENT = dict.fromkeys(VARIABLES, SIGNING)


def _paths(section: type[Section], path: str = "") -> Iterator[str]:
    """Every setting that the models have."""
    for name, field in section.model_fields.items():
        here = f"{path}.{name}" if path else name
        yield here
        for inner in sections_in(field.annotation):
            tag = tag_of(inner)
            way = f"[{tag[1] if tag else ''}]" if is_list(field.annotation) else ""
            yield from _paths(inner, here + way)


def _written(node: object, path: str = "") -> Iterator[str]:
    """Every setting that stands in a file."""
    if isinstance(node, list) and all(isinstance(item, dict) for item in node):
        for item in node:
            tag = item.get("kind", item.get("scheme", ""))
            yield from _written(item, f"{path}[{tag}]")
    elif isinstance(node, dict) and set(node) & NAMES:
        for name, inner in node.items():
            here = f"{path}.{name}" if path else name
            yield here
            yield from _written(inner, here)


NAMES = {path.rpartition(".")[2] for path in _paths(Settings)}


def _all_set(*, but: str = "Nobody says this.") -> str:
    """The file with every setting that is off taken in, but those of which it is said ``but``."""
    return "\n".join(
        line if but in said else OFF.sub(r"\1\2", line) for line, said in _said_lines()
    )


def _said_lines() -> Iterator[tuple[str, str]]:
    """Each line, with the comment that stands above it."""
    said = ""
    for line in production().splitlines():
        if line.lstrip().startswith("# "):
            said += f" {line.lstrip()[2:]}"
        else:
            yield line, said
            said = ""


def test_the_file_is_current() -> None:
    """When it is not: ``make docs``."""
    assert production() == FILE.read_text(encoding="utf-8")


def test_every_setting_stands_in_it_exactly_once() -> None:
    # A name that stands twice in one place is refused by the reader.
    found = list(_written(YAML(typ="safe", pure=True).load(_all_set())))
    assert sorted(found) == sorted(_paths(Settings))


def test_it_can_be_used_as_it_stands_and_nothing_about_it_is_odd(
    tmp_path: Path,
) -> None:
    path = tmp_path / "production.yaml"
    text = production().replace("data_dir: /var/lib/relay", f"data_dir: {tmp_path}")
    path.write_text(text, encoding="utf-8")
    settings, doubts = review(path, ENVIRONMENT, now=NOW, check_match=check_match)
    assert doubts == ()
    assert [one.kind for one in settings.destinations] == ["http", "kafka"]
    assert settings.store.file is None


def test_what_it_leaves_off_can_be_taken_in(tmp_path: Path, chain: Path) -> None:
    """All at once, but what goes instead of something else."""
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(chain)
    text = _all_set(but=" Instead of `secrets`")
    text = re.sub(r"\n *bearer: [^\n]*", "", text)
    text = re.sub(r"/run/secrets/(?:orders|kafka)/", f"{tmp_path}/", text)
    settings = parse(text, ENVIRONMENT, file="production.yaml", check_match=check_match)
    assert [one.kind for one in settings.destinations] == ["http", "kafka", "file"]
    assert [len(source.channels) for source in settings.sources] == [2]


def _defaults_taken_in() -> tuple[str, int]:
    """The file with every line taken in that stands at its default, in sections that are there; and how many."""
    lines: list[str] = []
    off_from, count = 1000, 0
    for line, said in _said_lines():
        indent = len(line) - len(line.lstrip())
        is_below = indent > off_from
        off = OFF.match(line)
        if not is_below:
            off_from = indent if off else 1000
        stated = re.search(r"; default ([^;]+);", said)
        if off and not is_below and stated and line.endswith(f": {stated[1]}"):
            lines.append(OFF.sub(r"\1\2", line))
            count += 1
        else:
            lines.append(line)
    return "\n".join(lines) + "\n", count


def test_taking_a_line_in_that_stands_at_its_default_changes_nothing() -> None:
    text, count = _defaults_taken_in()
    assert count > 50
    assert parse(text, ENVIRONMENT, file="x") == parse(
        production(), ENVIRONMENT, file="x"
    )


@pytest.mark.parametrize("table", [LIVE, EXAMPLES, NOTES], ids=["live", "off", "said"])
def test_no_value_is_of_a_setting_that_there_is_not(table: dict[str, str]) -> None:
    paths = set(_paths(Settings))
    sections = {path.rpartition(".")[0] for path in paths}
    assert set(table) - paths - sections == set()


def test_what_is_off_is_not_also_set() -> None:
    assert set(LIVE) & set(EXAMPLES) == set()


def test_no_line_is_too_long_to_be_read() -> None:
    assert [line for line in production().splitlines() if len(line) > 120] == []


def test_every_line_that_sets_or_could_set_has_its_meaning_above() -> None:
    before = ""
    for line in production().splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        if line and not line.lstrip().startswith("# "):
            assert before.startswith(f"{indent}# "), line
        before = line

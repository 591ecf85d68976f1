"""The page about the settings says what the settings are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.settings import Settings, reference
from relay.settings.section import Section
from relay.settings.shape import sections_in

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def _sections(section: type[Section]) -> Iterator[type[Section]]:
    yield section
    for field in section.model_fields.values():
        for inner in sections_in(field.annotation):
            yield from _sections(inner)


def test_the_page_is_current() -> None:
    """When it is not: ``python docs/generate_settings.py``."""
    assert reference() == PAGE.read_text(encoding="utf-8")


def test_no_heading_stands_twice() -> None:
    headings = [line for line in reference().splitlines() if line.startswith("#")]
    assert sorted(set(headings)) == sorted(headings)


@pytest.mark.parametrize("section", sorted(set(_sections(Settings)), key=str))
def test_every_setting_has_help_and_says_whether_it_reloads(
    section: type[Section],
) -> None:
    lacking = [
        name
        for name, field in section.model_fields.items()
        if not field.description
        or not isinstance(field.json_schema_extra, dict)
        or not isinstance(field.json_schema_extra.get("reload"), bool)
    ]
    assert lacking == []
    assert section.__doc__


def test_every_row_has_all_its_columns() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("|")]
    assert {6} == {line.count("|") for line in rows}


def test_defaults_are_shown_as_they_would_be_written() -> None:
    page = reference()
    for row in (
        "| `body_bytes` | size, 1KiB to 256MiB | `6MiB` | no |",
        "| `listen` | address, IP address and port | `127.0.0.1:8080` | no |",
        "| `timeout` | duration, 100ms to 30s | `15s` | yes |",
        "| `private` | true, false or list of networks, CIDR, up to 64 | `false` | yes |",
        "| `url` | URL, http or https, no user, no fragment | *required* | yes |",
    ):
        assert row in page

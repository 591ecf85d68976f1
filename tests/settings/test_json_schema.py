"""The settings as a JSON Schema: what the relay takes passes, what it has no word for does not."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from relay.settings.json_schema import DEFINITIONS, json_schema

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft7Validator({**json_schema(), "definitions": DEFINITIONS})
SAMPLES = [
    # Beside them lie files for other programs.
    *(
        path
        for path in sorted((ROOT / "config").glob("*.yaml"))
        if "\nsources:" in path.read_text()
    ),
    Path(__file__).with_name("every-section.yaml"),
]


def _read(path: Path) -> Any:
    data = YAML(typ="safe").load(path.read_text())
    # As JSON has it: a time is a text.
    return json.loads(json.dumps(data, default=lambda moment: moment.isoformat()))


def _complaints(data: object) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(data)]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_what_a_relay_starts_with_passes(path: Path) -> None:
    assert len(SAMPLES) >= 3
    assert _complaints(_read(path)) == []


def _mappings(node: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place where settings stand; names of headers and of attributes are no settings."""
    if isinstance(node, dict):
        yield way
        for key, value in node.items():
            if key not in ("headers", "match"):
                yield from _mappings(value, (*way, key))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _mappings(item, (*way, index))


EVERY = _read(SAMPLES[-1])


@pytest.mark.parametrize("way", [*_mappings(EVERY)], ids=str)
def test_an_unknown_setting_is_refused_wherever_it_stands(way: tuple[Any, ...]) -> None:
    data = deepcopy(EVERY)
    node = data
    for step in way:
        node = node[step]
    node["unheard_of"] = 1
    assert any("unheard_of" in said for said in _complaints(data))


@pytest.mark.parametrize(
    "match,passes",
    [
        ([], True),
        ({"exact": {"type": "a"}}, True),
        ([{"not": {"any": [{"glob": {"data.status": "*"}}]}}], True),
        ({"sql": "x"}, False),
        ([{"all": []}], False),
        ({"exact": {"type": "a"}, "prefix": {"type": "a"}}, False),
        ("everything", False),
    ],
)
def test_filters_are_those_of_the_dialects(match: object, *, passes: bool) -> None:
    data = deepcopy(EVERY)
    data["routes"][0]["match"] = match
    assert (_complaints(data) == []) == passes


@pytest.mark.parametrize(
    "place,value",
    [
        (("limits", "headers"), 15),
        (("limits", "headers"), "64"),
        (("limits", "ack_timeout"), 4),
        (("limits", "ack_timeout"), "4 seconds"),
        (("limits", "body_bytes"), "6 megabytes"),
        (("log", "level"), "loud"),
        (("sources", 0, "name"), "Acme"),
        (("sources", 0, "secrets", 0, "secret"), ""),
        (("sources", 0, "secrets", 0, "secret"), {"path": "x"}),
        (("destinations", 0, "kind"), "rabbitmq"),
        (("destinations", 0, "url"), "orders.example.com"),
        (("destinations", 0, "rate"), "100"),
        (("destinations", 0, "disable_after"), False),
        (("destinations", 0, "private"), ["somewhere"]),
        (("routes", 0, "to"), []),
        (("sources",), []),
    ],
    ids=str,
)
def test_a_value_of_another_form_is_refused(
    place: tuple[Any, ...], value: object
) -> None:
    data = deepcopy(EVERY)
    node = data
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    assert _complaints(data)

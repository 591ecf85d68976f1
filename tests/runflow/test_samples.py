"""The examples of Runflow's pages: each parses, every field of it arrives, and none as an extra."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from relay.runflow import Answer, models
from relay.runflow.models.base import Record
from relay.runflow.paging import page_of

SAMPLES = sorted((Path(__file__).parents[1] / "samples" / "upstream").glob("*.json"))
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)")
assert SAMPLES


def _sample(path: Path) -> tuple[list[Record], list[object]]:
    """What the sample says, read as its models, and as it stands."""
    sample = json.loads(path.read_text(encoding="utf-8"))
    example = sample["example"]
    kind: type[Record] = getattr(models, sample["kind"])
    body = json.dumps(example).encode()
    answer = Answer(request="GET /sample", status=200, headers={}, body=body)
    if sample.get("page"):
        return list(page_of(answer, kind).items), example["items"]
    if sample.get("array"):
        return list(answer.parse(tuple[kind, ...])), example  # type: ignore[valid-type]
    return [answer.parse(kind)], [example]


def _plain(value: object) -> object:
    """With moments as moments, however many digits they are written with."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, str) and MOMENT.fullmatch(value):
        return datetime.fromisoformat(value)
    return value


def _dump(record: Record) -> object:
    dumped = record.model_dump(mode="json", exclude_unset=True)
    if isinstance(record, models.CallbackSecret) and record.plain_secret:
        dumped["plain_secret"] = record.plain_secret
    return _plain(dumped)


def _extras(value: object) -> list[str]:
    """Every field that arrived without being documented in a model."""
    if isinstance(value, tuple):
        return [name for item in value for name in _extras(item)]
    if not isinstance(value, Record):
        return []
    found = list(value.model_extra or ())
    for name in type(value).model_fields:
        found += [f"{name}.{inner}" for inner in _extras(getattr(value, name))]
    return found


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
class TestEachSample:
    def test_names_the_page_that_it_was_typed_from(self, path: Path) -> None:
        assert json.loads(path.read_text())["source"]

    def test_arrives_with_every_field(self, path: Path) -> None:
        records, examples = _sample(path)
        assert [_dump(record) for record in records] == _plain(examples)

    def test_has_no_field_that_its_model_does_not_know(self, path: Path) -> None:
        records, _ = _sample(path)
        assert _extras(tuple(records)) == []


def test_every_field_that_is_modelled_stands_in_some_sample() -> None:
    """Nothing is modelled that no page shows; what is not in an example is named here."""
    shown: set[tuple[str, str]] = set()

    def walk(value: object) -> None:
        if isinstance(value, tuple):
            for item in value:
                walk(item)
        elif isinstance(value, Record):
            for name in value.model_fields_set:
                shown.add((type(value).__name__, name))
                walk(getattr(value, name))

    for path in SAMPLES:
        walk(tuple(_sample(path)[0]))
    modelled = {
        (name, field)
        for name in models.__all__
        if isinstance(kind := getattr(models, name), type) and issubclass(kind, Record)
        for field in kind.model_fields
    }
    said_in_prose = {("CallbackPayload", "client_ref")}
    only_where_a_run_is_patched = {("LoggedRun", "flow")}
    assert modelled - shown == said_in_prose | only_where_a_run_is_patched

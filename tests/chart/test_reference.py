"""What is written beside the values is written from them."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from relay.settings import Settings
from relay.settings.json_schema import DEFINITIONS, json_schema
from relay.settings.secret import Secret
from relay.settings.section import Section
from relay.settings.shape import sections_in
from tests.chart.helm import CHART, ROOT, Helm

GENERATOR = runpy.run_path(str(ROOT / "docs" / "generate_chart.py"))


def test_the_schema_is_of_these_values_and_settings() -> None:
    """`make docs` writes it anew."""
    assert (CHART / "values.schema.json").read_text() == GENERATOR["schema_text"]()


def test_the_table_of_the_readme_is_of_these_values() -> None:
    """`make docs` writes it anew."""
    assert (CHART / "README.md").read_text() == GENERATOR["readme"]()


def test_the_alerts_are_those_of_now() -> None:
    """`make docs` writes them anew."""
    generator = runpy.run_path(str(ROOT / "docs" / "generate_alerts.py"))
    assert (CHART / "alerts.yaml").read_text() == generator["alerts"]()


def test_every_value_is_told_of() -> None:
    told = set(GENERATOR["comments"]())
    leaves = set(_leaves(GENERATOR["values"]()))
    assert {leaf for leaf in leaves if not _is_told(leaf, told)} == set()


def test_every_value_is_used() -> None:
    """One that no template reads would be a promise that nobody keeps."""
    files = (CHART / "templates").iterdir()
    text = "\n".join(path.read_text() for path in files)
    steps = {step for leaf in _leaves(GENERATOR["values"]()) for step in _read(leaf)}
    assert {s for s in steps if not re.search(rf"\.{s}\b", text)} == set()


def _read(leaf: str) -> list[str]:
    """What a template must name of a place; parts of Kubernetes' and the relay's own words go through whole."""
    whole = {"config", "resources", "securityContext", "podSecurityContext", "probes"}
    steps = leaf.split(".")
    return steps[:1] if steps[0] in whole else steps


def _leaves(node: object, way: str = "") -> Iterator[str]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{way}.{name}".lstrip("."))
    else:
        yield way


def _is_told(leaf: str, told: set[str]) -> bool:
    """By itself, or by what it is a part of."""
    steps = leaf.split(".")
    return any(".".join(steps[:n]) in told for n in range(2, len(steps) + 1)) or (
        leaf in told or (steps[0] in told and steps[0] != "config")
    )


def test_every_object_of_the_schema_is_closed() -> None:
    """What nobody knows is a mistake of whoever wrote it, everywhere; mappings of names say what their values are."""
    schema = GENERATOR["schema"]()
    Draft7Validator.check_schema(schema)
    assert [*_open(schema, "")] == ["/properties/global"]


def _open(node: Any, place: str) -> Iterator[str]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _open(item, f"{place}/{index}")
    if not isinstance(node, dict):
        return
    # One of several sections by its word: each of them is closed.
    chosen = any("then" in one for one in node.get("allOf", ()))
    is_open = node.get("type") == "object" and "additionalProperties" not in node
    if is_open and not chosen:
        yield place
    for key, value in node.items():
        if key not in ("enum", "required", "default", "const"):
            yield from _open(value, f"{place}/{key}")


def test_every_pattern_is_one_that_go_reads_too() -> None:
    """Helm is written in Go, whose expressions know no looking ahead."""
    patterns = [*_patterns(json_schema()), *_patterns(DEFINITIONS)]
    assert patterns
    assert [p for p in patterns if re.search(r"\(\?[=!<]|\\[ZAz]", p)] == []


def _patterns(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            yield from _patterns(value)
    elif isinstance(node, list):
        for item in node:
            yield from _patterns(item)


def test_the_chart_lifts_every_setting_that_holds_a_secret() -> None:
    """A word that is missing there would leave a secret in a ConfigMap."""
    text = (CHART / "templates" / "_config.tpl").read_text()
    [words] = re.findall(r'define "relay.secretWords" -}}\n(.*)\n', text)
    assert {*words.split(), "headers"} == {*_secrets(Settings)}


def _secrets(section: type[Section]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner = sections_in(field.annotation)
        if not inner and _holds_secret(field.annotation):
            yield name
        for one in inner:
            yield from _secrets(one)


def _holds_secret(annotation: object) -> bool:
    if annotation is Secret:
        return True
    parts = getattr(annotation, "__args__", ())
    return any(_holds_secret(part) for part in parts)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_what_restarts_pods_is_what_a_relay_does_not_take_over(name: str) -> None:
    """The checksum is of all but these three, which are reloaded whole."""
    field = Settings.model_fields[name]
    reloads = {*_reloads(Settings, name)}
    assert reloads == {name in ("sources", "destinations", "routes")}
    assert field.json_schema_extra is not None


def _reloads(section: type[Section], name: str) -> Iterator[bool]:
    field = section.model_fields[name]
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    inner = sections_in(field.annotation)
    if not inner:
        yield bool(extra["reload"])
    for one in inner:
        for below in one.model_fields:
            yield from _reloads(one, below)


def test_the_version_is_that_of_the_program() -> None:
    chart = (CHART / "Chart.yaml").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    [version] = re.findall(r'^version = "(.*)"$', project, re.MULTILINE)
    assert f'appVersion: "{version}"' in chart


def _blocks() -> list[str]:
    page = (CHART / "README.md").read_text()
    return re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


@pytest.mark.process
def test_every_sample_of_the_readme_is_good(tmp_path: Path) -> None:
    """Each by itself, over the smallest values."""
    values = [text for text in _blocks() if "apiVersion" not in text]
    assert len(values) == 3
    for text in values:
        (tmp_path / "values.yaml").write_text(text)
        smallest = CHART / "ci" / "smallest-values.yaml"
        assert Helm(4).render(smallest, tmp_path / "values.yaml")


def test_what_the_readme_keeps_outside_is_what_its_configuration_looks_for() -> None:
    [outside] = [text for text in _blocks() if "apiVersion" in text]
    kept = {
        f"/run/secrets/relay/{key}"
        for key in re.findall(r"secretKey: ([\w-]+)", outside)
    }
    [values] = [text for text in _blocks() if "existing" in text]
    assert kept == set(re.findall(r"/run/secrets/relay/[\w-]+", values))
    [name] = re.findall(r"existing: \[(.*)\]", values)
    assert f"target: {{name: {name}}}" in outside


def test_every_link_of_the_readme_leads_somewhere() -> None:
    page = CHART / "README.md"
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert links
    assert [link for link in links if not Path(page.parent / link).exists()] == []

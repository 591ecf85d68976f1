"""The pages say what is: links lead somewhere, commands and flags exist, examples are built, words are explained."""

import functools
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
import typer

from relay.app.catalogs import check_match
from relay.app.service import stop_budget_s
from relay.cli.main import app
from relay.core.callback import Reading, read
from relay.core.event import Facts, build
from relay.core.ledger import DESTINATION_COUNTERS, SOURCE_COUNTERS
from relay.events import Event
from relay.settings import Settings, load
from tests.docs.pages import DOCS, PAGES, ROOT, blocks, examples

SECRET = "whsec_b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHM="

LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:^|[`/\s])relay ([a-z]+)([^\n`#]*)", re.MULTILINE)
COMMENT = re.compile(r"\s#.*$", re.MULTILINE)
FLAG = re.compile(r"(?<![\w-])(--[a-z-]+)")


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _anchors(page: Path) -> set[str]:
    """The names that headings can be linked by, as forges make them."""
    prose = BLOCK.sub("", _text(page))
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def _settings(text: str, directory: Path, **environment: str) -> Settings:
    path = directory / "relay.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, environment, check_match=check_match)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    lost = []
    for path, anchor in LINK.findall(BLOCK.sub("", _text(page))):
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (anchor and anchor not in _anchors(target)):
            lost.append(f"{path}#{anchor}")
    assert lost == []


def _options(command: object) -> set[str]:
    """What may follow a verb, and the verbs below it."""
    below = getattr(command, "commands", {}).values()
    own = getattr(command, "params", [])
    found = {option for parameter in own for option in parameter.opts}
    return found.union(*(_options(one) for one in below))


@functools.cache
def _verbs() -> dict[str, set[str]]:
    """Every verb, with what may follow it."""
    group = typer.main.get_group(app)
    return {verb: _options(command) for verb, command in group.commands.items()}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_verb_and_flag_exists(page: Path) -> None:
    verbs = _verbs()
    unknown = []
    for code in CODE.findall(_text(page)):
        for verb, rest in COMMAND.findall(COMMENT.sub("", code)):
            if verb not in verbs:
                unknown.append(f"relay {verb}")
                continue
            flags = FLAG.findall(rest)
            unknown += [f"{verb} {f}" for f in flags if f not in verbs[verb]]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", _text(ROOT / "Makefile"), re.MULTILINE))
    named = {
        target
        for code in CODE.findall(_text(page))
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", code, re.MULTILINE)
    }
    assert named <= targets


def test_the_local_configuration_is_what_the_walk_through_says(tmp_path: Path) -> None:
    local = _text(ROOT / "config" / "local.yaml")
    settings = _settings(local, tmp_path)
    kinds = {d.name: d.kind for d in settings.destinations}
    assert kinds == {"audit": "file", "hook": "http"}
    [secret] = set(re.findall(r"whsec_[A-Za-z0-9+/=]{20,}", local))
    assert f'"{secret}"' in _text(DOCS / "receiver.py")


def test_the_sample_for_deploying_stops_within_the_grace_it_names(
    tmp_path: Path,
) -> None:
    page = DOCS / "deploying.md"
    sample = next(b.text for b in blocks(page) if b.language == "yaml")
    sample = sample.replace("/run/secrets", str(tmp_path))
    for name in ("runflow", "orders"):
        (tmp_path / name).write_text(SECRET)
    settings = _settings(sample, tmp_path)
    budget = stop_budget_s(settings)
    least = stop_budget_s(settings) - settings.public.drain_delay.seconds
    text = _text(page)
    assert f"{least:.0f} s by default and {budget:.0f} s above" in text
    graces = re.findall(
        r"(?:terminationGracePeriodSeconds: |TimeoutStopSec=|--stop-timeout )(\d+)",
        text,
    )
    assert graces
    assert min(int(grace) for grace in graces) > budget


#: The second has its failure in both places, either of which is enough.
CALLBACKS = [
    rb"""
    {"event":"run.completed","run_id":"019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01","status":"succeeded","output":
    {"outputs":[{"url":"https://assets.runflow.example/019a8c3e/0.png?X-Amz-Date=20260506T100142Z&X-Amz-Expires=86400",
    "type":"image"}],"seed":42,"timing":{"total":1.10}},"duration_ms":102345,"created_at":
    "2026-05-06T10:00:00.000+00:00","completed_at":"2026-05-06T10:01:42.345+00:00","metadata":{"order":"A-1001"}}""",
    rb"""
    {"event":"run.failed","run_id":"019a8c3e-7d22-7a05-b1c9-0f4e2d6a8b02","status":"failed","output":
    {"code":"INPUT_VALIDATION_FAILED","message":"The input image could not be read.","errors":null},
    "duration_ms":812,"created_at":"2026-05-06T10:00:00.000+00:00","completed_at":"2026-05-06T10:00:00.812+00:00",
    "metadata":null,"failure_code":"INPUT_VALIDATION_FAILED","failure_message":"The input image could not be read."}""",
]


@pytest.mark.parametrize("number", range(len(CALLBACKS)))
def test_the_examples_for_consumers_are_what_the_builder_builds(number: int) -> None:
    shown = examples("docs/consuming.md", "json")[number]
    reading = read(CALLBACKS[number], source="acme")
    assert isinstance(reading, Reading)
    assert reading.outcome is not None
    facts = Facts(
        key=reading.key,
        outcome=reading.outcome,
        revision=1,
        origin="callback",
        confirmed=True,
        received_at=0,
        client_ref=reading.client_ref,
        reading=reading,
    )
    built = json.loads(build(facts).structured, parse_float=Decimal)
    assert json.loads(shown, parse_float=Decimal) == built
    assert [*json.loads(shown)["data"]] == [*built["data"]]
    Event.model_validate_json(shown)


def test_every_word_of_the_ledger_is_explained() -> None:
    page = _text(DOCS / "ledger.md")
    words = {*SOURCE_COUNTERS, *DESTINATION_COUNTERS}
    assert {word for word in words if f"`{word}`" not in page} == set()


def test_log_lines_that_are_named_are_said() -> None:
    source = "\n".join(_text(path) for path in sorted((ROOT / "relay").rglob("*.py")))
    named = re.findall(
        r"`((?:callbacks?|delivery|destination|relay|worker)\.[a-z]+)`",
        _text(DOCS / "troubleshooting.md") + _text(DOCS / "by-hand.md"),
    )
    assert named
    assert [name for name in named if f'"{name}"' not in source] == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=_name)
def test_every_page_is_in_the_index_and_can_be_reached_from_the_readme(
    page: Path,
) -> None:
    here = f"]({page.name})" in _text(DOCS / "README.md")
    there = f"](docs/{page.name})" in _text(ROOT / "README.md")
    assert page.name == "README.md" or (here and there)

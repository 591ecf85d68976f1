"""What the environment adds: ``${NAME}`` in texts, ``RELAY__SECTION__KEY`` over the file."""

from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.settings import ConfigError, Settings, parse
from relay.settings.document import read_document
from relay.settings.environment import fill

SMALLEST = """\
sources: [{name: acme, secret: long enough}]
destinations: [{name: audit, kind: file, path: events.jsonl}]
"""


class Faults(Protocol):
    def __call__(
        self, text: str, environ: dict[str, str] = ..., /
    ) -> list[tuple[int | None, str, str]]: ...


def _with(**environ: str) -> Settings:
    return parse(SMALLEST, environ, file="relay.yaml")


def _filled(text: str, environ: dict[str, str]) -> object:
    document = read_document("a: '" + text.replace("'", "''") + "'\n")
    fill(document, environ)
    return None if document.mistakes else document.data["a"]


@pytest.mark.parametrize(
    "text,expected",
    [
        ("${A}", "x"),
        ("${A}${A}-${B_1}", "xx-y"),
        ("$${A}", "${A}"),
        ("$$${A}", "$x"),
        ("pa$word$", "pa$word$"),
        ("$A", "$A"),
        ("${NUMBER}", "5"),
        ("${NESTED}", "${A}"),
        ("${EMPTY}", ""),
        ("${UNSET}", None),
        ("${", None),
        ("${A", None),
        ("${}", None),
        ("${A-b}", None),
        ("${A:-b}", None),
        ("${1A}", None),
    ],
)
def test_a_reference_becomes_its_variables_text(
    text: str, expected: str | None
) -> None:
    environ = {"A": "x", "B_1": "y", "NUMBER": "5", "NESTED": "${A}", "EMPTY": ""}
    assert expected == _filled(text, environ)


@given(
    st.text(
        st.characters(
            exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff"
        )
    )
)
def test_a_doubled_dollar_always_gives_back_the_text(text: str) -> None:
    assert text == _filled(text.replace("$", "$$"), {})


def test_keys_are_left_alone() -> None:
    document = read_document("${A}: ['${A}', {b: '${A}'}]\n")
    fill(document, {"A": "x"})
    assert document.data == {"${A}": ["x", {"b": "x"}]}


def test_what_is_filled_in_stays_text(faults: Faults) -> None:
    text = SMALLEST + "limits:\n  headers: ${N}\n"
    assert faults(text, {"N": "64"}) == [
        (4, "limits.headers", "must be a whole number, without quotes")
    ]


def test_an_unset_variable_is_one_mistake_that_names_it(faults: Faults) -> None:
    text = SMALLEST.replace("long enough", '"${CALLBACK_SECRET}"')
    assert faults(text) == [
        (1, "sources[0].secret", "the environment variable CALLBACK_SECRET is not set")
    ]


def test_a_variable_lies_over_the_file() -> None:
    text = SMALLEST + "limits: {headers: 64}\nlog: {level: debug}\n"
    settings = parse(
        text,
        {
            "RELAY__LIMITS__HEADERS": "99",
            "RELAY__LOG__FORMAT": "json",
            "RELAY__DATA_DIR": "/srv",
            "RELAY__PUBLIC__LISTEN": "[::1]:9",
            "RELAY__PUBLIC__URL": "https://a.example/${x}",
            "RELAY__LIMITS__ACK_TIMEOUT": "2s",
        },
        file="relay.yaml",
    )
    assert (settings.limits.headers, settings.limits.ack_timeout.seconds) == (99, 2.0)
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert (Path("/srv"), "[::1]:9") == (settings.data_dir, str(settings.public.listen))
    assert settings.public.url == "https://a.example/${x}"


def test_data_dir_from_the_environment_anchors_secret_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("long enough too")
    text = SMALLEST.replace("long enough", "{file: secret}")
    settings = parse(text, {"RELAY__DATA_DIR": str(tmp_path)}, file="relay.yaml")
    assert settings.sources[0].keys[0].secret.reveal() == "long enough too"


@pytest.mark.parametrize(
    "variable,value,expected",
    [
        (
            "RELAY__LIMTS__HEADERS",
            "5",
            "limts.headers: unknown setting (did you mean RELAY__LIMITS__HEADERS?)",
        ),
        (
            "RELAY__LIMITS__HEADRS",
            "5",
            "limits.headrs: unknown setting (did you mean RELAY__LIMITS__HEADERS?)",
        ),
        ("RELAY__API__TOKEN", "x", "api.token: unknown setting"),
        (
            "RELAY__limits__headers",
            "5",
            "limits.headers: unknown setting (did you mean RELAY__LIMITS__HEADERS?)",
        ),
        ("RELAY__", "5", "unknown setting"),
        ("RELAY__LIMITS____HEADERS", "5", "limits.: unknown setting"),
        ("RELAY__LIMITS", "5", "limits: is a section: set its keys one by one"),
        (
            "RELAY__LOG__LEVEL__X",
            "5",
            "log.level.x: unknown setting (`log.level` has no keys)",
        ),
        (
            "RELAY__SOURCES",
            "x",
            "sources: a list cannot be set from the environment (use ${NAME} in it)",
        ),
        (
            "RELAY__SOURCES__0__NAME",
            "x",
            "sources.0.name: a list cannot be set from the environment (use ${NAME} in it)",
        ),
        (
            "RELAY__PUBLIC__TRUSTED_PROXIES",
            "x",
            "public.trusted_proxies: a list cannot be set from the environment (use ${NAME} in it)",
        ),
        (
            "RELAY__LIMITS__HEADERS",
            "many",
            "limits.headers: must be a whole number, without quotes",
        ),
        (
            "RELAY__LIMITS__HEADERS",
            "",
            "limits.headers: has no value: give it one, or leave it out",
        ),
        (
            "RELAY__LOG__LEVEL",
            "loud",
            "log.level: unknown level: use debug, info, warning or error",
        ),
    ],
)
def test_a_variable_that_cannot_be_used_is_a_mistake_under_its_name(
    variable: str, value: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        _with(**{variable: value})
    shown = str(caught.value)
    assert len(shown.splitlines()) == 1
    assert shown.startswith(f"{variable}: ")
    assert expected.split(":", 1)[0] in shown
    assert expected.rsplit(": ", 1)[-1] in shown


@pytest.mark.parametrize(
    "variable",
    [
        "RELAY_CONFIG",
        "RELAY_TOKEN",
        "RELAY_PORT",
        "RELAY_PORT_8080_TCP",
        "RELAY",
        "XRELAY__LOG__LEVEL",
    ],
)
def test_other_variables_are_none_of_our_business(variable: str) -> None:
    assert _with() == _with(**{variable: "tcp://10.0.0.1:8080"})


def test_a_variable_does_not_mend_a_section_that_is_no_section(faults: Faults) -> None:
    assert faults(SMALLEST + "log: 5\n", {"RELAY__LOG__LEVEL": "info"}) == [
        (3, "log", "must be a mapping of settings")
    ]


def test_mistakes_of_the_environment_stand_after_those_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(SMALLEST + "x: 1\n", {"RELAY__A": "1"}, file="relay.yaml")
    assert str(caught.value).splitlines() == [
        "relay.yaml:3: x: unknown setting",
        "RELAY__A: a: unknown setting",
    ]


def test_the_process_environment_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RELAY__LOG__LEVEL", "debug")
    assert _with().log.level == "info"

"""Every kind of mistake is found, at its line, in words that say what to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from relay.core.errors import MisconfiguredError
from relay.settings import ConfigError, Mistake, load, parse, render
from relay.settings.mistakes import Where

SIGNING = "whsec_" + "A" * 44
REQUIRED = "required, and missing"


class Faults(Protocol):
    def __call__(
        self, text: str, environ: dict[str, str] = ..., /
    ) -> list[tuple[int | None, str, str]]: ...


def _cases() -> Iterator[tuple[str, str]]:
    """Give every configuration of ``mistakes.txt``, and what it holds."""
    text = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8")
    for block in text.replace("SIGNING", SIGNING).split("\n\n"):
        config, _, expected = block.partition("\n> ")
        if expected:
            yield config, expected.strip()


@pytest.mark.parametrize(
    "number,config,expected",
    [(number, *case) for number, case in enumerate(_cases(), start=1)],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_a_mistake_is_found_alone_at_its_line(
    faults_in: Faults, number: int, config: str, expected: str
) -> None:
    found = [f"{line}: {path}: {words}" for line, path, words in faults_in(config)]
    assert [expected] == found, f"block {number} of mistakes.txt"


def test_the_file_of_mistakes_is_read_whole() -> None:
    text = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8")
    assert text.count("\n> ") == len(list(_cases()))


def test_a_file_without_anything_useful_says_what_is_missing(faults: Faults) -> None:
    assert faults("log: {level: info}") == [
        (1, "destinations", REQUIRED),
        (1, "sources", REQUIRED),
    ]


def test_a_name_that_is_no_text_is_a_mistake_like_any_other(faults: Faults) -> None:
    text = "sources: [{name: a, secret: long enough}]\ndestinations:\n- {name: %s, kind: file, path: a}"
    for name in ("{}", "[]"):
        [(line, path, _)] = faults(text % name)
        assert (line, path) == (3, "destinations[0].name")


def test_all_mistakes_are_reported_at_once_in_the_order_of_their_lines(
    faults: Faults,
) -> None:
    text = """\
store: postgresql://db
limits:
  headers: 1
  headers: 2
  sise: 5
sources:
  - name: acme
    secret: ${UNSET}
  - name: acme
    secret: short
    channels: [{name: callback, scheme: runflow, secret: long enough}]
destinations:
  - {name: lake, kind: rabbitmq}
  - {name: audit, kind: file, path: a, ratate: {}}
routes:
  - {name: r, match: [], to: [orders]}
  - {name: R, match: 5, to: [audit]}
"""
    assert [(line, path) for line, path, _ in faults(text)] == [
        (1, "store"),
        (3, "limits.headers"),
        (4, "limits.headers"),
        (5, "limits.sise"),
        (8, "sources[0].secret"),
        (9, "sources[1].name"),
        (10, "sources[1].secret"),
        (11, "sources[1].channels[0].name"),
        (13, "destinations[0].kind"),
        (14, "destinations[1].ratate"),
        (16, "routes[0].to[0]"),
        (17, "routes[1].match"),
        (17, "routes[1].name"),
    ]


def test_a_filter_is_judged_by_whoever_knows_filters() -> None:
    text = """\
sources: [{name: acme, secret: long enough}]
destinations: [{name: audit, kind: file, path: a}]
routes:
  - {name: a, match: [], to: [audit]}
  - name: b
    match: {exakt: {type: x}}
    to: [audit]
"""
    asked: list[object] = []

    def check_match(match: object) -> tuple[Where, str] | None:
        asked.append(match)
        return (("exakt", "type"), "unknown dialect") if match else None

    with pytest.raises(ConfigError) as caught:
        parse(text, {}, file="relay.yaml", check_match=check_match)
    assert str(caught.value) == (
        "relay.yaml:6: routes[1].match.exakt.type: unknown dialect"
    )
    assert asked == [[], {"exakt": {"type": "x"}}]


def test_a_mistake_reads_as_one_line() -> None:
    mistake = Mistake(
        path="destinations[1].url", line=12, message="not a URL", hint="x"
    )
    assert (
        render(mistake, "relay.yaml")
        == "relay.yaml:12: destinations[1].url: not a URL (x)"
    )


def test_a_key_cannot_break_the_line_it_is_reported_on(faults_in: Faults) -> None:
    found = faults_in('"a\\nb\\u202e": 1')
    assert found == [(1, "'a\\nb\\u202e'", "unknown setting")]


def test_the_error_is_one_of_misconfiguration_and_lists_every_mistake() -> None:
    with pytest.raises(MisconfiguredError) as caught:
        parse("a: 1\nb: 2\n", {}, file="etc/relay.yaml")
    assert [
        "etc/relay.yaml:1: a: unknown setting",
        f"etc/relay.yaml:1: destinations: {REQUIRED}",
        f"etc/relay.yaml:1: sources: {REQUIRED}",
        "etc/relay.yaml:2: b: unknown setting",
    ] == str(caught.value).splitlines()


@pytest.mark.parametrize(
    "content,expected",
    [
        (None, "{path}: there is no such file"),
        (b"a: 1\n# \xff\n", "{path}:2: is not UTF-8"),
        (b"#" * (1 << 20) + b"\n", "{path}: is larger than 1048576 bytes"),
        (b"- a\n", "{path}:1: the file must be a mapping of settings"),
        (
            b"a: 1\nb: [\n",
            "{path}:3: not valid YAML: expected the node content, but found '<stream end>'",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_a_mistake(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "relay.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value).startswith(expected.format(path=path))
    assert len(caught.value.mistakes) == 1


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})

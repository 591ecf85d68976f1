"""The file as YAML 1.2: what its scalars mean, where things stand, what is not YAML."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.settings.document import (
    DEPTH_MAX,
    UnreadableError,
    plain,
    read_document,
)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("off", "off"),
        ("yes", "yes"),
        ("12:30:00", "12:30:00"),
        ("2026-12-31", "2026-12-31"),
        ("1_000", "1_000"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("٣", "٣"),
    ],
)
def test_an_unquoted_scalar_means_what_yaml_1_2_says(
    text: str, expected: object
) -> None:
    found = plain(text)
    assert (expected, type(expected)) == (found, type(found))


def test_quotes_and_the_str_tag_make_text() -> None:
    data = read_document("a: '5'\nb: \"true\"\nc: !!str 5\nd: |\n  5\n").data
    assert data == {"a": "5", "b": "true", "c": "5", "d": "5\n"}


def test_a_yaml_1_1_directive_changes_nothing() -> None:
    assert read_document("%YAML 1.1\n---\na: off\n").data == {"a": "off"}


def test_every_key_and_item_keeps_its_line() -> None:
    document = read_document(
        "# one\na:\n  - b: 1\n    c: 2\n  -\n    b: 3\nd: {e: [1,\n 2]}"
    )
    assert document.lines == {
        (): 2,
        ("a",): 2,
        ("a", 0): 3,
        ("a", 0, "b"): 3,
        ("a", 0, "c"): 4,
        ("a", 1): 6,
        ("a", 1, "b"): 6,
        ("d",): 7,
        ("d", "e"): 7,
        ("d", "e", 0): 7,
        ("d", "e", 1): 8,
    }


def test_a_place_that_is_not_there_has_the_line_of_what_is_around_it() -> None:
    document = read_document("a: 1\nb:\n  - c: 1\n")
    assert (
        document.line(("b", 0, "x", "y")),
        document.line(("b", 7)),
        document.line(("z",)),
    ) == (3, 2, 1)


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert read_document("\ufeffa: 1").data == {"a": 1}


def test_an_alias_repeats_what_its_anchor_marks() -> None:
    document = read_document("a: &x {b: [1]}\nc: *x\n")
    assert document.data == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert document.lines[("c",)] == 2


@pytest.mark.parametrize(
    "text,line,message",
    [
        ("", 1, "the file holds no settings"),
        ("# nothing\n", 1, "the file holds no settings"),
        ("- a\n", 1, "the file must be a mapping of settings"),
        ("\n\nword\n", 3, "the file must be a mapping of settings"),
        ("a: 1\n---\nb: 2\n", 2, "the file holds more than one document"),
        ("a: [1\nb: 2\n", 2, "not valid YAML: expected ',' or ']', but got ':'"),
        (
            "a: 1\n\tb: 2\n",
            2,
            "not valid YAML: found character '\\t' that cannot start any token",
        ),
        ("a: b: c\n", 1, "not valid YAML: mapping values are not allowed here"),
        ("a: 1\nb: \x07\n", 2, "holds a character that YAML does not allow"),
        ("a: 1\nb: *nowhere\n", 2, "an alias has no anchor before it"),
        ("a: &a [*a]\n", 1, "an alias has no anchor before it"),
        ("a: 1\nb: !secret x\n", 2, "tags are not supported"),
        ("b: !set {x, y}\n", 1, "tags are not supported"),
        ("a: 1\n? [b]\n: 2\n", 2, "a key must be text"),
        ("a: " + "[" * (DEPTH_MAX + 1), 1, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_one_mistake_with_its_line(
    text: str, line: int, message: str
) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_document(text)
    assert (line, message) == (caught.value.mistake.line, caught.value.mistake.message)


def test_a_small_file_cannot_unfold_into_a_large_one() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(UnreadableError, match="unfolds to too many values"):
        read_document("l0: &l0 [1, 1]\n" + "\n".join(levels))


def test_an_unquoted_reference_in_braces_gets_the_hint_to_quote_it() -> None:
    with pytest.raises(UnreadableError) as caught:
        read_document("a: 1\nb: {secret: ${NAME}}\n")
    assert (
        caught.value.mistake.line,
        caught.value.mistake.hint,
    ) == (2, 'put "${NAME}" in quotes')


def test_what_the_yaml_reader_says_does_not_carry_the_files_text() -> None:
    with pytest.raises(UnreadableError) as caught:
        read_document("a: {secret: whsec_hidden: x\n")
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert "hidden" not in str(error) + repr(error.mistake)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        said = read_document(text).lines[()]
    except UnreadableError as error:
        said = len(error.mistake.message)
    assert said > 0


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.integers()
        | st.booleans()
        | st.none()
        | st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    )
)
def test_what_json_says_yaml_says_too(data: dict[str, object]) -> None:
    """JSON is YAML 1.2, so the reader can be held to the standard library's idea of it."""
    text = json.dumps(data)
    expected = data if all(_fits(value) for value in data.values()) else None
    if expected is not None:
        assert expected == read_document(text).data


def _fits(value: object) -> bool:
    return not isinstance(value, int) or len(str(abs(value))) <= 40

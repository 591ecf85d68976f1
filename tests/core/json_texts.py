"""JSON as others write it: texts whose bytes a parser would not give back."""

import json

from hypothesis import strategies as st

__all__ = ["JSON_TEXTS", "PICKY", "SPACES", "STRINGS"]

#: Texts that parsing and writing again would change.
PICKY = (
    "1.10",
    "-0",
    "-0.0",
    "1E+2",
    "1e99999",
    "1234567890123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    r'"\u00e9\/\u0026\ud83d\ude00"',
    '"é / 😀"',
    r'"\"output\":1,"',
    "[ ]",
    "{ }",
    '{"z":1,"a":2}',
    '{"a":1,"a":2}',
    '{"run_id":"x","run_id":"y"}',
    "[1 ,\t2\n,\r\n3]",
)

#: What JSON allows between its tokens.
SPACES = st.text(" \t\r\n", max_size=3)
_characters = st.characters(codec="utf-8")
#: JSON strings, with and without escapes.
STRINGS = st.builds(
    lambda text, ascii_only: json.dumps(text, ensure_ascii=ascii_only),
    st.text(_characters, max_size=12),
    st.booleans(),
)
_scalars = (
    st.sampled_from(PICKY)
    | st.sampled_from(("null", "true", "false"))
    | st.integers(-(10**50), 10**50).map(str)
    | STRINGS
)


def _joined(items: list[str], space: str, brackets: str) -> str:
    return f"{brackets[0]}{space}{f'{space},'.join(items)}{space}{brackets[1]}"


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.builds(
        lambda key, space, value: f"{key}{space}:{space}{value}", STRINGS, SPACES, inner
    )
    return st.builds(
        _joined, st.lists(inner, max_size=4), SPACES, st.just("[]")
    ) | st.builds(_joined, st.lists(members, max_size=4), SPACES, st.just("{}"))


#: Any JSON value as text.
JSON_TEXTS = st.recursive(_scalars, _containers, max_leaves=8)

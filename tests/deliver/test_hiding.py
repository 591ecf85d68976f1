"""A secret that an endpoint says again is not kept, however it spells it; the rest of what it says is."""

import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.deliver.hiding import WITHHELD, hide

SECRET = "Ab+C/d=e&f<g>\"h'iI zZ-q3tY"


def _as_dotnet(text: str, digits: str = "{:04X}") -> str:
    escaped = (f"\\u{digits.format(ord(c))}" if c in "+&<>'\"" else c for c in text)
    return "".join(escaped)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it came": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with its slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON for pages": _as_dotnet,
    "JSON for pages, small": lambda text: _as_dotnet(text, "{:04x}"),
    "a URL": lambda text: quote(text, safe=""),
    "a URL, small": lambda text: re.sub(
        "%..", lambda found: found[0].lower(), quote(text, safe="")
    ),
    "a path": quote,
    "a form": quote_plus,
    "read as a form": lambda text: text.replace("+", " "),
    "HTML": html.escape,
    "HTML in decimal": lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    "HTML by name": lambda text: html.escape(text).replace("&#x27;", "&apos;"),
    "small": str.lower,
    "capitals": str.upper,
    "Python": lambda text: repr(text)[1:-1],
    "a line break inside": lambda text: f"{text[:9]}\n{text[9:]}",
    "a folded line": lambda text: f"{text[:9]}\r\n\t{text[9:]}",
    "an escaped line break inside": lambda text: f"{text[:9]}\\r\\n{text[9:]}",
    "an encoded line break inside": lambda text: f"{text[:9]}%0D%0A{text[9:]}",
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_hidden_in_its_usual_spellings(
    spelled: Callable[[str], str],
) -> None:
    said = f'{{"error": "bad token {spelled(SECRET)}, sorry"}}'.encode()
    assert hide([SECRET.encode()], said) == b'{"error": "bad token ***, sorry"}'


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("left", [1, 2, 3, 4, 5])
def test_a_secret_that_is_cut_off_is_hidden_in_its_usual_spellings(
    spelled: Callable[[str], str], left: int
) -> None:
    """Also where the end is in the middle of one character's spelling."""
    said = f"bad token {spelled(SECRET)[:-left]}".encode()
    assert hide([SECRET.encode()], said) == b"bad token ***"


@pytest.mark.parametrize(
    "echoed",
    [
        " ".join(SECRET),
        "<wbr/>".join(SECRET).replace("<wbr/>", "</>"),
        quote(quote(quote(SECRET, safe=""), safe=""), safe=""),
        html.escape(html.escape(SECRET)),
        json.dumps(json.dumps(_as_dotnet(SECRET))),
        re.sub("[^A-Za-z0-9]", "_", SECRET),
    ],
)
def test_nothing_is_kept_where_a_secret_can_be_made_out_all_the_same(
    echoed: str,
) -> None:
    """Whatever stands between its letters and digits."""
    assert hide([SECRET.encode()], f"no: {echoed} (400)".encode()) == WITHHELD


def test_a_short_secret_with_things_in_between_is_nothing_to_make_out() -> None:
    assert hide([b"ab-cd"], b"a b c d") == b"a b c d"


def test_a_secret_that_looks_escaped_is_hidden_as_it_is_and_as_it_is_read() -> None:
    said = b"path /s%20cret%2Bx or /s cret+x"
    assert hide([b"s%20cret%2Bx"], said) == b"path /*** or /***"


def test_what_is_no_secret_stays_to_the_byte() -> None:
    said = b'\xff{"caf\\u00E9": "100% &amp; more",\r\n "x": "\\"%zz\\u12"}\\'
    assert hide([SECRET.encode()], said) == said
    assert hide([], said) == said
    assert hide([b""], b"") == b""


def _ways(character: str) -> list[str]:
    number = ord(character)
    return [
        character,
        character.swapcase(),
        f"%{number:02x}",
        f"%{number:02X}",
        f"\\u{number:04x}",
        f"\\u{number:04X}",
        f"\\x{number:02x}",
        f"&#{number};",
        f"&#x{number:X};",
        f"\n{character}",
        f"\\n{character}",
    ]


@given(
    st.text("ABCxyz019+/=-_.~!", min_size=8, max_size=24).flatmap(
        lambda secret: st.tuples(
            st.just(secret),
            st.tuples(*(st.sampled_from(_ways(one)) for one in secret)),
        )
    )
)
def test_a_secret_is_hidden_in_any_mixture_of_spellings(
    case: tuple[str, tuple[str, ...]],
) -> None:
    secret, spelled = case
    said = f"[{''.join(spelled)}]".encode()
    shown = hide([secret.encode()], said)
    assert re.fullmatch(rb"\[\n?(\\n)?\*\*\*\]", shown) or shown == WITHHELD


def test_emoji_of_two_units_are_one_character() -> None:
    secret = "pass-😀-word".encode()
    assert hide([secret], b'"pass-\\ud83d\\ude00-word"') == b'"***"'


@pytest.mark.parametrize("said", [b"%41", b"&amp;", b"\\\\", b"\n ", b"secret"])
def test_an_answer_made_to_be_tedious_is_not_gone_through(said: bytes) -> None:
    """Whoever waits for the loop meanwhile waits in vain."""
    assert hide([b"secret"], said * (1024 * 1024 // len(said))) == WITHHELD

"""The first link to die: what the query strings of object stores say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.expiry import LINKS_MAX, earliest_expiry

AWS = "https://s3.example/a.png?X-Amz-Date=20260301T115958Z&X-Amz-Expires=3600"
AWS_DIES = "2026-03-01T12:59:58.000000Z"


@pytest.mark.parametrize(
    "link,dies",
    [
        (AWS, AWS_DIES),
        (AWS + "&X-Amz-Signature=ab", AWS_DIES),
        ("https://s3.example/a?X-Amz-Expires=1&X-Amz-Date=20260301T000000Z#x",
         "2026-03-01T00:00:01.000000Z"),
        ("https://gcs.example/a?X-Goog-Date=20260301T000000Z&X-Goog-Expires=60",
         "2026-03-01T00:01:00.000000Z"),
        ("https://cdn.example/a?Expires=1772366400&Signature=x",
         "2026-03-01T12:00:00.000000Z"),
        ("https://blob.example/a?sv=2026&se=2026-03-02T00%3A00%3A00Z&sig=x",
         "2026-03-02T00:00:00.000000Z"),
        ("http://blob.example/a?se=2026-03-02T00:00:00Z",
         "2026-03-02T00:00:00.000000Z"),
    ],
)  # fmt: skip
def test_each_object_stores_expiry_is_read(link: str, dies: str) -> None:
    assert earliest_expiry(json.dumps({"url": link}).encode()) == dies


@pytest.mark.parametrize(
    "link",
    [
        "https://s3.example/a.png",
        "https://s3.example/a.png?X-Amz-Expires=3600",
        "https://s3.example/a.png?X-Amz-Date=today&X-Amz-Expires=3600",
        "https://s3.example/a.png?X-Amz-Date=20260301T115958Z&X-Amz-Expires=soon",
        "https://s3.example/a.png?X-Amz-Date=20261301T115958Z&X-Amz-Expires=3600",
        "https://s3.example/a.png?X-Amz-Date=99991231T235959Z&X-Amz-Expires=3600",
        "https://cdn.example/a?Expires=never",
        "https://cdn.example/a?Expires=999999999999",
        "https://cdn.example/a?Expires=9999999999999",
        "https://blob.example/a?se=tomorrow",
        "https://cdn.example/a?expires=1772366400",
        "ftp://cdn.example/a?Expires=1772366400",
        "cdn.example/a?Expires=1772366400",
        "https://cdn.example/a#?Expires-never",
    ],
)
def test_a_link_that_names_no_end_has_none(link: str) -> None:
    assert earliest_expiry(json.dumps([link]).encode()) is None


def test_the_earliest_of_several_links_counts() -> None:
    links = [
        AWS,
        "https://cdn.example/a?Expires=1772366399",
        "https://cdn.example/b?Expires=1893456000",
        "https://cdn.example/c?Expires=never",
    ]
    assert earliest_expiry(json.dumps(links).encode()) == "2026-03-01T11:59:59.000000Z"


@pytest.mark.parametrize("ampersand", [b"\\u0026", b"&"])
@pytest.mark.parametrize("slash", [b"\\/", b"/"])
def test_the_escapes_of_json_do_not_hide_a_link(ampersand: bytes, slash: bytes) -> None:
    output = b'["' + AWS.encode().replace(b"&", ampersand).replace(b"/", slash) + b'"]'
    assert earliest_expiry(output) == AWS_DIES


def test_an_escaped_ampersand_before_azures_field_does_not_hide_it() -> None:
    output = rb'["https://blob.example/a?sv=1\u0026se=2026-03-02T00:00:00Z"]'
    assert earliest_expiry(output) == "2026-03-02T00:00:00.000000Z"


def test_only_so_many_links_are_looked_at() -> None:
    plain = ["https://cdn.example/a"]
    dying = ["https://cdn.example/b?Expires=1772366400"]
    last = json.dumps(plain * (LINKS_MAX - 1) + dying).encode()
    beyond = json.dumps(plain * LINKS_MAX + dying).encode()
    assert earliest_expiry(last) == "2026-03-01T12:00:00.000000Z"
    assert earliest_expiry(beyond) is None


@given(
    junk=st.text(alphabet=st.sampled_from('?&=XAmz-DateExpiresTZ019%se/:https\\" ')),
    output=st.binary(max_size=60),
)
def test_no_output_is_too_strange_to_be_looked_at(junk: str, output: bytes) -> None:
    for given_output in (output, f'"https://x?Expires={junk}"'.encode()):
        found = earliest_expiry(given_output)
        assert found is None or found.endswith("Z")

"""Whose callback it is, and where its event goes."""

import base64
import hmac
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from relay.core.catalog import CALLBACK, Catalog, Channel, Current
from relay.core.errors import InvalidKeyError
from relay.core.event import Event, build
from relay.core.route import InvalidMatchError, Route, Router, compile_match
from relay.core.signature import (
    Credential,
    IncomingKey,
    PublicKey,
    Refused,
    RunflowKey,
    RunflowVerifier,
    StandardVerifier,
    Verified,
)
from relay.core.signing import StandardKey
from relay.settings.mistakes import dotted
from tests.core.test_golden import WHOLE_BATCH, WHOLE_RUN, facts

SECRET = "whsec_abc"
# openssl dgst -sha256 -hmac whsec_abc
BODY, HEX = (
    b'{"a":1}',
    "359ab2775fc376b1a8dee20a432572581b7d5b4e2c3a4e3ff657ed6713fa7eeb",
)
NOW = 1_800_000_000 * 1_000_000


def runflow(*credentials: Credential[IncomingKey]) -> RunflowVerifier:
    given_ = credentials or (Credential(id="k", key=RunflowKey(SECRET)),)
    return RunflowVerifier(credentials=given_)


def judged(value: str, body: bytes = BODY) -> Verified | Refused:
    return runflow().judge({"Runflow-Signature": [value]}, body, NOW)


def test_runflows_signature_is_the_hex_hmac_under_the_whole_text() -> None:
    assert judged(HEX) == Verified("k")


@pytest.mark.parametrize(
    "value,reason",
    [
        ("0" * 64, "bad_signature"),
        (HEX.upper(), "malformed_signature"),
        (f"sha256={HEX}", "malformed_signature"),
        (HEX[:-1], "malformed_signature"),
        (HEX + "\n", "malformed_signature"),
        ("\udcff" * 64, "malformed_signature"),
        ("", "malformed_signature"),
    ],
)
def test_anything_else_is_refused_with_a_reason(value: str, reason: str) -> None:
    assert judged(value) == Refused(reason)  # type: ignore[arg-type]


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(where: int, change: int) -> None:
    body = bytearray(BODY)
    body[where] ^= change
    assert judged(HEX, bytes(body)) == Refused("bad_signature")


def test_during_a_rotation_either_secret_counts_and_the_one_that_did_is_named() -> None:
    old = Credential(id="old", key=RunflowKey("whsec_old"), not_after=NOW)
    new = Credential(id="new", key=RunflowKey(SECRET), not_before=NOW - 10)
    verifier = runflow(old, new)
    mac = hmac.digest(b"whsec_old", BODY, "sha256").hex()
    given_ = {"Runflow-Signature": [mac]}
    assert verifier.judge(given_, BODY, NOW - 1) == Verified("old")
    assert verifier.judge(given_, BODY, NOW) == Refused("bad_signature")
    assert verifier.judge({"Runflow-Signature": [HEX]}, BODY, NOW) == Verified("new")
    assert not runflow(old).is_ready(NOW)
    assert runflow(new).is_ready(NOW)


def test_a_missing_and_a_double_header_are_refused() -> None:
    assert runflow().judge({}, BODY, NOW) == Refused("missing_signature")
    twice = {"Runflow-Signature": [HEX, HEX]}
    assert runflow().judge(twice, BODY, NOW) == Refused("malformed_signature")


STANDARD = "whsec_" + base64.b64encode(b"x" * 32).decode()


def standard_headers(
    secret: str = STANDARD, *, at: int = NOW, name: str = "m"
) -> dict[str, list[str]]:
    moment = datetime.fromtimestamp(at / 1e6, tz=UTC)
    return {
        "webhook-id": [name],
        "webhook-timestamp": [str(at // 1_000_000)],
        "webhook-signature": [Webhook(secret).sign(name, moment, BODY.decode())],
    }


def standard(*keys: StandardKey | PublicKey) -> StandardVerifier:
    found = keys or (StandardKey.parse(STANDARD),)
    return StandardVerifier(
        credentials=tuple(Credential(id=str(n), key=key) for n, key in enumerate(found))
    )


def test_what_the_outside_library_signs_verifies() -> None:
    assert standard().judge(standard_headers(), BODY, NOW) == Verified("0")
    assert standard().is_ready(NOW)


@pytest.mark.parametrize(
    "changed,reason",
    [
        ({"webhook-timestamp": ["soon"]}, "malformed_signature"),
        ({"webhook-timestamp": [str(NOW // 1_000_000 - 301)]}, "bad_timestamp"),
        ({"webhook-id": ["\ud800"]}, "malformed_signature"),
        ({"webhook-id": ["other"]}, "bad_signature"),
        ({"webhook-id": ["a", "b"]}, "malformed_signature"),
        ({"webhook-id": []}, "missing_signature"),
        ({"webhook-signature": ["v1,??? v9,AAAA"]}, "malformed_signature"),
        ({"webhook-signature": ["v1," + "A" * 44]}, "malformed_signature"),
    ],
)
def test_a_standard_webhook_that_is_not_one_is_refused(
    changed: dict[str, list[str]], reason: str
) -> None:
    verdict = standard().judge({**standard_headers(), **changed}, BODY, NOW)
    assert isinstance(verdict, Refused)
    if changed.get("webhook-signature") != ["v1," + "A" * 44]:
        assert verdict.reason == reason


def test_v1a_is_verified_with_the_public_key_alone() -> None:
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = PublicKey("whpk_" + base64.b64encode(raw).decode())
    message = b"m.%d." % (NOW // 1_000_000) + BODY
    signature = base64.b64encode(private.sign(message)).decode()
    headers = {**standard_headers(), "webhook-signature": [f"v1a,{signature}"]}
    assert standard(key).judge(headers, BODY, NOW) == Verified("0")
    assert standard(key).judge(headers, b"{}", NOW) == Refused("bad_signature")
    # A symmetric key does not take an asymmetric signature, nor the other way round.
    assert standard().judge(headers, BODY, NOW) == Refused("bad_signature")
    assert standard(key).judge(standard_headers(), BODY, NOW) == Refused(
        "bad_signature"
    )


def test_a_key_of_one_scheme_does_not_count_in_the_other() -> None:
    mixed = RunflowVerifier(
        credentials=(Credential(id="x", key=StandardKey.parse(STANDARD)),)
    )
    assert mixed.judge({"Runflow-Signature": [HEX]}, BODY, NOW) == Refused(
        "bad_signature"
    )
    other = StandardVerifier(
        credentials=(Credential(id="x", key=RunflowKey(STANDARD)),)
    )
    assert other.judge(standard_headers(), BODY, NOW) == Refused("bad_signature")


def test_keys_never_show_themselves_and_bad_ones_are_refused() -> None:
    assert SECRET not in repr(Credential(id="k", key=RunflowKey(SECRET)))
    with pytest.raises(InvalidKeyError):
        RunflowKey("")
    with pytest.raises(InvalidKeyError):
        RunflowKey("\ud800")
    with pytest.raises(InvalidKeyError):
        PublicKey("whpk_AAAA")


def test_the_catalog_in_force_is_swapped_whole() -> None:
    first = Catalog(router=Router(routes=[], destinations=["a"]))
    second = Catalog(router=Router(routes=[], destinations=["b"]))
    current = Current(first)
    current.swap(second)
    assert current.catalog is second


def test_other_channels_are_webhooks() -> None:
    names = {
        name: Channel(name=name, verifier=runflow()).origin
        for name in (CALLBACK, "org")
    }
    assert names == {CALLBACK: "callback", "org": "webhook"}


EVENT = build(facts(WHOLE_RUN))
MATCHES = [
    ([], True),
    ({"exact": {"type": "io.runflow.run.succeeded"}}, True),
    ({"exact": {"type": "io.runflow.run.succeeded", "source": "/runflow/other"}}, False),
    ({"exact": {"datacontenttype": "application/json"}}, True),
    ({"exact": {"data.nowhere": "x"}}, False),
    ({"not": {"exact": {"data.nowhere": "x"}}}, True),
    ({"prefix": {"type": "io.runflow.run."}}, True),
    ({"suffix": {"type": ".failed"}}, False),
    ({"glob": {"type": "io.runflow.*.succ*"}}, True),
    ({"exact": {"revision": 1}}, True),
    ({"exact": {"confirmed": True}}, True),
    ({"exact": {"confirmed": "true"}}, True),
    ({"exact": {"data.output.z": "1.10"}}, True),
    ({"exact": {"data.output.z": "1.1"}}, False),
    ({"exact": {"data.output.u": "é/"}}, True),
    ({"exact": {"data.output.z.deeper": "x"}}, False),
    ({"exact": {"data.client_ref": "x"}}, False),
    ({"exact": {"data.nothing": "x"}}, False),
    ({"prefix": {"data.output": "{"}}, True),
    ({"any": [{"exact": {"revision": 9}}, {"exact": {"revision": 1}}]}, True),
    ({"all": [{"exact": {"revision": 9}}, {"exact": {"revision": 1}}]}, False),
    ([{"exact": {"revision": 1}}, {"not": {"suffix": {"type": "failed"}}}], True),
]  # fmt: skip


def routed(match: object, event: Event = EVENT) -> bool:
    route = Route(name="r", match=compile_match(match), to=("a",))
    return Router(routes=[route], destinations=["a"]).route(lambda: event) == ("a",)


@pytest.mark.parametrize("match,expected", MATCHES)
def test_every_dialect_says_what_it_means(match: object, expected: bool) -> None:
    assert routed(match) is expected


@pytest.mark.parametrize(
    "match,where",
    [
        ("everything", "match:"),
        ({}, "match:"),
        ({"exact": {"type": "a"}, "not": []}, "match:"),
        ({"sql": "true"}, "unknown expression"),
        ({"any": []}, "match.any"),
        ({"exact": {}}, "match.exact"),
        ({"exact": {"Type": "a"}}, "match.exact"),
        ({"exact": {"type": None}}, "match.exact.type"),
        ({"all": [{"prefix": {"type": ""}}]}, "match.all[0].prefix.type"),
        ([[[]] * 300], "expressions"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(
    match: object, where: str
) -> None:
    with pytest.raises(InvalidMatchError) as caught:
        compile_match(match)
    found = dotted(("match", *caught.value.where))
    assert where in f"{found}: {caught.value}"


@given(st.permutations(range(4)))
def test_the_order_of_routes_does_not_matter(order: list[int]) -> None:
    routes = [
        Route(name="1", match=compile_match([]), to=("c", "a")),
        Route(name="2", match=compile_match({"prefix": {"type": "io"}}), to=("a",)),
        Route(name="3", match=compile_match({"suffix": {"type": "failed"}}), to=("b",)),
        Route(name="4", match=compile_match({"exact": {"revision": 1}}), to=("d",)),
    ]
    router = Router(
        routes=[routes[n] for n in order], destinations=["a", "b", "c", "d"]
    )
    assert router.route(lambda: EVENT) == ("a", "c", "d")


def test_without_routes_nobody_looks_at_the_event() -> None:
    def unasked() -> Event:
        raise AssertionError

    assert Router(routes=[], destinations=["a", "b"]).route(unasked) == ("a", "b")


def test_a_batch_is_told_from_a_run_by_its_type() -> None:
    assert routed({"glob": {"type": "io.runflow.batch.*"}}, build(facts(WHOLE_BATCH)))

"""Signatures in: both schemes against outside signers, and everything a hostile header can hold."""

import base64
import hmac
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from relay.core.errors import InvalidKeyError
from relay.core.signature import (
    SIGNATURES_MAX,
    Credential,
    PublicKey,
    Refused,
    RunflowKey,
    RunflowVerifier,
    StandardVerifier,
    Verified,
)
from relay.core.signing import StandardKey

NOW_S = 1_772_366_400
NOW = NOW_S * 1_000_000
BODY = '{"event":"run.completed","run_id":"01J0","note":"é"}'.encode()
OLD_TEXT = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW_TEXT = "whsec_bmV3ZXIgc2VjcmV0IG9mIDMyIGJ5dGVzISEhISEh"
# printf '%s' "$BODY" | openssl dgst -sha256 -hmac "$SECRET"
OLD_HEX = "0e3f420dd506d7cd0f95880590759dfc7fc1ba4fec890603fa068f63314a5058"
NEW_HEX = "7e0870e413ecce11c0e111c27b4040b1dc0352ad8d8c2e94e41766da4adc60dd"
RUNFLOW = RunflowVerifier(
    credentials=(
        Credential(id="old", key=RunflowKey(OLD_TEXT), not_after=NOW),
        Credential(id="new", key=RunflowKey(NEW_TEXT), not_before=NOW - 10),
    )
)


def judged(*values: str, body: bytes = BODY, now: int = NOW - 1) -> Verified | Refused:
    return RUNFLOW.judge({"Runflow-Signature": values}, body, now)


@pytest.mark.parametrize("value,secret", [(OLD_HEX, "old"), (NEW_HEX, "new")])
def test_the_whole_text_of_a_secret_is_runflows_key(value: str, secret: str) -> None:
    """The literals come from ``openssl dgst -sha256 -hmac``."""
    assert judged(value) == Verified(secret)


@pytest.mark.parametrize("part", [OLD_TEXT.removeprefix("whsec_"), "whsec_"])
def test_a_part_of_a_secret_is_not_the_key(part: str) -> None:
    mac = hmac.digest(part.encode(), BODY, "sha256").hex()
    decoded = hmac.digest(base64.b64decode(OLD_TEXT[6:]), BODY, "sha256").hex()
    assert judged(mac) == judged(decoded) == Refused("bad_signature")


@pytest.mark.parametrize(
    "now,ready,old,new",
    [
        (NOW - 11, True, True, False),
        (NOW - 10, True, True, True),
        (NOW - 1, True, True, True),
        (NOW, True, False, True),
    ],
)
def test_a_secret_counts_from_its_first_to_before_its_last_moment(
    now: int, ready: bool, old: bool, new: bool
) -> None:
    assert RUNFLOW.is_ready(now) is ready
    assert isinstance(judged(OLD_HEX, now=now), Verified) is old
    assert isinstance(judged(NEW_HEX, now=now), Verified) is new


@pytest.mark.parametrize("verifier", [RunflowVerifier, StandardVerifier])
def test_a_source_whose_secrets_are_all_dead_is_not_ready(
    verifier: type[RunflowVerifier] | type[StandardVerifier],
) -> None:
    dead = Credential(id="old", key=RunflowKey(OLD_TEXT), not_after=NOW)
    assert not verifier(credentials=(dead,)).is_ready(NOW)
    assert not verifier(credentials=()).is_ready(NOW)
    assert verifier(credentials=(dead,)).is_ready(NOW - 1)


def test_of_two_equal_secrets_the_first_is_named() -> None:
    twice = RunflowVerifier(
        credentials=tuple(
            Credential(id=name, key=RunflowKey(OLD_TEXT)) for name in ("a", "b")
        )
    )
    given_ = {"Runflow-Signature": [OLD_HEX]}
    assert twice.judge(given_, BODY, NOW) == Verified("a")


@pytest.mark.parametrize(
    "values",
    [
        (OLD_HEX, OLD_HEX),
        (OLD_HEX, NEW_HEX),
        (f"{OLD_HEX},{OLD_HEX}",),
        (OLD_HEX.upper(),),
        (f"sha256={OLD_HEX}",),
        (f" {OLD_HEX}",),
        (f"{OLD_HEX}\n",),
        (OLD_HEX[:-1],),
        ("\u0663" * 64,),
        ("\udcff" * 64,),
        ("\x00" * 64,),
        ("",),
    ],
)
def test_a_header_of_another_form_is_malformed(values: tuple[str, ...]) -> None:
    assert judged(*values) == Refused("malformed_signature")


def test_a_request_without_the_header_is_unsigned() -> None:
    assert judged() == RUNFLOW.judge({}, BODY, NOW) == Refused("missing_signature")


@pytest.mark.parametrize(
    "values,expected",
    [((), False), (("whatever",), False), (("0" * 64,), True)],
    ids=["none", "of-no-form", "another-secrets"],
)
def test_who_knows_how_to_sign_is_told_from_who_does_not(
    values: tuple[str, ...], *, expected: bool
) -> None:
    verdict = judged(*values)
    assert isinstance(verdict, Refused)
    assert verdict.is_signed is expected


@given(data=st.data(), body=st.binary(min_size=1, max_size=80))
def test_any_changed_byte_of_body_or_signature_is_noticed(
    data: st.DataObject, body: bytes
) -> None:
    mac = hmac.digest(OLD_TEXT.encode(), body, "sha256")
    assert judged(mac.hex(), body=body) == Verified("old")
    flip = data.draw(st.integers(1, 255))
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([body[place] ^ flip]) + body[place + 1 :]
    assert judged(mac.hex(), body=changed) == Refused("bad_signature")
    place = data.draw(st.integers(0, 31))
    forged = mac[:place] + bytes([mac[place] ^ flip]) + mac[place + 1 :]
    assert judged(forged.hex(), body=body) == Refused("bad_signature")


PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_TEXT = (
    "whpk_" + base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
)
STANDARD = StandardVerifier(
    credentials=(
        Credential(id="hmac", key=StandardKey.parse(OLD_TEXT)),
        Credential(id="ed25519", key=PublicKey(PUBLIC_TEXT)),
    )
)


def v1(
    body: bytes = BODY, *, secret: str = OLD_TEXT, name: str = "msg_1", at: int = NOW_S
) -> str:
    """The outside library's signature."""
    return Webhook(secret).sign(name, datetime.fromtimestamp(at, UTC), body.decode())


def v1a(body: bytes = BODY, *, name: str = "msg_1", at: int = NOW_S) -> str:
    signature = PRIVATE.sign(b"%b.%d.%b" % (name.encode(), at, body))
    return "v1a," + base64.b64encode(signature).decode()


def standard(
    signatures: str,
    *,
    body: bytes = BODY,
    name: str = "msg_1",
    at: str = str(NOW_S),
    verifier: StandardVerifier = STANDARD,
    now: int = NOW,
) -> Verified | Refused:
    headers = {
        "webhook-id": [name],
        "webhook-timestamp": [at],
        "webhook-signature": [signatures],
    }
    return verifier.judge(headers, body, now)


def test_v1_is_what_the_outside_library_signs() -> None:
    assert standard(v1()) == Verified("hmac")


def test_v1a_is_what_the_private_half_signs() -> None:
    assert standard(v1a()) == Verified("ed25519")


@pytest.mark.parametrize("prefix", ["whpk_", ""])
def test_a_public_key_may_come_without_its_prefix(prefix: str) -> None:
    key = PublicKey(prefix + PUBLIC_TEXT.removeprefix("whpk_"))
    assert key.verifies(PRIVATE.sign(b"x"), b"x")
    assert not key.verifies(b"short", b"x")


@pytest.mark.parametrize(
    "signatures,secret",
    [
        (f"{v1(secret=NEW_TEXT)} {v1()}", "hmac"),
        (f"v9,AAAA {v1a()}", "ed25519"),
        (f"v1,??? {v1()}", "hmac"),
        (f"{v1()} {v1a()}", "hmac"),
        (f"  {v1()} ", "hmac"),
        ("v9,A " * (SIGNATURES_MAX - 1) + v1(), "hmac"),
    ],
)
def test_one_good_signature_among_others_is_enough(
    signatures: str, secret: str
) -> None:
    assert standard(signatures) == Verified(secret)


@pytest.mark.parametrize(
    "signatures,reason",
    [
        ("", "malformed_signature"),
        ("v1", "bad_signature"),
        ("v1,???", "malformed_signature"),
        ("v1,é", "malformed_signature"),
        ("v1,\udcff", "malformed_signature"),
        ("v2,AAAA", "malformed_signature"),
        (v1().replace("v1,", "V1,"), "malformed_signature"),
        ("v9,A " * SIGNATURES_MAX + v1(), "malformed_signature"),
        ("v1,", "bad_signature"),
        ("v1,AAAA", "bad_signature"),
        ("v1a,AAAA", "bad_signature"),
        (v1(secret=NEW_TEXT), "bad_signature"),
        # A signature of one kind does not pass for the other.
        (v1().replace("v1,", "v1a,"), "bad_signature"),
        (v1a().replace("v1a,", "v1,"), "bad_signature"),
        (v1a(b"{}"), "bad_signature"),
    ],
)
def test_every_other_signature_is_refused(signatures: str, reason: str) -> None:
    refused = standard(signatures)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


@pytest.mark.parametrize("away_s", [-300, -1, 0, 1, 300])
def test_a_timestamp_may_be_five_minutes_away(away_s: int) -> None:
    at = NOW_S + away_s
    assert standard(v1(at=at), at=str(at)) == Verified("hmac")


@pytest.mark.parametrize("away_s", [-301, 301, -(10**6), 10**6])
def test_a_timestamp_further_away_is_a_replay(away_s: int) -> None:
    at = NOW_S + away_s
    assert standard(v1(at=at), at=str(at)) == Refused("bad_timestamp")


@pytest.mark.parametrize(
    "at", ["", "now", "-1", "1.5", f"{NOW_S} ", f"+{NOW_S}", "9" * 13, "\u0661"]
)
def test_a_timestamp_is_whole_seconds(at: str) -> None:
    assert standard(v1(), at=at) == Refused("malformed_signature")


@pytest.mark.parametrize("header", STANDARD.headers)
@pytest.mark.parametrize(
    "values,reason",
    [([], "missing_signature"), (["a", "a"], "malformed_signature")],
)
def test_each_of_the_three_headers_is_needed_once(
    header: str, values: list[str], reason: str
) -> None:
    headers = {
        "webhook-id": ["msg_1"],
        "webhook-timestamp": [str(NOW_S)],
        "webhook-signature": [v1()],
    }
    refused = STANDARD.judge({**headers, header: values}, BODY, NOW)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


def test_id_and_time_are_signed_too() -> None:
    assert standard(v1(), name="msg_2") == Refused("bad_signature")
    assert standard(v1(), at=str(NOW_S + 1)) == Refused("bad_signature")
    assert standard(v1(), name="\udcff") == Refused("malformed_signature")


def test_a_standard_secret_that_is_not_live_does_not_count() -> None:
    dead = Credential(id="old", key=StandardKey.parse(OLD_TEXT), not_after=NOW)
    verifier = StandardVerifier(credentials=(dead,))
    assert standard(v1(), verifier=verifier) == Refused("bad_signature")
    assert standard(v1(), verifier=verifier, now=NOW - 1) == Verified("old")


@given(body=st.text(st.characters(codec="utf-8"), min_size=1), data=st.data())
def test_any_changed_byte_of_a_standard_webhook_is_noticed(
    body: str, data: st.DataObject
) -> None:
    raw = body.encode()
    place, flip = (
        data.draw(st.integers(0, len(raw) - 1)),
        data.draw(st.integers(1, 255)),
    )
    changed = raw[:place] + bytes([raw[place] ^ flip]) + raw[place + 1 :]
    for signature, secret in ((v1(raw), "hmac"), (v1a(raw), "ed25519")):
        assert standard(signature, body=raw) == Verified(secret)
        assert standard(signature, body=changed) == Refused("bad_signature")


strange = st.text(st.characters(), max_size=20)


@given(
    name=strange,
    at=strange | st.just(str(NOW_S)),
    signatures=strange | strange.map(lambda text: f"v1,{text} v1a,{text}"),
)
def test_no_header_is_too_strange_for_a_verdict(
    name: str, at: str, signatures: str
) -> None:
    assert isinstance(standard(signatures, name=name, at=at), Refused)
    assert isinstance(judged(signatures), Refused)


def test_a_key_of_one_scheme_never_counts_in_the_other() -> None:
    """The same text is a key in both, and means two things."""
    runflow = RunflowVerifier(
        credentials=(Credential(id="x", key=StandardKey.parse(OLD_TEXT)),)
    )
    other = StandardVerifier(
        credentials=(Credential(id="x", key=RunflowKey(OLD_TEXT)),)
    )
    mac = StandardKey.parse(OLD_TEXT).mac(BODY).hex()
    given_ = {"Runflow-Signature": [mac]}
    assert runflow.judge(given_, BODY, NOW) == Refused("bad_signature")
    assert standard(v1(), verifier=other) == Refused("bad_signature")


@pytest.mark.parametrize(
    "shown",
    [
        RunflowKey(OLD_TEXT),
        StandardKey.parse(OLD_TEXT),
        RUNFLOW,
        STANDARD,
        Credential(id="k", key=RunflowKey(OLD_TEXT)),
    ],
)
def test_no_text_form_shows_a_key(shown: object) -> None:
    for text in (repr(shown), str(shown), f"{shown}"):
        assert OLD_TEXT.removeprefix("whsec_") not in text


@pytest.mark.parametrize("unusable", ["", "whsec_\udcff"])
def test_an_unusable_secret_is_refused(unusable: str) -> None:
    with pytest.raises(InvalidKeyError):
        RunflowKey(unusable)


def test_the_refusal_of_a_secret_does_not_carry_it() -> None:
    """A ``UnicodeEncodeError`` holds the whole text that it could not encode."""
    with pytest.raises(InvalidKeyError) as refused:
        RunflowKey("whsec_\udcff")
    assert "whsec_" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "text",
    ["", "whpk_", "whpk_AAAA", "whpk_é", "whpk_????", OLD_TEXT, "whpk_" + "A" * 88],
)
def test_what_is_no_ed25519_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidKeyError, match="ed25519"):
        PublicKey(text)


@given(key=st.text(st.characters(codec="utf-8"), min_size=1), body=st.binary())
def test_any_text_can_be_runflows_key(key: str, body: bytes) -> None:
    mac = hmac.new(key.encode(), body, "sha256").hexdigest()
    verifier = RunflowVerifier(credentials=(Credential(id="k", key=RunflowKey(key)),))
    assert verifier.judge({"Runflow-Signature": [mac]}, body, NOW) == Verified("k")

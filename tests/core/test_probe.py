"""A probe is one body and no other, and its answer shows who holds the secret."""

import base64
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings

from relay.core.probe import is_proof, probe_body, proof_of, read_probe
from relay.core.signature import PublicKey, RunflowKey
from relay.core.signing import StandardKey
from tests.core.json_texts import JSON_TEXTS

NONCE = bytes(range(16))
HEX = NONCE.hex()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RUNFLOW, STANDARD = RunflowKey(SECRET), StandardKey.parse(SECRET)
WHERE = {"nonce": HEX, "source": "acme", "channel": "callback"}


@pytest.mark.parametrize("size", [0, 59, 60, 4096])
def test_a_probe_is_json_of_the_size_that_was_asked_for_and_says_its_nonce(
    size: int,
) -> None:
    body = probe_body(NONCE, size=size)
    assert json.loads(body) == {"relay_check": {"nonce": HEX}}
    assert len(body) == max(size, len(probe_body(NONCE)))
    assert read_probe(body) == HEX


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b" " + probe_body(NONCE),
        probe_body(NONCE) + b"\n",
        probe_body(NONCE)[:-1],
        probe_body(NONCE).upper(),
        probe_body(NONCE[:-1]),
        probe_body(NONCE + b"\0"),
        probe_body(NONCE) + probe_body(NONCE),
        probe_body(NONCE).replace(b'"}', b'","run_id":"r-1"}'),
        probe_body(NONCE)[:-1] + b',"event":"run.completed","run_id":"r-1"}',
        b'{"relay_check":{"nonce":"' + "é".encode() * 16 + b'"}}',
    ],
)
def test_a_body_that_says_anything_else_is_no_probe(body: bytes) -> None:
    assert read_probe(body) is None


@settings(max_examples=20)
@given(JSON_TEXTS, JSON_TEXTS)
def test_whatever_names_a_run_or_an_event_is_no_probe(one: str, other: str) -> None:
    body = f'{{"relay_check":{one},"event":"run.completed","output":{other}}}'
    assert read_probe(body.encode()) is None


@pytest.mark.parametrize("key", [RUNFLOW, STANDARD])
def test_the_proof_is_of_this_secret_this_nonce_and_this_place(
    key: RunflowKey | StandardKey,
) -> None:
    proof = proof_of(key, **WHERE)
    assert is_proof(proof, key, **WHERE)
    for name, other in (("nonce", "0" * 32), ("source", "beta"), ("channel", "org")):
        assert not is_proof(proof, key, **{**WHERE, name: other})
    assert not is_proof(proof, RunflowKey("another one"), **WHERE)


def test_the_two_kinds_of_key_prove_differently_from_one_text() -> None:
    assert not is_proof(proof_of(RUNFLOW, **WHERE), STANDARD, **WHERE)


def test_a_proof_is_never_a_signature_of_the_secret() -> None:
    """Who asks for proofs does not learn how to sign a body."""
    texts = [HEX, f"{HEX}\nacme\ncallback", probe_body(NONCE).decode()]
    made = {
        hmac.digest(SECRET.encode(), text.encode(), "sha256").hex() for text in texts
    }
    assert proof_of(RUNFLOW, **WHERE) not in made


@pytest.mark.parametrize("given", [None, 7, "", "é" * 64, "\ud800", "0" * 64])
def test_what_is_no_proof_is_none_and_no_exception(given: object) -> None:
    assert not is_proof(given, RUNFLOW, **WHERE)


def test_a_key_that_only_verifies_proves_nothing() -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    key = PublicKey("whpk_" + base64.b64encode(public).decode())
    assert proof_of(key, **WHERE) is None
    assert not is_proof("0" * 64, key, **WHERE)

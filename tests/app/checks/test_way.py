"""The way in: real relays behind a real proxy, and everything that can stand there instead."""

from collections.abc import AsyncIterator

import pytest
import trustme

from relay.app.service import Service
from relay.core.probe import proof_of, read_probe
from relay.core.signature import RunflowKey
from tests.app.checks.looking import SECRET, SIGNING, Scene, ingress, only
from tests.deliver.endpoint import Connection, Endpoint, Request, answering
from tests.deliver.tls import tls_server

RELAY_503 = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b'Content-Length: 24\r\n\r\n{"result":"unavailable"}'
)


def _says(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.fixture
async def relay(scene: Scene) -> AsyncIterator[str]:
    """A relay; the address of its public listener."""
    async with Service(await scene.settings()) as service:
        yield f"http://127.0.0.1:{service.public.port}"


async def test_a_body_of_full_size_goes_all_the_way(scene: Scene, relay: str) -> None:
    async with ingress(relay) as url:
        scene.public_url = url
        one = only(await scene.look(), "callbacks")
    assert one.result == "ok"
    assert "knows default" in one.found
    assert "6MiB pass; seen as 127.0.0.1" in one.found


async def test_an_ingress_that_lets_less_through_is_found_out(
    scene: Scene, relay: str
) -> None:
    async with ingress(relay, body_bytes=1 << 20) as url:
        scene.public_url = url
        one = only(await scene.look(), "callbacks")
    assert one.result == "failed"
    assert "6,291,456 bytes" in one.found
    assert "ingress's limit" in one.remedy


async def test_an_ingress_that_cuts_a_large_body_off_is_found_out(
    scene: Scene, relay: str
) -> None:
    async with ingress(relay, body_bytes=1 << 20, cuts=True) as url:
        scene.public_url = url
        one = only(await scene.look(), "callbacks")
    assert one.result == "failed"
    assert "6,291,456 bytes is cut off" in one.found
    assert "ingress's limit" in one.remedy


async def test_an_ingress_that_drops_the_signature_is_found_out(
    scene: Scene, relay: str
) -> None:
    async with ingress(relay, drop="Runflow-Signature") as url:
        scene.public_url = url
        one = only(await scene.look(), "callbacks")
    assert (one.result, "401" in one.found) == ("failed", True)
    assert "drops `Runflow-Signature`" in one.remedy


@pytest.mark.usefixtures("relay")
async def test_a_relay_with_another_secret_is_found_out_and_the_secret_named(
    scene: Scene,
) -> None:
    scene.source = 'secrets: [{id: k1, secret: "${SECRET}"}, {id: k2, secret: whsec_only-in-the-file}]'
    one = only(await scene.look(), "callbacks")
    assert (one.result, one.found.endswith("(secret k2)")) == ("failed", True)
    assert "same secret" in one.remedy


@pytest.mark.usefixtures("relay")
async def test_a_channel_that_the_relay_there_has_not(scene: Scene) -> None:
    scene.source += (
        f", channels: [{{name: org, scheme: standard-webhooks, secret: {SIGNING}}}]"
    )
    [callback, org] = [one for one in await scene.look() if one.check == "callbacks"]
    assert (callback.result, org.result, org.about) == ("ok", "failed", "acme/org")
    assert "404" in org.found


async def test_a_channel_whose_key_only_verifies_cannot_be_tried(scene: Scene) -> None:
    key = "whpk_" + "A" * 43 + "="
    scene.source += (
        f", channels: [{{name: org, scheme: standard-webhooks, secret: {key}}}]"
    )
    [_, org] = [one for one in await scene.look() if one.check == "callbacks"]
    assert (org.result, "only verifies" in org.found) == ("skipped", True)


async def test_secrets_that_are_not_in_force_are_said(scene: Scene) -> None:
    scene.source = (
        "secrets: [{id: k1, secret: '${SECRET}', not_after: 2020-01-01T00:00:00Z}]"
    )
    one = only(await scene.look(), "callbacks")
    assert (one.result, "503" in one.found) == ("failed", True)
    assert "not_after" in one.remedy


@pytest.mark.parametrize(
    "answer,result,found,remedy",
    [
        (_says("301 Moved Permanently"), "failed", "redirect", "where it leads"),
        (_says("502 Bad Gateway"), "unknown", "no relay behind it", "start the relay"),
        (_says("200 OK"), "failed", "not from a relay", "lead `public.url`"),
        (_says("500 Oops"), "failed", "not a relay", "ingress's log"),
        (RELAY_503, "failed", "takes nothing in", "not_before"),
        (b"", "failed", "without an answer", "log of the ingress"),
    ],
)
async def test_whatever_answers_instead(
    scene: Scene, answer: bytes, result: str, found: str, remedy: str
) -> None:
    async def say(_request: Request, connection: Connection) -> None:
        await connection.say(answer)
        if not answer:
            connection.hang_up()

    async with Endpoint(say) as endpoint:
        scene.public_url = endpoint.url.removesuffix("/hooks")
        one = only(await scene.look(), "callbacks")
    assert (one.result, found in one.found) == (result, True)
    assert remedy in one.remedy


async def test_an_answer_is_read_no_further_than_a_relay_says_anything(
    scene: Scene,
) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65_536
    async with Endpoint(answering(endless)) as endpoint:
        scene.public_url = endpoint.url.removesuffix("/hooks")
        one = only(await scene.look(), "callbacks")
    assert "not from a relay" in one.found


async def test_a_proof_may_come_in_pieces_and_must_be_of_this_probe(
    scene: Scene,
) -> None:
    """Whoever holds the secret can give it; whoever has overheard one answer has not this one's."""
    overheard: list[bytes] = []

    async def prove(request: Request, connection: Connection) -> None:
        nonce = read_probe(request.body)
        assert nonce is not None
        proof = proof_of(
            RunflowKey(SECRET), nonce=nonce, source="acme", channel="callback"
        )
        overheard.append(f'{{"proof":"{proof}","peer":"192.0.2.7"}}'.encode())
        said = overheard[-1] if is_honest else overheard[0]
        await connection.say(
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n\r\n".encode()
        )
        await connection.say(said[:40])
        await connection.say(said[40:])

    async with Endpoint(prove) as endpoint:
        scene.public_url = endpoint.url.removesuffix("/hooks")
        is_honest = True
        good = only(await scene.look(), "callbacks")
        is_honest = False
        bad = only(await scene.look(), "callbacks")
    assert (good.result, good.found.endswith("seen as 192.0.2.7")) == ("ok", True)
    assert (bad.result, "not from a relay that holds" in bad.found) == ("failed", True)


async def test_a_certificate_that_nobody_trusts(scene: Scene) -> None:
    async with tls_server(trustme.CA(), "127.0.0.1") as url:
        scene.public_url = url.rstrip("/")
        one = only(await scene.look(), "callbacks")
    assert (one.result, one.found.startswith("TLS: ")) == ("failed", True)
    assert "certificate" in one.remedy


async def test_before_the_first_start_there_is_nobody_and_that_is_no_fault(
    scene: Scene,
) -> None:
    one = only(await scene.look(), "callbacks")
    assert (one.result, one.found) == ("unknown", "no connection: Connection refused")
    assert "start the ingress and the relay" in one.remedy

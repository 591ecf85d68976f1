"""How an event is written to an endpoint, how it is signed, and how much of it is sent."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator

import pytest
from nacl.signing import VerifyKey
from standardwebhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from relay.core.credential import Credential
from relay.core.delivery import Delivered, Failed, Fault, Refused
from relay.core.event import BUILDER
from relay.core.shape import Shape
from relay.core.signature import RunflowKey
from relay.core.signing import OutgoingKey, PrivateKey, StandardKey
from tests.deliver.conformance import NOW_US, FixedClock, first, parcel
from tests.deliver.endpoint import Endpoint
from tests.deliver.posting import NEW, OLD, send, sender_to

#: In Runflow's scheme all of the text is the key; that it looks like base64 means nothing.
RUNFLOW = "whsec_" + "QUJD" * 8
PRIVATE = PrivateKey(bytes(range(32)))


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


def runflow_key(
    text: str = RUNFLOW, *, not_before: int | None = None, not_after: int | None = None
) -> Credential[RunflowKey]:
    return Credential(
        id="k", key=RunflowKey(text), not_before=not_before, not_after=not_after
    )


def hex_of(secret: str, body: bytes) -> str:
    """As Runflow's guide has it: the secret as it stands is the key."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class TestSignatures:
    async def test_three_outside_libraries_verify_one_request(
        self, endpoint: Endpoint
    ) -> None:
        keys: tuple[Credential[OutgoingKey], ...] = (
            Credential(id="new", key=PRIVATE),
            Credential(id="old", key=StandardKey.parse(OLD)),
        )
        clock = FixedClock(time.time_ns() // 1000)
        sender = sender_to(endpoint.url, keys=keys, clock=clock)
        assert isinstance(await send(sender), Delivered)
        await sender.close()
        request = first(endpoint.requests)
        Webhook(OLD).verify(request.body, request.headers)
        SvixWebhook(OLD).verify(request.body, request.headers)
        signed = (
            f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
        )
        asymmetric, _ = request.headers["webhook-signature"].split(" ")
        version, _, encoded = asymmetric.partition(",")
        assert version == "v1a"
        VerifyKey(from_base64(PRIVATE.public.removeprefix("whpk_"))).verify(
            signed.encode() + request.body, from_base64(encoded)
        )

    async def test_a_key_of_ed25519_signs_only_while_it_is_in_force(
        self, endpoint: Endpoint
    ) -> None:
        clock = FixedClock()
        keys: tuple[Credential[OutgoingKey], ...] = (
            Credential(id="new", key=PRIVATE, not_before=NOW_US + 1_000_000),
            Credential(
                id="old", key=StandardKey.parse(NEW), not_after=NOW_US + 2_000_000
            ),
        )
        sender = sender_to(endpoint.url, keys=keys, clock=clock)
        for _ in range(3):
            await send(sender)
            clock.time_us += 1_000_000
        await sender.close()
        versions = [
            [part.partition(",")[0] for part in r.headers["webhook-signature"].split()]
            for r in endpoint.requests
        ]
        assert versions == [["v1"], ["v1a", "v1"], ["v1a"]]


class TestData:
    async def test_the_data_stands_alone_and_is_signed(
        self, endpoint: Endpoint
    ) -> None:
        clock = FixedClock(time.time_ns() // 1000)
        sender = sender_to(endpoint.url, format="data", clock=clock)
        sent = parcel()
        sender.prepare([sent])
        assert isinstance(first(await sender.send([sent])), Delivered)
        await sender.close()
        request = first(endpoint.requests)
        assert sent.letter.event.data == request.body
        assert request.headers["content-type"] == "application/json"
        assert request.headers["webhook-id"] == str(sent.letter.event.id)
        Webhook(NEW).verify(request.body, request.headers)

    async def test_nothing_makes_it_look_like_a_cloudevent(
        self, endpoint: Endpoint
    ) -> None:
        """``ce-`` headers beside plain JSON would be an event in binary mode."""
        sender = sender_to(endpoint.url, format="data")
        await send(sender)
        await sender.close()
        headers = first(endpoint.requests).headers
        assert [name for name in headers if name.startswith("ce-")] == []


class TestRunflow:
    async def test_a_callback_goes_on_as_it_came_and_is_signed_as_runflow_signs(
        self, endpoint: Endpoint
    ) -> None:
        sender = sender_to(
            endpoint.url, format="runflow", keys=(), runflow_keys=(runflow_key(),)
        )
        sent = parcel(output='{"a": 1.10,  "b": "\\/"}')
        sender.prepare([sent])
        assert isinstance(first(await sender.send([sent])), Delivered)
        await sender.close()
        request = first(endpoint.requests)
        assert sent.letter.facts.reading.body == request.body  # type: ignore[union-attr] # it can be read
        signature = request.headers["runflow-signature"]
        assert re.fullmatch("[0-9a-f]{64}", signature)
        assert hex_of(RUNFLOW, request.body) == signature
        assert request.headers["content-type"] == "application/json"
        event_id = str(sent.letter.event.id)
        assert request.headers["webhook-id"] == event_id
        assert request.headers["runflow-request-id"] == event_id
        assert "webhook-signature" not in request.headers

    async def test_of_several_keys_in_force_the_first_signs(
        self, endpoint: Endpoint
    ) -> None:
        """There is room for one signature; who checks it knows both secrets while they change."""
        clock, turn = FixedClock(), NOW_US + 1_000_000
        keys = (
            runflow_key("the next secret", not_before=turn),
            runflow_key("the old secret"),
        )
        sender = sender_to(
            endpoint.url, format="runflow", keys=(), runflow_keys=keys, clock=clock
        )
        await send(sender)
        clock.time_us = turn
        await send(sender)
        await sender.close()
        before, after = endpoint.requests
        assert (
            hex_of("the old secret", before.body)
            == (before.headers["runflow-signature"])
        )
        assert (
            hex_of("the next secret", after.body)
            == (after.headers["runflow-signature"])
        )

    async def test_with_no_key_in_force_nothing_is_sent_unsigned(
        self, endpoint: Endpoint
    ) -> None:
        keys = (runflow_key(not_after=NOW_US),)
        sender = sender_to(endpoint.url, format="runflow", keys=(), runflow_keys=keys)
        outcome = await send(sender)
        await sender.close()
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.fault) == ("no_live_key", Fault.DESTINATION)
        assert endpoint.requests == []

    async def test_what_cannot_be_built_fails_alone(self, endpoint: Endpoint) -> None:
        sender = sender_to(endpoint.url, format="runflow", keys=())
        outcomes = await sender.send([parcel(1, builder=BUILDER + 1), parcel(2)])
        await sender.close()
        assert [Failed, Delivered] == [type(outcome) for outcome in outcomes]


class TestHowMuch:
    @pytest.mark.parametrize("style", ["cloudevents", "data"])
    async def test_what_is_left_out_is_not_on_the_wire(
        self, endpoint: Endpoint, style: str
    ) -> None:
        shape = Shape(omit=("output",))
        sender = sender_to(
            endpoint.url,
            format="data" if style == "data" else "cloudevents",
            shape=shape,
        )
        sent = parcel(output='{"image": "a-secret-picture"}')
        sender.prepare([sent])
        for _ in range(2):
            assert isinstance(first(await sender.send([sent])), Delivered)
        await sender.close()
        one, two = endpoint.requests
        assert one.body == two.body
        assert b"a-secret-picture" not in one.body
        found = json.loads(one.body)
        data = found if style == "data" else found["data"]
        assert (data["output"], data["omitted"]) == (None, ["output"])
        assert one.headers["webhook-id"] == str(sent.letter.event.id)
        assert "a-secret-picture" in sent.letter.event.data.decode()

    async def test_what_is_too_large_is_never_sent(self, endpoint: Endpoint) -> None:
        size = len(parcel().letter.event.structured)
        fitting, tight = (
            sender_to(endpoint.url, shape=Shape(max_bytes=limit))
            for limit in (size, size - 1)
        )
        assert isinstance(await send(fitting), Delivered)
        outcome = await send(tight)
        await fitting.close()
        await tight.close()
        assert outcome == Refused(
            reason="too_large", detail=f"{size} bytes, of {size - 1} at the most"
        )
        assert len(endpoint.requests) == 1

    async def test_what_is_left_out_makes_room(self, endpoint: Endpoint) -> None:
        shape = Shape(omit=("output",), max_bytes=2048)
        sender = sender_to(endpoint.url, shape=shape)
        large = parcel(output=json.dumps("x" * 100_000))
        assert isinstance(first(await sender.send([large])), Delivered)
        await sender.close()


def from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)

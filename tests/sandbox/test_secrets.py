"""Secrets and redelivery: who signs, and what is sent again by hand."""

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from relay.sandbox import Faults, Retries
from tests.sandbox.caller import Caller, calling

if TYPE_CHECKING:
    # a conftest is no module to import from: only its types are
    from tests.sandbox.conftest import Receiver

OLD = "whsec_old"
PATH = "/v1/callback-secrets"


def signers(receiver: "Receiver", secrets: dict[str, str]) -> list[str | None]:
    """The name of the secret that signed each request."""
    found = []
    for body, headers in zip(receiver.bodies, receiver.headers, strict=True):
        given = headers["Runflow-Signature"]
        made = {
            hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(): name
            for name, secret in secrets.items()
        }
        found.append(made.get(given))
    return found


async def rotate(call: Caller, *, promote: bool = True) -> Any:
    made = (await call("POST", PATH, {"label": "second"})).json
    if promote:
        answer = await call("PATCH", f"{PATH}/{made['id']}", {"is_current": True})
        assert answer.json["is_current"] is True
    return made


async def test_a_secret_is_shown_once() -> None:
    async with calling(secret=OLD) as call:
        made = await call("POST", PATH, {"label": "mine"})
        got = (await call("GET", f"{PATH}/{made.json['id']}")).json
        listed = (await call("GET", PATH)).json
    assert made.status == 201
    assert list(made.json) == [
        *("plain_secret", "id", "org_id", "key_prefix", "is_current", "label"),
        *("disabled_at", "last_used_at", "created_at", "updated_at"),
    ]
    plain = made.json["plain_secret"]
    assert plain.startswith("whsec_")
    assert (made.json["is_current"], made.json["label"]) == (False, "mine")
    assert got == {k: v for k, v in made.json.items() if k != "plain_secret"}
    assert plain not in json.dumps(listed)
    assert len(listed["items"]) == 2


async def test_the_first_secret_of_an_organisation_signs_at_once(
    receiver: "Receiver",
) -> None:
    async with calling() as call:
        await call.ended(callback_url=receiver.url)
        made = (await call("POST", PATH, {})).json
        await call.ended(callback_url=receiver.url)
    assert made["is_current"] is True
    assert "Runflow-Signature" not in receiver.headers[0]
    receiver.bodies, receiver.headers = receiver.bodies[1:], receiver.headers[1:]
    assert signers(receiver, {"new": made["plain_secret"]}) == ["new"]


async def test_after_a_rotation_the_new_secret_signs(receiver: "Receiver") -> None:
    async with calling(secret=OLD) as call:
        made = await rotate(call, promote=False)
        await call.ended(callback_url=receiver.url)
        await call("PATCH", f"{PATH}/{made['id']}", {"is_current": True})
        (told,) = await call.ended(callback_url=receiver.url)
        history = (await call("GET", f"/v1/runs/{told['id']}/callback")).json
        assert call.sandbox.secret == made["plain_secret"]
        used = (await call("GET", f"{PATH}/{made['id']}")).json
    names = {"old": OLD, "new": made["plain_secret"]}
    assert signers(receiver, names) == ["old", "new"]
    assert history[0]["signing_secret_id"] == made["id"]
    assert used["last_used_at"] is not None


async def test_callbacks_may_be_signed_by_the_secret_before_or_by_none(
    receiver: "Receiver",
) -> None:
    faults = Faults(old_secret=0.4, wrong_secret=0.3)
    async with calling(secret=OLD, faults=faults) as call:
        made = await rotate(call)
        await call.ended(30, callback_url=receiver.url)
        truth = {told.id: told.injected for told in call.sandbox.runs()}
    names = {"old": OLD, "new": made["plain_secret"]}
    for body, name in zip(receiver.payloads(), signers(receiver, names), strict=True):
        injected = truth[body["run_id"]]
        assert ("old_secret" in injected) is (name == "old")
        assert ("wrong_secret" in injected) is (name is None)
    assert set(signers(receiver, names)) == {"old", "new", None}


async def test_a_delivery_keeps_the_signature_it_was_made_with(
    receiver: "Receiver",
) -> None:
    receiver.gate.clear()
    async with calling(secret=OLD) as call:
        await call.create(callback_url=receiver.url)
        await receiver.entered.wait()
        receiver.answer = lambda number: 200 if number > 1 else 500
        await rotate(call)
        receiver.gate.set()
        await call.sandbox.settled()
    assert signers(receiver, {"old": OLD}) == ["old", "old"]


async def test_a_label_can_change_and_the_current_secret_cannot_step_down() -> None:
    async with calling(secret=OLD) as call:
        (current,) = (await call("GET", PATH)).json["items"]
        path = f"{PATH}/{current['id']}"
        named = (await call("PATCH", path, {"label": "x"})).json
        down = await call("PATCH", path, {"is_current": False})
        long = await call("PATCH", path, {"label": "x" * 256})
        none = await call("GET", f"{PATH}/nothing")
    assert (named["label"], named["is_current"]) == ("x", True)
    assert (down.status, long.status) == (422, 422)
    assert (none.status, none.json["code"]) == (404, "CALLBACK_SECRET_NOT_FOUND")


async def test_a_redelivery_tells_what_is_so_now_without_faults(
    receiver: "Receiver",
) -> None:
    faults = Faults(lose=1.0, conflict=1.0, partial=1.0, wrong_secret=1.0)
    async with calling(secret=OLD, faults=faults) as call:
        (made,) = await call.ended(callback_url=receiver.url)
        assert receiver.bodies == []
        path = f"/v1/runs/{made['id']}"
        await call("PATCH", path, {"status_code": "failed", "output": {"a": 1}})
        answer = await call("POST", f"{path}/callback-redeliveries")
        await call.sandbox.settled()
        history = (await call("GET", f"{path}/callback")).json
    assert (answer.status, answer.json["is_automatic"]) == (201, False)
    (body,) = receiver.payloads()
    assert (body["event"], body["status"]) == ("run.failed", "failed")
    assert body["output"] == {"a": 1}
    assert signers(receiver, {"old": OLD}) == ["old"]
    assert [sent["status_code"] for sent in history] == ["failed", "succeeded"]


async def test_a_redelivery_is_refused_while_one_is_in_flight(
    receiver: "Receiver",
) -> None:
    receiver.gate.clear()
    async with calling() as call:
        (made,) = await call.create(callback_url=receiver.url)
        await receiver.entered.wait()
        path = f"/v1/runs/{made['id']}/callback-redeliveries"
        refused = await call("POST", path)
        receiver.gate.set()
        await call.sandbox.settled()
        taken = await call("POST", path)
    assert refused.status == 422
    assert refused.json["errors"][0]["error_type"] == "conflict"
    assert taken.status == 201


async def test_there_is_no_redelivery_of_what_goes_on_or_has_nowhere_to_go() -> None:
    async with calling(run_seconds=(60.0, 60.0)) as call:
        (made,) = await call.create(callback_url="http://127.0.0.1:1/")
        going = await call("POST", f"/v1/runs/{made['id']}/callback-redeliveries")
    async with calling() as call:
        (made,) = await call.ended()
        nowhere = await call("POST", f"/v1/runs/{made['id']}/callback-redeliveries")
    assert going.json["errors"][0]["field"] == "status_code"
    assert nowhere.json["errors"][0]["field"] == "callback_url"


async def test_a_redelivery_is_tried_as_often_as_any_other(
    receiver: "Receiver",
) -> None:
    receiver.answer = lambda number: 503 if number < 4 else 200
    retry = Retries(max_attempts=3, base_s=0.005)
    async with calling(retry=retry) as call:
        (made,) = await call.ended(callback_url=receiver.url)
        await call("POST", f"/v1/runs/{made['id']}/callback-redeliveries")
        await call.sandbox.settled()
        history = (await call("GET", f"/v1/runs/{made['id']}/callback")).json
    assert [sent["attempt_count"] for sent in history] == [3, 1]

"""HTTP request: what one event is on the wire, its signature included.

Owns the formats, the headers that change from try to try, and that nothing leaves unsigned that should
be signed. Must not know of connections or answers.

Sources: Standard Webhooks 1.0.0, "Webhook Headers"; CloudEvents HTTP binding 1.0.2, structured mode;
Runflow, "Verify callback signatures" and "Callbacks" (``Runflow-Signature``, ``Runflow-Request-Id``).
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from multidict import istr

from relay.core.credential import Credential
from relay.core.delivery import Failed, Fault, Outcome
from relay.core.errors import UnbuildableError
from relay.core.event import CONTENT_TYPE
from relay.core.passthrough import runflow_body
from relay.core.ports import Clock, Letter, Parcel
from relay.core.signature import RunflowKey
from relay.core.signing import OutgoingKey, sign
from relay.deliver.http_options import Format, HttpOptions

__all__ = ["CONTENT_TYPES", "Composer", "Request"]

_SECOND_US: Final = 1_000_000

_ID: Final = istr("webhook-id")
_TIMESTAMP: Final = istr("webhook-timestamp")
_SIGNATURE: Final = istr("webhook-signature")
_RUNFLOW_SIGNATURE: Final = istr("runflow-signature")
_RUNFLOW_REQUEST: Final = istr("runflow-request-id")
#: Only on what an order to send again has made: the order's number.
_REPLAY: Final = istr("relay-replay")

#: ``data`` alone is plain JSON. Attributes as ``ce-`` headers beside it would make it an event in binary
#: mode, which is signed without them and which most SDKs hand out percent-encoded.
CONTENT_TYPES: Final[dict[Format, str]] = {
    "cloudevents": CONTENT_TYPE,
    "data": "application/json",
    "runflow": "application/json",
}


class Request(NamedTuple):
    """Headers that belong to this try, and the body."""

    headers: dict[istr, str]
    body: bytes

    @property
    def signatures(self) -> tuple[bytes, ...]:
        """What an endpoint that echoes its request must not be seen to show."""
        found = (
            self.headers.get(name, "") for name in (_SIGNATURE, _RUNFLOW_SIGNATURE)
        )
        return tuple(part for text in found for part in text.encode().split())


class Composer:
    """Makes requests of events, for one destination."""

    def __init__(self, *, options: HttpOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._shape = options.shape
        makers: dict[Format, Callable[[Letter], Request | None]] = {
            "cloudevents": self._cloudevents,
            "data": self._data,
            "runflow": self._runflow,
        }
        self._make = makers[options.format]

    def prepare(self, parcels: Iterable[Parcel]) -> None:
        """Build what requests of these are made of. One that cannot be built says so when it is tried."""
        if self._options.format == "runflow":
            return
        structured = self._options.format == "cloudevents" and not self._shape.omit
        for parcel in parcels:
            with suppress(UnbuildableError):
                event = parcel.letter.event
                if structured:
                    _ = event.structured

    def compose(self, parcel: Parcel) -> Request | Outcome:
        """Give the request, or how the try ends without one."""
        try:
            request = self._make(parcel.letter)
        except UnbuildableError as error:
            return Failed(reason=error.reason, fault=Fault.EVENT)
        if request is None:
            return Failed(reason="no_live_key", fault=Fault.DESTINATION)
        if parcel.replay is not None:
            request.headers[_REPLAY] = str(parcel.replay)
        return self._shape.refusal(len(request.body)) or request

    def _cloudevents(self, letter: Letter) -> Request | None:
        event = letter.event
        return self._signed(
            str(event.attributes["id"]), self._shape.of(event).structured
        )

    def _data(self, letter: Letter) -> Request | None:
        event = letter.event
        return self._signed(str(event.attributes["id"]), self._shape.of(event).data)

    def _signed(self, message_id: str, body: bytes) -> Request | None:
        """The request; None when it should be signed and no key is in force."""
        now = self._clock.now_us()
        timestamp = now // _SECOND_US
        headers = {_ID: message_id, _TIMESTAMP: str(timestamp)}
        keys: tuple[Credential[OutgoingKey], ...] = self._options.keys
        if keys:
            live = [item.key for item in keys if item.is_live(now)]
            if not live:
                return None
            headers[_SIGNATURE] = sign(message_id, timestamp, body, live)
        return Request(headers, body)

    def _runflow(self, letter: Letter) -> Request | None:
        body, message_id = runflow_body(letter.facts), str(letter.event_id)
        headers = {_ID: message_id, _RUNFLOW_REQUEST: message_id}
        keys: tuple[Credential[RunflowKey], ...] = self._options.runflow_keys
        if keys:
            now = self._clock.now_us()
            # The scheme has room for one signature: who is to sign next stands first, with a not_before.
            key = next((item.key for item in keys if item.is_live(now)), None)
            if key is None:
                return None
            headers[_RUNFLOW_SIGNATURE] = key.mac(body)
        return Request(headers, body)

"""Keys: the secrets that callbacks are verified and deliveries are signed with.

Owns the three forms of a key and their common shape: an id, the secret, and from when until when it
is used. Checks how a key is written; turning it into a key of the right type is the core's.

Runflow's scheme takes the whole text as the key (its guide "Verify callback signatures"). Standard
Webhooks 1.0.0 ("Signature scheme") writes ``whsec_`` and base64 of 24 to 64 bytes for a shared
secret, ``whpk_`` and base64 of 32 bytes for an ed25519 public key.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from relay.core.errors import InvalidKeyError
from relay.core.signing import PrivateKey, StandardKey
from relay.settings.forms import Form, Named
from relay.settings.mistakes import refuse
from relay.settings.secret import Secret
from relay.settings.section import RELOADS, Section

__all__ = [
    "KEYS_MAX",
    "DestinationSecret",
    "RunflowKey",
    "RunflowSecret",
    "SigningKey",
    "VerifyingKey",
    "VerifyingSecret",
    "check_signing",
    "keys_of",
    "one_or_many",
]

#: How many keys may live side by side. A rotation needs two.
KEYS_MAX: Final = 16

_FORMS: Final = (
    "`whsec_` and the base64 of 24 to 64 bytes,"
    " or `whsk_` and the base64 of an ed25519 key"
)
_MAKE: Final = "make one: relay keys new"
_SHORT_ID: Final = "default"
_RUNFLOW_MIN: Final = 8
#: 32 bytes in padded base64.
_PUBLIC: Final = re.compile(r"whpk_[A-Za-z0-9+/]{43}=")


_Given = TypeVar("_Given")


class Instant(Form):
    """A point in time, with its offset."""

    kind = "time"
    limits = "ISO 8601 with an offset"

    def read(self, value: object) -> datetime:
        """Accept ``2026-12-31T00:00:00Z`` and its like, or a ``datetime``."""
        try:
            moment = (
                value
                if isinstance(value, datetime)
                else datetime.fromisoformat(value if isinstance(value, str) else "")
            )
        except ValueError:
            moment = None
        if moment is None or moment.utcoffset() is None:
            raise refuse(
                "must be a time with its offset", "such as 2026-12-31T00:00:00Z"
            )
        return moment

    @staticmethod
    def show(value: object) -> str:
        """Write a time as it would stand in the file."""
        return value.isoformat() if isinstance(value, datetime) else str(value)


def _runflow(secret: Secret) -> Secret:
    text = secret.reveal()
    if len(text) < _RUNFLOW_MIN:
        raise refuse(f"is shorter than {_RUNFLOW_MIN} characters")
    if text != text.strip():
        raise refuse("begins or ends with white space")
    return secret


def _is_shared(text: str) -> bool:
    """Whether this is a shared secret: ``whsec_`` and standard base64, padded or not."""
    return _parses(StandardKey.parse, text)


def _is_signing(text: str) -> bool:
    """Whether this can sign: a shared secret, or a private key of ed25519."""
    return _is_shared(text) or _parses(PrivateKey.parse, text)


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except InvalidKeyError:
        return False
    return True


def check_signing(value: _Given, info: ValidationInfo) -> _Given:
    """Hold ``secret`` and ``secrets`` to the scheme that ``format`` signs in.

    Runflow's takes any text; what every key must be is checked already. Where ``format`` was refused
    nothing more can be said.
    """
    if info.data.get("format") in (None, "runflow"):
        return value
    if isinstance(value, Secret) and not _is_signing(value.reveal()):
        raise refuse(f"must be {_FORMS}", _MAKE)
    for number, key in enumerate(value if isinstance(value, tuple) else (), 1):
        if not _is_signing(key.secret.reveal()):
            raise refuse(f"entry {number}: the secret must be {_FORMS}", _MAKE)
    return value


def _verifying(secret: Secret) -> Secret:
    text = secret.reveal()
    if not _is_shared(text) and not _PUBLIC.fullmatch(text):
        raise refuse(
            "must be `whsec_` and the base64 of 24 to 64 bytes,"
            " or `whpk_` and the base64 of an ed25519 public key"
        )
    return secret


#: Any text of 8 characters or more; all of it is the key.
RunflowSecret = Annotated[Secret, AfterValidator(_runflow)]

#: What deliveries are signed with. The form depends on how events are written: :func:`check_signing`.
DestinationSecret = Annotated[Secret, AfterValidator(_runflow)]

#: ``whsec_…`` or ``whpk_…``, with which Standard Webhooks are verified.
VerifyingSecret = Annotated[Secret, AfterValidator(_verifying)]


class _Key(Section):
    id: Annotated[str, Named()] = Field(
        description="Says which key was used, in records and messages.",
        json_schema_extra=RELOADS,
    )
    not_before: Annotated[datetime, Instant()] | None = Field(
        None,
        description="The key is not used before this time.",
        json_schema_extra=RELOADS,
    )
    not_after: Annotated[datetime, Instant()] | None = Field(
        None,
        description="The key is not used after this time.",
        json_schema_extra=RELOADS,
    )

    @field_validator("not_after")
    @classmethod
    def _ends_after_it_begins(
        cls, value: datetime | None, info: ValidationInfo[object]
    ) -> datetime | None:
        begin = info.data.get("not_before")
        if value is not None and begin is not None and value <= begin:
            raise refuse("must be later than `not_before`")
        return value


_KeyT = TypeVar("_KeyT", bound=_Key)


class RunflowKey(_Key):
    """A callback secret of a Runflow organisation."""

    secret: RunflowSecret = Field(
        description="The secret as Runflow showed it, 8 characters or more;"
        " all of its text is the key.",
        json_schema_extra=RELOADS,
    )


class VerifyingKey(_Key):
    """A Standard Webhooks key of somebody who sends to us."""

    secret: VerifyingSecret = Field(
        description="`whsec_` and base64, or `whpk_` and base64 (ed25519).",
        json_schema_extra=RELOADS,
    )


class SigningKey(_Key):
    """A key that we sign deliveries with: of Standard Webhooks, or with `format: runflow` of Runflow."""

    secret: DestinationSecret = Field(
        description="`whsec_` and base64 of 24 to 64 bytes, or `whsk_` and base64 of an"
        " ed25519 key. With `format: runflow` any 8 characters or more, all of them"
        " the key.",
        json_schema_extra=RELOADS,
    )


def one_or_many(
    value: tuple[_Key, ...], info: ValidationInfo[object]
) -> tuple[_Key, ...]:
    """Hold a section to either ``secret`` or ``secrets``. To be used on ``secrets``.

    A ``secret`` that was refused is not in ``info.data``; then there is nothing to add.
    """
    if "secret" in info.data:
        short = info.data["secret"] is not None
        if short and value:
            raise refuse("give `secret` or `secrets`, not both")
        if not short and not value:
            raise refuse("no secret: give `secret`, or `secrets` with one or more")
    return value


def keys_of(
    make: Callable[..., _KeyT], short: Secret | None, many: tuple[_KeyT, ...]
) -> tuple[_KeyT, ...]:
    """Give the keys, a lone ``secret`` as the one of id ``default``."""
    return many if short is None else (make(id=_SHORT_ID, secret=short),)

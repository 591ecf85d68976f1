"""Keys: the secrets that callbacks are verified and deliveries are signed with.

Owns the three forms of a key and their common shape: an id, the secret, and from when until when it
is used. Checks how a key is written; turning it into a key of the right type is the core's.

Runflow's scheme takes the whole text as the key (its guide "Verify callback signatures"). Standard
Webhooks 1.0.0 ("Signature scheme") writes ``whsec_`` and base64 of 24 to 64 bytes for a shared
secret, ``whpk_`` and base64 of 32 bytes for an ed25519 public key.
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from relay.settings.forms import Form, Named
from relay.settings.mistakes import refuse
from relay.settings.secret import Secret
from relay.settings.section import RELOADS, Section

__all__ = [
    "KEYS_MAX",
    "RunflowKey",
    "RunflowSecret",
    "SigningKey",
    "SigningSecret",
    "VerifyingKey",
    "VerifyingSecret",
    "keys_of",
    "one_or_many",
]

#: How many keys may live side by side. A rotation needs two.
KEYS_MAX: Final = 16

_SHORT_ID: Final = "default"
_RUNFLOW_MIN: Final = 8
#: 32 bytes in padded base64.
_PUBLIC: Final = re.compile(r"whpk_[A-Za-z0-9+/]{43}=")


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
    if not text.startswith("whsec_"):
        return False
    encoded = text.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return 24 <= len(key) <= 64


def _signing(secret: Secret) -> Secret:
    if not _is_shared(secret.reveal()):
        raise refuse(
            "must be `whsec_` and the base64 of 24 to 64 bytes",
            "make one: echo whsec_$(openssl rand -base64 32)",
        )
    return secret


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

#: ``whsec_…``, with which deliveries are signed.
SigningSecret = Annotated[Secret, AfterValidator(_signing)]

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
    """A Standard Webhooks key that we sign deliveries with."""

    secret: SigningSecret = Field(
        description="`whsec_` and base64 of 24 to 64 bytes.",
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

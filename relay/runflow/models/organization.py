"""The organisation: its callback secrets, who a token is, and whether the API is well.

Fields of secrets are those of "create callback signing secret" and "get org callback secret". What
``auth/me`` says is documented nowhere; all of it is kept.
"""

from pydantic import SecretStr

from relay.runflow.models.base import Id, Record, Time

__all__ = ["CallbackSecret", "Health", "Me"]


class CallbackSecret(Record):
    """A secret that signs callbacks. ``plain_secret`` is shown once, when it is created.

    The whole text, ``whsec_`` included, is the key of the HMAC ("guides/verify-callback-signatures").
    """

    id: Id | None = None
    org_id: Id | None = None
    plain_secret: SecretStr | None = None
    key_prefix: str | None = None
    is_current: bool | None = None
    label: str | None = None
    disabled_at: Time | None = None
    last_used_at: Time | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class Me(Record):
    """Who the token belongs to."""


class Health(Record):
    """Whether the API is well: ``status`` is then ``ok``."""

    status: str | None = None

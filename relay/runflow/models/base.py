"""Base: what all models share, and the types of their fields.

Owns how ids, times, amounts and free-form fields are read. Lenient where the documents contradict
themselves or life differs from them, strict where a wrong type would be a wrong fact.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from relay.runflow.answers import Number

__all__ = ["Amount", "Cost", "Id", "Object", "Record", "Time", "is_other"]

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Record(BaseModel):
    """Something the API shows: frozen, with all fields nullable and unknown ones kept.

    A field that the answer did not have is None; ``model_fields_set`` tells it from a null.
    """

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


def _id(value: object) -> object:
    return UUID(value) if isinstance(value, str) and _UUID.fullmatch(value) else value


def is_other(asked: str | UUID, found: str | UUID | None) -> bool:
    """Whether ``found`` is surely not what was asked for.

    A UUID and a text may be two ways of writing one id, so only ids of one form can differ.
    """
    wanted = _id(str(asked))
    return type(wanted) is type(found) and wanted != found


def _utc(value: datetime) -> datetime:
    """In UTC. Without an offset it is UTC already: the API's samples end in ``Z``."""
    try:
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ValueError("a time outside of all calendars") from None


def _digits(value: object) -> object:
    """A number as it was written: 1.10 has two places."""
    return value.text if isinstance(value, Number) else value


#: A UUID wherever it is written as one, else the text: schemas say UUID, samples print ULIDs and
#: ``batch_01J0…`` (concepts/callbacks, guides/batch-process-media).
Id: TypeAlias = Annotated[UUID | str, BeforeValidator(_id)]

#: Aware, in UTC.
Time: TypeAlias = Annotated[datetime, AfterValidator(_utc)]

#: A decimal string by its documented pattern; numbers are taken, too, without going through a float.
Cost: TypeAlias = Annotated[Decimal, BeforeValidator(_digits)]

#: A decimal where it is one; no pattern is documented, so it may be any text.
Amount: TypeAlias = Annotated[Decimal | str, BeforeValidator(_digits)]

#: Documented as an object, and kept whatever it is.
Object: TypeAlias = dict[str, Any] | Any

"""JSON Schema: the settings as editors and Helm read them.

Owns ``json_schema``, written from the models so that it cannot allow what they have no word for. It says less than
they do: limits of times and sizes, and what one setting asks of another, are judged when the file is read. Keeps to
draft 7, which the oldest reader knows, and to constructs whose complaints name the place.
"""

from typing import Any, Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from relay.settings.described import forms, inside
from relay.settings.forms import Form, Text
from relay.settings.root import Settings
from relay.settings.secret import Secret
from relay.settings.section import Section
from relay.settings.shape import is_list, sections_in, tag_of
from relay.settings.store import StoreForm
from relay.settings.units import Whole

__all__ = ["DEFINITIONS", "json_schema"]

Schema = dict[str, Any]

_STRING: Final[Schema] = {"type": "string", "minLength": 1}
_SECRET: Final[Schema] = {
    "type": ["string", "object"],
    "minLength": 1,
    "properties": {"file": _STRING},
    "required": ["file"],
    "additionalProperties": False,
}
#: ``${NAME}`` may stand wherever a text is no word of ours; the value is judged when it is there.
_VARIABLE: Final = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"
_NETWORK: Final[Schema] = {
    "type": "string",
    "pattern": f"^([0-9A-Fa-f.:]+(/[0-9]{{1,3}})?|{_VARIABLE})$",
}
_FILTER: Final = "#/definitions/relay.filter"
#: What each kind of form looks like from outside.
_KINDS: Final[dict[str, Schema]] = {
    "text": _STRING,
    "name": {
        "type": "string",
        "pattern": f"^([a-z0-9]([a-z0-9-]{{0,61}}[a-z0-9])?|.*{_VARIABLE}.*)$",
    },
    "address": _STRING,
    "network": _NETWORK,
    "true, false or list of networks": {
        "type": ["boolean", "array"],
        "items": _NETWORK,
        "maxItems": 64,
    },
    # No login in it: what a schema lets through may be stored where anybody reads it.
    "URL": {
        "type": "string",
        "pattern": rf"^(https?://[^/?#@]+([/?#]|$)|.*{_VARIABLE})",
    },
    "path": _STRING,
    "list of host:port": {
        "type": ["string", "array"],
        "items": _STRING,
        "minItems": 1,
        "maxItems": 64,
    },
    "time": {"type": "string", "pattern": f"^([0-9]{{4}}-[0-9]{{2}}-|{_VARIABLE})"},
    # A bare 0 has to be written 0s: no complaint could say that other numbers need a unit.
    "duration": {
        "type": "string",
        "pattern": f"^([0-9]{{1,15}}(ms|s|m|h|d|y)|{_VARIABLE})$",
    },
    "size": {
        "type": ["string", "integer"],
        "pattern": f"^([0-9]{{1,18}} ?([KMGT]i?B|kB|B)|{_VARIABLE})$",
    },
    "rate": {
        "type": "string",
        "pattern": rf"^([0-9]{{1,9}}(\.[0-9]{{1,3}})?/(s|m|h)|{_VARIABLE})$",
    },
    "filter, or list of filters": {"$ref": "#/definitions/relay.filters"},
    "mapping of names to secrets": {
        "type": "object",
        "additionalProperties": _SECRET,
        "maxProperties": 32,
    },
}
_OPERANDS: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
#: What the schema refers to; it stands beside it, wherever that is.
DEFINITIONS: Final[dict[str, Schema]] = {
    "relay.filter": {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {
            **dict.fromkeys(("exact", "prefix", "suffix", "glob"), _OPERANDS),
            "any": {"type": "array", "minItems": 1, "items": {"$ref": _FILTER}},
            "all": {"type": "array", "minItems": 1, "items": {"$ref": _FILTER}},
            "not": {"$ref": _FILTER},
        },
    },
    "relay.filters": {
        "if": {"type": "array"},
        "then": {"items": {"$ref": _FILTER}},
        "else": {"$ref": _FILTER},
    },
}


def json_schema(section: type[Section] = Settings) -> Schema:
    """Give the schema of a section, and of all below it."""
    fields = section.model_fields
    required = [name for name, field in fields.items() if field.is_required()]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _setting(field) for name, field in fields.items()},
        **({"required": required} if required else {}),
    }


def _setting(field: FieldInfo) -> Schema:
    schema = dict(_kind(field))
    if is_list(field.annotation) and not forms(field.metadata):
        schema = {"type": "array", "items": schema, **_lengths(field)}
    # A reference stands alone in draft 7.
    if "$ref" in schema:
        return schema
    return {"description": field.description or "", **schema}


def _lengths(field: FieldInfo) -> Schema:
    found: Schema = {}
    for item in field.metadata:
        if hasattr(item, "min_length"):
            found["minItems"] = item.min_length
        if hasattr(item, "max_length"):
            found["maxItems"] = item.max_length
    return found


def _kind(field: FieldInfo) -> Schema:
    annotation = field.annotation
    found = forms(field.metadata) or forms(list(inside(annotation)))
    if found:
        return _of_form(found[0])
    parts = list(inside(annotation))
    words = [
        word for part in parts if get_origin(part) is Literal for word in get_args(part)
    ]
    if words:
        return {"type": "string", "enum": words}
    if Secret in parts:
        return _SECRET
    sections = sections_in(annotation)
    if not sections:
        return {"type": "boolean"}
    return json_schema(sections[0]) if len(sections) == 1 else _one_of(sections)


def _one_of(sections: list[type[Section]]) -> Schema:
    """Give a choice by its word, so that a complaint is about the one that is meant."""
    tags = [tag for tag in map(tag_of, sections) if tag is not None]
    name = tags[0][0]
    return {
        "type": "object",
        "required": [name],
        "properties": {name: {"enum": [word for _, word in tags]}},
        "allOf": [
            {
                "if": {"properties": {name: {"const": word}}, "required": [name]},
                "then": json_schema(section),
            }
            for section, (_, word) in zip(sections, tags, strict=True)
        ],
    }


def _of_form(form: Form) -> Schema:
    if isinstance(form, Whole):
        return {"type": "integer", "minimum": form.low, "maximum": form.high}
    if isinstance(form, StoreForm):
        return _SECRET
    if isinstance(form, Text):
        # No pattern: readers in Go know no look-ahead. The text is judged when the file is read.
        return {**_STRING, "maxLength": max(form.maximum, 1024)}
    if not form.limits.endswith("or `off`"):
        return _KINDS[form.kind]
    if form.kind == "whole number":
        return {"type": ["integer", "string"], "minimum": 1, "pattern": "^off$"}
    return {
        "type": "string",
        "pattern": _KINDS[form.kind]["pattern"].replace("^(", "^(off|"),
    }

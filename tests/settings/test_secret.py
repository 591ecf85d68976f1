"""A secret is used and never seen."""

import copy
import pickle
import traceback
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from relay.settings import ConfigError, HttpDestination, Secret, Settings, load, parse
from relay.settings.document import UnreadableError

HIDDEN = "whsec_hidden_hidden"


class Holder(BaseModel):
    secret: Secret


def test_a_secret_gives_its_text_to_who_asks_for_it() -> None:
    assert Secret(HIDDEN).reveal() == HIDDEN


def test_a_secret_never_prints() -> None:
    secret = Secret(HIDDEN)
    holder = Holder(secret=secret)
    shown = [
        str(secret),
        repr(secret),
        f"{secret} {secret:>40} {secret!r} {secret!s}",
        "%s %r" % (secret, secret),  # noqa: UP031 - one more way to print
        repr([secret]),
        repr(holder),
        str(holder),
        holder.model_dump_json(),
        str(holder.model_dump()),
        str(holder.model_dump(mode="json")),
    ]
    assert [text for text in shown if "hidden" in text] == []
    assert holder.model_dump_json() == '{"secret":"***"}'


def test_a_secret_has_no_attributes_to_look_into() -> None:
    assert not hasattr(Secret(HIDDEN), "__dict__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(HIDDEN), protocol)


def test_a_copy_of_a_secret_is_the_secret() -> None:
    secret = Secret(HIDDEN)
    assert (
        copy.copy(secret) is secret,
        copy.deepcopy(secret) is secret,
    ) == (True, True)


def test_secrets_are_equal_when_their_texts_are() -> None:
    assert Secret(HIDDEN) == Secret(HIDDEN)
    assert Secret(HIDDEN) != Secret("another")
    assert Secret(HIDDEN) != HIDDEN
    assert len({Secret(HIDDEN), Secret(HIDDEN)}) == 1


def test_a_secret_is_not_empty() -> None:
    with pytest.raises(ValueError, match="empty"):
        Secret("")


def test_a_validation_error_does_not_show_what_was_put_in() -> None:
    with pytest.raises(ValidationError) as caught:
        HttpDestination.model_validate(
            {
                "name": "x",
                "kind": "http",
                "url": "http://a/",
                "secret": HIDDEN,
                "to": HIDDEN,
            }
        )
    shown = "".join(traceback.format_exception(caught.value))
    shown += str(caught.value.errors(include_input=False))
    assert "hidden" not in shown


def test_the_settings_do_not_show_their_secrets(
    settings: Settings, environ: dict[str, str]
) -> None:
    secrets = [environ[name] for name in ("K1", "K2", "W1", "W2", "S1", "PASSWORD")]
    secrets.append("whsec_from_a_file")
    shown = (
        repr(settings)
        + str(settings)
        + str(settings.model_dump())
        + settings.model_dump_json()
        + "".join(repr(key) for source in settings.sources for key in source.keys)
    )
    assert [secret for secret in secrets if secret in shown] == []


def _shown(text: str, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, environ, file="relay.yaml")
    return "".join(traceback.format_exception(caught.value)) + repr(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "sources: [{name: acme, secret: HERE, unknown: HERE}]",
        "sources: [{name: HERE, secret: [HERE]}]",
        "sources: [{name: acme, secrets: [{id: HERE, secret: {file: HERE}}]}]",
        "sources: [{name: acme, secrets: HERE, require: [HERE]}]",
        "destinations: [{name: a, kind: HERE}]",
        "destinations: [{name: a, kind: http, url: 'http://u:HERE@a/', secret: HERE}]",
        "destinations: [{name: a, kind: kafka, topic: 'HERE!', tls: {ca: HERE}}]",
        "destinations: [{name: a, kind: kafka, sasl: {mechanism: HERE, password: 5}}]",
        "routes: [{name: r, match: HERE, to: [HERE]}]",
        "store: postgresql://relay:HERE@db/relay",
        "public: {listen: HERE, url: HERE, trusted_proxies: [HERE]}",
        "limits: {body_bytes: HERE, ack_timeout: HERE, headers: HERE}",
        "log: {level: HERE}",
        "a: {secret: HERE: x",
        "HERE",
        "a: !x HERE",
        "log: 'HERE",
    ],
)
def test_no_mistake_shows_a_secret_that_stands_anywhere(text: str) -> None:
    assert "hidden" not in _shown(text.replace("HERE", HIDDEN), {})


@pytest.mark.parametrize(
    "text",
    [
        "destinations: [{name: a, kind: '${WORD}'}]",
        "sources: [{name: '${WORD}', require: ['${WORD}']}]",
        "routes: [{name: r, match: [], to: ['${WORD}']}]",
        "log: {format: '${WORD}'}",
        "{}",
    ],
)
def test_no_mistake_shows_what_a_variable_brought_in(text: str) -> None:
    """Words of a closed list are shown when they are wrong, but only those of the file."""
    environ = {"WORD": "hiddenword", "RELAY__LOG__LEVEL": "hiddenword"}
    assert "hidden" not in _shown(text, environ)


def test_an_error_brings_no_other_error_along_that_holds_the_input(
    tmp_path: Path,
) -> None:
    path = tmp_path / "relay.yaml"
    errors: list[BaseException] = []
    for text in ("sources: [{secret: whsec_x}]", "a: {secret: b: c", "- whsec_x"):
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        errors.append(caught.value)
    contexts = [error.__context__ for error in errors] + [e.__cause__ for e in errors]
    assert contexts == [None] * 6
    assert not any(isinstance(error, UnreadableError) for error in errors)

"""Loading: from a file and an environment to settings, or to every mistake at once.

Owns the order of the steps, and how much of the file a reader asks for. Reads the file that it is given (and, through the models, the files that
the configuration names); looks for nothing by itself.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relay.settings.checks import CheckMatch, check
from relay.settings.document import Document, UnreadableError, read_document
from relay.settings.doubts import note_doubts
from relay.settings.environment import PREFIX, fill, override
from relay.settings.mistakes import ConfigError, Mistake, in_order
from relay.settings.root import DATA_DIR, Place, Settings
from relay.settings.wording import explain

__all__ = ["FILE_MAX", "load", "load_place", "parse", "review"]

_Model = TypeVar("_Model", bound=Place)

#: Largest configuration file, in bytes.
FILE_MAX: Final = 1 << 20


def load(
    path: Path | str,
    environ: Mapping[str, str],
    *,
    check_match: CheckMatch | None = None,
) -> Settings:
    """Read a configuration file.

    ``check_match`` judges each route's filter: it gives what is wrong with it, or ``None``.

    Raises:
        ConfigError: The file cannot be used; it carries every mistake.
    """
    document = _document(_text(Path(path)), str(path))
    return _settings(document, environ, str(path), check_match)


def review(
    path: Path | str,
    environ: Mapping[str, str],
    *,
    now: datetime,
    check_match: CheckMatch | None = None,
) -> tuple[Settings, tuple[Mistake, ...]]:
    """Read a configuration file, and note what is odd about it without being a mistake.

    Raises:
        ConfigError: The file cannot be used; it carries every mistake.
    """
    document = _document(_text(Path(path)), str(path))
    settings = _settings(document, environ, str(path), check_match)
    note_doubts(settings, document, now)
    return settings, in_order(document.mistakes)


def load_place(path: Path | str, environ: Mapping[str, str]) -> Place:
    """Read where the store is, and nothing else of the file: no secret need be there for it.

    Raises:
        ConfigError: That cannot be read.
    """
    document = _document(_text(Path(path)), str(path))
    asked = Place.model_fields
    document.data = {key: document.data[key] for key in asked if key in document.data}
    document.mistakes = [one for one in document.mistakes if one.path in asked]
    names = {PREFIX + key.upper() for key in asked}
    fill(document, environ)
    override(document, {name: environ[name] for name in names if name in environ})
    return _sound(Place, document, str(path))


def parse(
    text: str,
    environ: Mapping[str, str],
    *,
    file: str,
    check_match: CheckMatch | None = None,
) -> Settings:
    """Read a configuration's text; ``file`` is what its mistakes call it.

    Raises:
        ConfigError: The text cannot be used; it carries every mistake.
    """
    return _settings(_document(text, file), environ, file, check_match)


def _settings(
    document: Document,
    environ: Mapping[str, str],
    file: str,
    check_match: CheckMatch | None,
) -> Settings:
    fill(document, environ)
    override(document, environ)
    check(document, check_match)
    return _sound(Settings, document, file)


def _document(text: str | Mistake, file: str) -> Document:
    if isinstance(text, Mistake):
        raise ConfigError(file, [text])
    try:
        return read_document(text)
    except UnreadableError as error:
        mistake = error.mistake
    # Raised here, not above: what the reader's error holds is the file's text.
    raise ConfigError(file, [mistake])


def _sound(model: type[_Model], document: Document, file: str) -> _Model:
    settings = _validated(model, document)
    if settings is None or document.mistakes:
        raise ConfigError(file, document.mistakes)
    return settings


def _text(path: Path) -> str | Mistake:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except FileNotFoundError:
        hint = "name yours: --config FILE, or RELAY_CONFIG"
        return _unusable("there is no such file", hint=hint)
    except OSError as error:
        return _unusable(f"cannot be read: {error.strerror or type(error).__name__}")
    if len(content) > FILE_MAX:
        return _unusable(f"is larger than {FILE_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _unusable("is not UTF-8", line)


def _unusable(message: str, line: int | None = None, hint: str = "") -> Mistake:
    return Mistake(path="", line=line, message=message, hint=hint)


def _validated(model: type[_Model], document: Document) -> _Model | None:
    """Build the settings, or note why not.

    The error is dropped with its inputs and never becomes another's context: it holds secrets.
    """
    base = document.data.get("data_dir")
    anchor = Path(base) if isinstance(base, str) else DATA_DIR
    errors: list[ErrorDetails]
    try:
        return model.model_validate(document.data, context={"anchor": anchor})
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
    explain(document, errors)
    return None

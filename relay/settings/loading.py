"""Loading: from a file and an environment to settings, or to every mistake at once.

Owns the order of the steps. Reads the file that it is given (and, through the models, the files that
the configuration names); looks for nothing by itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relay.settings.checks import CheckMatch, check
from relay.settings.document import Document, UnreadableError, read_document
from relay.settings.environment import fill, override
from relay.settings.mistakes import ConfigError, Mistake
from relay.settings.root import DATA_DIR, Settings
from relay.settings.wording import explain

__all__ = ["FILE_MAX", "load", "parse"]

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
    text = _text(Path(path))
    if isinstance(text, Mistake):
        raise ConfigError(str(path), [text])
    return parse(text, environ, file=str(path), check_match=check_match)


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
    try:
        document = read_document(text)
    except UnreadableError as error:
        mistake = error.mistake
    else:
        fill(document, environ)
        override(document, environ)
        check(document, check_match)
        settings = _validated(document)
        if settings is not None and not document.mistakes:
            return settings
        raise ConfigError(file, document.mistakes)
    raise ConfigError(file, [mistake])


def _text(path: Path) -> str | Mistake:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except FileNotFoundError:
        return _unusable("there is no such file")
    except OSError as error:
        return _unusable(f"cannot be read: {error.strerror or type(error).__name__}")
    if len(content) > FILE_MAX:
        return _unusable(f"is larger than {FILE_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _unusable("is not UTF-8", line)


def _unusable(message: str, line: int | None = None) -> Mistake:
    return Mistake(path="", line=line, message=message)


def _validated(document: Document) -> Settings | None:
    """Build the settings, or note why not.

    The error is dropped with its inputs and never becomes another's context: it holds secrets.
    """
    base = document.data.get("data_dir")
    anchor = Path(base) if isinstance(base, str) else DATA_DIR
    errors: list[ErrorDetails]
    try:
        return Settings.model_validate(document.data, context={"anchor": anchor})
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
    explain(document, errors)
    return None

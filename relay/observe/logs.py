"""Logs: one wide line per thing that happened, to standard error.

Owns the form of log lines. Secrets are a type that prints as ``***``, so nothing has to be redacted
here. Successful deliveries are not logged line by line: at thousands a second the lines would cost
more than the work.
"""

import logging
import sys
from typing import Final, Literal

import structlog

from relay.observe.lines import Lines

__all__ = ["Format", "Level", "configure"]

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console", "auto"]

#: A logger without any handler would speak to standard error.
_UNHEARD: Final = logging.NullHandler()


class _Handler(logging.Handler):
    """Hands what libraries say to the same lines."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.msg(self.format(record))


def configure(*, level: Level, form: Format) -> Lines:
    """Set up logging for the process. ``auto`` is ``console`` at a terminal and ``json`` elsewhere.

    Gives what writes the lines, so that the last ones can be waited for.
    """
    lines = Lines(sys.stderr)
    number = logging.getLevelNamesMapping()[level.upper()]
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _head_first,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The default shows the variables of every frame, secrets among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    formatted = [] if console else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *formatted, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    handler = _Handler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *formatted,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak only when something is wrong; what they say of our destinations we say better:
    # the Kafka sender listens to this one by itself.
    root.setLevel(max(number, logging.WARNING))
    kafka = logging.getLogger("aiokafka")
    kafka.propagate = False
    kafka.addHandler(_UNHEARD)
    return lines


def _head_first(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Let lines begin alike, so that eyes can run down them."""
    head = {key: line[key] for key in ("timestamp", "level", "event") if key in line}
    return head | dict(line)

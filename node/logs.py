"""Renders every log record of the process, ours and the libraries', in one form on stderr.

Tracebacks never show local variables: a private key may stand in a frame. On a terminal, what a
terminal would act on is escaped, for a log quotes strangers. Whoever logs an id gives it whole, as
an extra field: `task`, `peer` or `record`, so that it can be searched for, and explained.
"""

import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from node.commands_text import printable
from node.log_pace import LinePace

LogFormat = Literal["auto", "json", "console"]
LOG_FORMATS: tuple[LogFormat, ...] = ("auto", "json", "console")
LOG_LEVELS = ("debug", "info", "warning", "error")

# What these say at a lower level is about their own inner life.
_QUIET = {
    "libp2p": logging.WARNING,
    "multiaddr": logging.WARNING,
    "hypercorn.error": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "urllib3": logging.WARNING,
    "filelock": logging.WARNING,
}

Event = MutableMapping[str, Any]


def configure_logs(
    *,
    log_format: LogFormat = "auto",
    level: str = "info",
    stream: TextIO | None = None,
    node: str = "",
) -> None:
    """Send every record of the process to one stream; a later call replaces an earlier one.

    Call it after libraries that install handlers of their own were imported: theirs are removed,
    so that nothing is written twice or to stdout.

    Args:
        log_format: `auto` is `console` on a terminal and `json` elsewhere.
        level: The lowest level shown, one of LOG_LEVELS; libraries are held to `warning`.
        stream: Where lines go; stderr if None.
        node: The nickname every line bears; none if empty.
    """
    target = sys.stderr if stream is None else stream
    on_terminal = target.isatty()
    as_json = log_format == "json" or (log_format == "auto" and not on_terminal)
    handler = _PacedHandler(target)
    shared = _shared(node)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_json_chain() if as_json else _console_chain(colors=on_terminal)),
            ],
        )
    )
    _take_over(handler, getattr(logging, level.upper()))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _PacedHandler(logging.StreamHandler[TextIO]):
    """Writes lines, but not without end."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._pace = LinePace()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it."""
        for line in self._pace.admit(record, time.monotonic()):
            super().emit(line)


def _take_over(handler: logging.Handler, level: int) -> None:
    """Make `handler` the only one, and let every logger's records reach it."""
    for name in list(logging.Logger.manager.loggerDict):
        known = logging.getLogger(name)
        if known.handlers:
            known.handlers.clear()
        known.propagate = True
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, lowest in _QUIET.items():
        logging.getLogger(name).setLevel(max(lowest, level))
    logging.captureWarnings(True)


def _shared(node: str) -> list[structlog.typing.Processor]:
    def name_node(_: object, __: str, event: Event) -> Event:
        if node:
            event["node"] = node
        return event

    return [
        structlog.contextvars.merge_contextvars,
        name_node,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _json_chain() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(sort_keys=True, default=str),
    ]


def _console_chain(*, colors: bool) -> list[structlog.typing.Processor]:
    return [
        structlog.processors.format_exc_info,  # plain text, so that it can be escaped below
        _escape,
        structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _escape(_: object, __: str, event: Event) -> Event:
    for key, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if key in ("exception", "stack") else [value]
            event[key] = "\n".join(printable(line) for line in lines)
    return event

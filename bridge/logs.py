"""Logging: events to standard error, as text on a terminal and as JSON lines elsewhere."""

import logging
import sys
from contextlib import nullcontext, suppress
from functools import partial
from typing import Literal, NoReturn, TextIO

import stamina
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["text", "json"]

SECRETS = frozenset({"secret", "password", "password_hash", "token", "authorization"})
"""Keys whose values never reach a log, whoever passes them."""


_STEPS: list[Processor] = []
"""What is done with an event: one list for good, so that a logger that was used before follows."""


def configure(log_format: LogFormat | None = None) -> None:
    """Set up logging for this process; None chooses by whether standard error is a terminal."""
    text = log_format == "text" or (log_format is None and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not text),
        _without_secrets,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if text
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    last: list[Processor] = [structlog.processors.format_exc_info, renderer]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    # Ours go straight to where the handler writes: its records took most of a line's time.
    _STEPS[:] = [*shared, *last, partial(_write, handler)]
    structlog.configure(
        processors=_STEPS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    # Its own line for a retry spells out every argument; ours says what failed and why.
    stamina.instrumentation.set_on_retry_hooks([])
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # What these libraries say at INFO is noise, or a line for each request.
    for noisy in ("paramiko", "pyftpdlib", "httpx", "httpcore", "uvicorn", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It calls it an error when it is stopped; what really fails it raises.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)


def _write(
    handler: "logging.StreamHandler[TextIO]", _: WrappedLogger, __: str, line: EventDict
) -> NoReturn:
    """Write a rendered line, and be done; where that fails, nobody who logs shall fail for it."""
    with suppress(OSError, ValueError), handler.lock or nullcontext():
        handler.stream.write(f"{line}\n")
        handler.flush()
    raise structlog.DropEvent


def _without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key in SECRETS & event.keys():
        event[key] = "***"
    return event

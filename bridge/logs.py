"""Logging: events to standard error, as text on a terminal and as JSON lines elsewhere."""

import logging
import sys
from typing import Literal

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
    _STEPS[:] = [*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    structlog.configure(
        processors=_STEPS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
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


def _without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key in SECRETS & event.keys():
        event[key] = "***"
    return event

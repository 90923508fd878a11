"""The three pages, as an ASGI application over settings and ledger."""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bridge.account import utc_now
from bridge.errors import BridgeError, LedgerError
from bridge.ledger import Ledger, summary
from bridge.settings import Settings
from bridge.status import Status, look
from bridge.status.page import page
from bridge.status.text import SUPPORT, command_line
from bridge.web.guard import Guard
from bridge.web.metrics import registry

REFRESH = 30
"""Seconds after which the page loads itself again."""

_TEMPLATES = Path(__file__).parent / "templates"
_UNAVAILABLE = 503


def create_app(
    settings: Settings, ledger: Ledger, clock: Callable[[], datetime] = utc_now
) -> Starlette:
    """Return the application; what cannot be looked up is answered with 503 and the reason."""

    def now() -> Status:
        return look(settings, ledger, now=clock())

    style = (_TEMPLATES / "status.css").read_text(encoding="utf-8")
    numbers = registry(now)
    return Starlette(
        routes=[
            Route("/", _endpoint(partial(_status_page, now, style)), methods=["GET"]),
            Route("/metrics", _endpoint(partial(_metrics, numbers)), methods=["GET"]),
            Route("/healthz", _endpoint(partial(_health, ledger)), methods=["GET"]),
        ],
        middleware=[Middleware(Guard, host=settings.web.host, styles=[_hash(style)])],
        exception_handlers={BridgeError: _unavailable},
    )


def _endpoint(answer: Callable[[], Response]) -> Callable[[Request], Response]:
    """Return a function that Starlette runs in a thread: the ledger's answers block."""

    def endpoint(_: Request) -> Response:
        return answer()

    return endpoint


def _status_page(now: Callable[[], Status], style: str) -> Response:
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = templates.get_template("status.html").render(
        page=page(now()),
        command=partial(command_line, config="FILE"),
        support=SUPPORT,
        refresh=REFRESH,
        style=Markup(style),  # noqa: S704  (our own file)
    )
    return HTMLResponse(html)


def _metrics(numbers: CollectorRegistry) -> Response:
    return Response(generate_latest(numbers), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _health(ledger: Ledger) -> Response:
    try:
        with ledger.read() as connection:
            parts = {part.name: part.running for part in summary.components(connection)}
    except LedgerError:
        return JSONResponse({"status": "failing", "ledger": False}, _UNAVAILABLE)
    fine = all(parts.values())
    return JSONResponse(
        {"status": "ok" if fine else "failing", "ledger": True, "components": parts},
        200 if fine else _UNAVAILABLE,
    )


def _unavailable(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", _UNAVAILABLE)


def _hash(style: str) -> str:
    digest = hashlib.sha256(style.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"

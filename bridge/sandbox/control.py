"""The control interface under `/_sandbox`: what a test in another process asks of the hub.

No token, loopback only. The words are those of `Book` and `Faults`, spelled in JSON.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import SettingsError
from bridge.model import State, StateUpdate
from bridge.sandbox import wire
from bridge.sandbox.book import Book
from bridge.sandbox.codes import HubRefusalError
from bridge.sandbox.fault_spec import read_spec
from bridge.sandbox.journal import Request
from bridge.settings import is_loopback

ROOT = "_sandbox"

Handler = Callable[[HttpRequest], Awaitable[Response]]


class BadRequestError(Exception):
    """A request that the control interface cannot use; the text says why."""


class Control:
    """The handlers; `application` makes them an ASGI application."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def application(self) -> Starlette:
        """Return the application."""
        table: Mapping[str, Mapping[str, Handler]] = {
            "/state": {"GET": self._state},
            "/journal": {"GET": self._journal, "DELETE": self._forget},
            "/invoices": {"GET": self._invoices, "POST": self._add_invoices},
            "/invoices/{hub_id}/attachments": {"POST": self._add_attachment},
            "/invoices/{hub_id}/state": {"POST": self._set_state},
            "/faults": {
                "GET": self._faults,
                "POST": self._add_fault,
                "DELETE": self._clear_faults,
            },
            "/clock": {"GET": self._clock, "POST": self._set_clock},
        }
        routes = [
            Route(f"/{ROOT}{path}", _guarded(handler), methods=[method])
            for path, handlers in table.items()
            for method, handler in handlers.items()
        ]
        return Starlette(routes=routes)

    async def _state(self, _request: HttpRequest) -> Response:
        book = self._book
        return JSONResponse(
            {
                "invoices": len(book.hub_ids),
                "pending": len(book.pending),
                "pending_attachments": len(book.pending_attachments),
                "requests": len(book.journal),
                "faults": len(book.faults.waiting),
                "clock_offset": book.clock_offset,
                "delay": book.delay,
            }
        )

    async def _journal(self, request: HttpRequest) -> Response:
        wanted = dict(request.query_params)
        rows = [
            row
            for row in map(_row, self._book.journal)
            if all(str(row.get(name)) == value for name, value in wanted.items())
        ]
        return JSONResponse({"requests": rows})

    async def _forget(self, _request: HttpRequest) -> Response:
        self._book.clear_journal()
        return Response(status_code=204)

    async def _invoices(self, _request: HttpRequest) -> Response:
        rows = [
            {
                "id": hub_id,
                "pending": self._book.held(hub_id).pending,
                "states": self._book.states(hub_id),
            }
            for hub_id in self._book.hub_ids
        ]
        return JSONResponse({"invoices": rows})

    async def _add_invoices(self, request: HttpRequest) -> Response:
        fields = await _fields(request)
        count = _number(fields.pop("count", 1))
        if "facturae" in fields:
            fields["facturae"] = _decoded(fields["facturae"])
        _only(fields, "facturae", "receipt", "registered", "history", "attachments")
        ids = [self._book.add_invoice(**fields) for _ in range(int(count))]
        return JSONResponse({"ids": ids}, status_code=201)

    async def _add_attachment(self, request: HttpRequest) -> Response:
        fields = await _fields(request)
        self._book.held(request.path_params["hub_id"])
        attachment_id = self._book.add_attachment(
            request.path_params["hub_id"],
            str(fields.get("name", "annex.txt")),
            _decoded(fields.get("content", "")),
            str(fields.get("content_type", "application/octet-stream")),
        )
        return JSONResponse({"id": attachment_id}, status_code=201)

    async def _set_state(self, request: HttpRequest) -> Response:
        fields = await _fields(request)
        _only(fields, "state", "register_number", "reason_code", "reason")
        self._book.held(request.path_params["hub_id"])
        state = State(fields.pop("state", None))
        self._book.set_state(request.path_params["hub_id"], StateUpdate(state=state, **fields))
        return Response(status_code=204)

    async def _faults(self, _request: HttpRequest) -> Response:
        return JSONResponse({"faults": [asdict(fault) for fault in self._book.faults.waiting]})

    async def _add_fault(self, request: HttpRequest) -> Response:
        fields = await _fields(request)
        if "spec" in fields:
            _only(fields, "spec")
            read_spec(str(fields["spec"])).come_over(self._book)
            return await self._faults(request)
        if fields.get("times") == "forever":
            fields["times"] = None
        return JSONResponse(asdict(self._book.faults.fail(**fields)), status_code=201)

    async def _clear_faults(self, _request: HttpRequest) -> Response:
        self._book.faults.clear()
        return Response(status_code=204)

    async def _clock(self, _request: HttpRequest) -> Response:
        now = wire.date_time(self._book.now(), milliseconds=True)
        return JSONResponse({"offset": self._book.clock_offset, "now": now})

    async def _set_clock(self, request: HttpRequest) -> Response:
        fields = await _fields(request)
        _only(fields, "offset", "delay")
        if "offset" in fields:
            self._book.clock_offset = _number(fields["offset"])
        if "delay" in fields:
            self._book.delay = max(0.0, _number(fields["delay"]))
        return await self._clock(request)


def _guarded(handler: Handler) -> Handler:
    """Let only loopback in, and answer a wrong request with the reason."""

    async def guarded(request: HttpRequest) -> Response:
        if request.client is None or not is_loopback(request.client.host):
            return JSONResponse({"error": "loopback only"}, status_code=403)
        try:
            return await handler(request)
        except HubRefusalError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        except (BadRequestError, SettingsError, TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return guarded


async def _fields(request: HttpRequest) -> dict[str, Any]:
    body = await request.body()
    fields = json.loads(body or b"{}")
    if not isinstance(fields, dict):
        raise BadRequestError("a JSON object is wanted")
    return fields


def _only(fields: Mapping[str, Any], *known: str) -> None:
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise BadRequestError(f"unknown: {', '.join(unknown)}; known are {', '.join(known)}")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequestError(f"a number is wanted, not {value!r}")
    return value


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except binascii.Error as error:
        raise BadRequestError("files are given in base64") from error


def _row(request: Request) -> dict[str, Any]:
    return {**asdict(request), "at": request.at.isoformat()}

"""A small real HTTP server that answers what a test tells it to, well or badly.

Not the sandbox: this one knows nothing of the hub's rules, so that it can break all of them.
"""

import json
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Self

import pytest

from bridge.hub import lines, wire
from bridge.settings import HubSettings

ACTION = Callable[["Handler"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; `sent` is how many bytes of its body really go out before the line is cut."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What arrived: the path as it was on the wire."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int
    """Of the client: one per connection."""


def json_reply(value: object, *, status: int = 200, **headers: str) -> Reply:
    """Answer with JSON."""
    return Reply(
        status=status,
        body=json.dumps(value).encode(),
        headers={"Content-Type": "application/json"}
        | {name.replace("_", "-"): text for name, text in headers.items()},
    )


def error_reply(code: int, text: str = "ho sentim", *, status: int, **headers: str) -> Reply:
    """Answer with an error in the hub's form."""
    return json_reply({"codiError": code, "descripcioError": text}, status=status, **headers)


def file_reply(body: bytes, content_type: str = "application/xml") -> Reply:
    """Answer with a file."""
    return Reply(body=body, headers={"Content-Type": content_type})


def http_date(moment: Any) -> str:
    """Write a time as the `Date` header does."""
    return format_datetime(moment, usegmt=True)


def reset(handler: "Handler") -> None:
    """Drop the connection the hard way, with RST."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    os.close(handler.connection.detach())  # close() would wait for the file made of the socket
    handler.close_connection = True


def hang_up(handler: "Handler") -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def hang(handler: "Handler") -> None:
    """Say nothing until the server is stopped."""
    handler.hub.too_late()
    handler.hub.stopped.wait()
    handler.close_connection = True


def drip(handler: "Handler") -> None:
    """Send a body byte by byte that would take for ever."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.hub.too_late()
    while not handler.hub.stopped.wait(0.01):
        handler.wfile.write(b" ")


def drip_headers(handler: "Handler") -> None:
    """Send headers byte by byte that would take for ever."""
    handler.send_response_only(200)
    handler.send_header("X-Slow", "")
    handler.flush_headers()
    handler.hub.too_late()
    while not handler.hub.stopped.wait(0.01):
        handler.wfile.write(b"a")


def drip_without_length(handler: "Handler") -> None:
    """Send a body byte by byte of which nobody knows where it ends."""
    handler.send_response_only(200)
    handler.end_headers()
    handler.hub.too_late()
    while not handler.hub.stopped.wait(0.01):
        handler.wfile.write(b" ")


def garbage(handler: "Handler") -> None:
    """Answer something that is no HTTP."""
    handler.wfile.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    handler.close_connection = True


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    hub: "HubServer"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        request = Request(
            method=self.command,
            path=self.path,
            headers=dict(self.headers.items()),
            body=self.rfile.read(length),
            port=self.client_address[1],
        )
        answer = self.hub.answer(request)
        if isinstance(answer, Reply):
            self.reply(answer)
        else:
            answer(self)

    do_GET = do_PATCH = do_DELETE = _serve  # noqa: N815

    def reply(self, reply: Reply) -> None:
        """Send an answer."""
        lowered = {name.lower() for name in reply.headers}
        self.send_response_only(reply.status)
        if "date" not in lowered:
            self.send_header("Date", self.date_time_string())
        for name, value in reply.headers.items():
            if value:
                self.send_header(name, value)
        if not lowered & {"content-length", "transfer-encoding"}:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: reply.sent])
        if reply.sent is not None or self.hub.forgets_connections:
            self.close_connection = True  # without having said so

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


class HubServer:
    """Answers with the script, one entry a request, or with `respond` where there is one."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: deque[Reply | ACTION] = deque()
        self.respond: Callable[[Request], Reply | ACTION] | None = None
        self.stopped = Event()
        self.too_late: Callable[[], None] = lambda: None
        """Called when an answer has begun that has no end."""
        self.forgets_connections = False
        self._lock = Lock()
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The base URL, as in the settings."""
        return f"http://127.0.0.1:{self._server.server_port}/rcf"

    def settings(self, **changes: Any) -> HubSettings:
        """Return settings that lead here."""
        return HubSettings(base_url=self.url, **({"timeout": 20} | changes))

    def says(self, *script: Reply | ACTION) -> None:
        """Answer the next requests so."""
        self.script.extend(script)

    def answer(self, request: Request) -> Reply | ACTION:
        """Take the next answer; what was not scripted is a teapot, which no test expects."""
        with self._lock:
            self.requests.append(request)
            if self.respond is not None:
                return self.respond(request)
            return self.script.popleft() if self.script else Reply(status=418)

    @property
    def asked(self) -> list[str]:
        """The requests so far, as `GET /factura/1`."""
        return [f"{one.method} {one.path.removeprefix('/rcf')}" for one in self.requests]


class StandingClock:
    """The clock of the deadlines of calls: it stands still until a test moves it on.

    So a machine that is slow to send a request is no hub that is slow to answer.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 0.0
        for module in (wire, lines):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return self._now

    def pass_by(self) -> None:
        self._now += 3600


def little_patience(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time of a call be over once its answer is one without an end, and not before."""
    for module in (wire, lines):
        monkeypatch.setattr(module, "PATIENCE", 0.02)  # it is seen soon
    hub.too_late = StandingClock(monkeypatch).pass_by

"""The connections to the hub: at most so many, each used by one thread at a time.

httpcore's own pool must not be shared by threads: looking for an idle connection, one thread can
close another that was just given out, and the call on it hangs until its timeout, or fails
(httpcore 1.0.9, encode/httpcore#1110). For a write that is an unclear answer out of nothing. So a
line here is a transport of httpx of its own with one connection, and threads take turns. It is the
transport alone, below httpx's client: cookies, redirects and credentials of a URL, which the client
would see to at every request, are not for a token that goes to one hub.

httpx bounds each read by the timeout, but not how many there are: an answer that drips, in its
headers or its body, would hold a thread for ever. So each call has a deadline, and while there are
calls one thread looks now and then for those beyond theirs, and ends them.
"""

import math
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Condition, Event, Thread
from typing import Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from bridge.settings import HubSettings, is_loopback

PATIENCE = 2
"""How many timeouts a call may take before its body counts."""


class NoLineError(Exception):
    """There is no line to send on: nothing was sent."""


class Line:
    """One connection to the hub, made when it is needed and kept for the next call."""

    def __init__(self, http: httpx.BaseTransport) -> None:
        self.http = http
        self.deadline = math.inf
        """When the call under way is ended, by the monotonic clock."""
        self.ended: str | None = None
        """Why the call under way was ended from here, if it was: what came may not be the whole."""
        self._socket: socket.socket | None = None

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of the answer is still to be read."""
        request.extensions["trace"] = self._note_socket
        return self.http.handle_request(request)

    def interrupt(self, why: str) -> None:
        """End the call under way in another thread: closing a socket would not wake it."""
        self.ended = why
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # beneath TLS

    def _note_socket(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")


class Lines:
    """The lines of one account; calls wait their turn for a free one."""

    def __init__(
        self,
        make: Callable[[], httpx.BaseTransport],
        *,
        most: int,
        patience: float,
        look_every: float,
    ) -> None:
        """Take how to make a transport, how many at most, and how many seconds to wait.

        `look_every`: how many seconds a call can be beyond its deadline before that is seen.
        """
        self._make = make
        self._most = most
        self._patience = patience
        self._look_every = look_every
        self._all: list[Line] = []
        self._free: list[Line] = []
        self._is_watched = False
        self._closing = Event()
        self._changed = Condition()

    def check_open(self) -> None:
        """Raise NoLineError after `close`."""
        if self._closing.is_set():
            raise NoLineError("the client was closed")

    def close(self) -> None:
        """Close the free lines and end the calls on the others, whose threads close them."""
        with self._changed:
            self._closing.set()
            for line in self._all:
                if line in self._free:
                    line.http.close()
                else:
                    line.interrupt("the client was closed")
            self._changed.notify_all()

    def take(self) -> Line:
        """Return a line for `give_back`.

        Raises NoLineError when none gets free in time, or after `close`.
        """
        with self._changed:
            is_ready = self._changed.wait_for(self._is_ready, self._patience)
            self.check_open()
            if not is_ready:
                raise NoLineError("all connections are busy (hub.max_connections)")
            line = self._free.pop() if self._free else self._one_more()
            line.deadline, line.ended = math.inf, None
            if not self._is_watched:
                Thread(target=self._watch, name="hub deadlines", daemon=True).start()
                self._is_watched = True
            return line

    def _one_more(self) -> Line:
        line = Line(self._make())
        self._all.append(line)
        return line

    def _watch(self) -> None:
        """End calls beyond their deadline, until none is under way."""
        while not self._closing.wait(self._look_every):
            with self._changed:
                busy = [line for line in self._all if line not in self._free]
                if not busy:
                    self._is_watched = False
                    return
                now = time.monotonic()
                for line in busy:
                    if line.deadline < now:
                        line.interrupt("the answer comes too slowly")

    def _is_ready(self) -> bool:
        return self._closing.is_set() or bool(self._free) or len(self._all) < self._most

    def give_back(self, line: Line) -> None:
        """Let the next call have a line."""
        with self._changed:
            if self._closing.is_set():
                line.http.close()
            self._free.append(line)
            self._changed.notify()


def lines_to(settings: HubSettings) -> Lines:
    """Return the lines to the hub of these settings; none is open yet."""
    url = urlsplit(settings.base_url)
    authorities, proxy = _authorities(url.scheme), _proxy(url)

    def make() -> httpx.BaseTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        try:
            return httpx.HTTPTransport(verify=authorities, limits=limits, proxy=proxy)
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            raise NoLineError(f"the environment's proxy cannot be used: {error}") from error

    return Lines(
        make,
        most=settings.max_connections,
        patience=(PATIENCE + 1) * settings.timeout,  # whoever has a line gives it back in time
        look_every=PATIENCE * settings.timeout / 8,
    )


def _proxy(url: SplitResult) -> str | None:
    """Return the proxy that the environment names for a URL; none leads to this machine."""
    host = url.hostname or ""
    if is_loopback(host) or proxy_bypass(f"{host}:{url.port or 443}"):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return found if found is None or "://" in found else f"http://{found}"


def _authorities(scheme: str) -> ssl.SSLContext:
    """Return whom to trust: this system's authorities, not the list that httpx brings."""
    if scheme == "https":
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nobody: not needed, and slow to load

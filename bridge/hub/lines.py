"""The connections to the hub: at most so many, each used by one thread at a time.

httpcore's own pool must not be shared by threads: looking for an idle connection, one thread can
close another that was just given out, and the call on it hangs until its timeout, or fails
(httpcore 1.0.9, encode/httpcore#1110). For a write that is an unclear answer out of nothing. So a
line here is an httpx client of its own with one connection, and threads take turns.
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Condition
from typing import Any

import httpx


class NoLineError(Exception):
    """There is no line to send on: nothing was sent."""


class Line:
    """One connection to the hub, made when it is needed and kept for the next call."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self._socket: socket.socket | None = None

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of the answer is still to be read."""
        request.extensions["trace"] = self._note_socket
        return self.http.send(request, stream=True)

    def interrupt(self) -> None:
        """End the call under way in another thread: closing a socket would not wake it."""
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # beneath TLS

    def _note_socket(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")


class Lines:
    """The lines of one account; calls wait their turn for a free one."""

    def __init__(self, make: Callable[[], httpx.Client], *, most: int, patience: float) -> None:
        """Take how to make an httpx client, how many at most, and how many seconds to wait."""
        self._make = make
        self._most = most
        self._patience = patience
        self._all: list[Line] = []
        self._free: list[Line] = []
        self._closed = False
        self._changed = Condition()

    @contextmanager
    def one(self) -> Iterator[Line]:
        """Hold a line; raises NoLineError when none gets free in time, or after `close`."""
        line = self._take()
        try:
            yield line
        finally:
            self._give_back(line)

    def check_open(self) -> None:
        """Raise NoLineError after `close`."""
        if self._closed:
            raise NoLineError("the client was closed")

    def close(self) -> None:
        """Close the free lines and end the calls on the others, whose threads close them."""
        with self._changed:
            self._closed = True
            for line in self._all:
                if line in self._free:
                    line.http.close()
                else:
                    line.interrupt()
            self._changed.notify_all()

    def _take(self) -> Line:
        with self._changed:
            is_ready = self._changed.wait_for(self._is_ready, self._patience)
            self.check_open()
            if not is_ready:
                raise NoLineError("all connections are busy (hub.max_connections)")
            if self._free:
                return self._free.pop()
            self._all.append(line := Line(self._make()))
            return line

    def _is_ready(self) -> bool:
        return self._closed or bool(self._free) or len(self._all) < self._most

    def _give_back(self, line: Line) -> None:
        with self._changed:
            if self._closed:
                line.http.close()
            self._free.append(line)
            self._changed.notify()

"""An HTTP server of this machine's own: uvicorn in a thread, begun and ended from another one."""

import asyncio
import errno
import socket
import threading
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()

_STOP_TIMEOUT = 10
"""Seconds; stopping takes a few tenths of one."""
_GRACE = 1
"""Seconds that an answer under way has to reach its client when the server stops."""
_LOOK_EVERY = 0.005
"""Seconds between two looks at whether it has."""
_TOLD_EVERY = 60
"""Seconds between two lines about connections that cannot be taken."""
_KEEP_ALIVE = 75
"""Seconds that an idle connection is kept, as proxies do."""


class Protocol(H11Protocol):
    """HTTP without the wait for delayed acknowledgements."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol, as ours does not; without
        # it each answer waits 40 ms for the delayed acknowledgement of its headers.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class HttpServer:
    """Serves an ASGI application on a listening socket, in a thread, until it is told to stop."""

    def __init__(
        self,
        application: ASGIApp,
        listener: socket.socket,
        *,
        name: str,
        protocol: type[Protocol] = Protocol,
    ) -> None:
        """Serve from now on; `name` is the thread's. The socket is ours to close."""
        self._server = _Server(_config(application, protocol))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name=name, daemon=True
        )
        self._thread.start()
        self._server.serving.wait()

    @property
    def serving(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Return when the server has ended, or after so many seconds."""
        self._thread.join(seconds)

    def stop(self, before: Callable[[], None] | None = None) -> None:
        """Stop serving, within a second; `before` runs first, in the server's loop."""
        if self._thread.is_alive():
            self._server.end(before)
        self._thread.join(_STOP_TIMEOUT)


class _Server(uvicorn.Server):
    """A server that another thread ends, at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._told: float = -_TOLD_EVERY

    async def main_loop(self) -> None:
        """Wait for the end."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._failed)
        self.serving.set()
        await self._end.wait()

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what the loop could not do.

        Without descriptors it says so, with a traceback, for each connection that it could take
        at most, every second: thousands of lines that would fill the disk as well.
        """
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif loop.time() >= self._told + _TOLD_EVERY:
            self._told = loop.time()
            log.warning("HTTP connections are not taken", error=error.strerror)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, give those just taken their protocol, and close everything.

        Python 3.11 forgets to close a connection that it took right before its server closed. And
        uvicorn's own shutdown waits a tenth of a second, even for nobody.
        """
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            loop.remove_reader(listener)
        for _ in range(3):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._let_end()

    async def _let_end(self) -> None:
        """Let answers under way reach their clients, up to a limit."""
        state, loop = self.server_state, asyncio.get_running_loop()
        latest = loop.time() + _GRACE
        while (state.connections or state.tasks) and loop.time() < latest:
            await asyncio.sleep(_LOOK_EVERY)
        for task in state.tasks:
            task.cancel()

    def end(self, before: Callable[[], None] | None) -> None:
        """Stop serving; `before` runs first, in the server's loop."""
        assert self._loop is not None
        if before is not None:
            self._loop.call_soon_threadsafe(before)
        self._loop.call_soon_threadsafe(self._end.set)


def _config(application: ASGIApp, protocol: type[Protocol]) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
    )

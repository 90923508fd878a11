"""The web server of `serve`: takes its port, serves until told to stop."""

import threading
from collections.abc import Callable
from datetime import datetime

import structlog

from bridge.account import utc_now
from bridge.errors import LocalError
from bridge.facade.listening import listen
from bridge.http_server import HttpServer
from bridge.ledger import Ledger
from bridge.settings import Settings
from bridge.web.app import create_app

log = structlog.get_logger()

_ROUND = 0.25
"""Seconds between two looks at whether to stop."""


class WebServer:
    """The status page, metrics and health on the address of the settings."""

    def __init__(
        self, settings: Settings, ledger: Ledger, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings.web
        self._app = create_app(settings, ledger, clock)
        self._server: HttpServer | None = None
        self._address: tuple[str, int] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on, once started."""
        assert self._address is not None, "the web server is not started"
        return self._address

    def start(self) -> None:
        """Take the port and serve; raises PortTakenError or SettingsError."""
        listener = listen(self._settings.host, self._settings.port, section="web")
        host, port = listener.getsockname()[:2]
        self._address = host, port
        self._server = HttpServer(self._app, listener, name="web")
        log.info("status page open", host=host, port=port)

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, then close everything; starts what is not started.

        Raises LocalError when the server ends by itself.
        """
        if self._server is None:
            self.start()
        assert self._server is not None
        try:
            while not stop.wait(_ROUND):
                if not self._server.serving:
                    raise LocalError("the status page ended by itself: the log says why")
        finally:
            self.stop()

    def stop(self) -> None:
        """Close the port and all connections, within a second. Safe to repeat."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

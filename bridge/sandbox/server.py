"""Starting and stopping the sandbox: in a thread of this process, or from the command line."""

import asyncio
import hashlib
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.applications import Starlette

from bridge.errors import BridgeError, PortTakenError
from bridge.http_server import HttpServer, Protocol
from bridge.sandbox import calls, control
from bridge.sandbox.book import Book
from bridge.sandbox.calls import Receive, Scope, Send
from bridge.sandbox.fault_spec import Trouble, read_spec
from bridge.sandbox.hub import Hub
from bridge.sandbox.invoices import Generator
from bridge.sandbox.old_mailbox import OldMailbox
from bridge.sandbox.scenarios import read_mix, scenes


class Sandbox:
    """A pretend hub on loopback, with its state at hand: `with Sandbox() as sandbox: …`.

    The same seed gives the same invoices and the same secret; `facturae` names a folder of real
    files that take the place of generated ones; `size` fills generated ones up to so many bytes;
    `faults` is what goes wrong from the start (see `fault_spec`; raises SettingsError); `mix` adds
    invoices that the two feeds give differently (see `scenarios`; raises SettingsError).
    `sandbox.book` may be read and changed at any time, from any thread.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        invoices: int = 12,
        facturae: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        issuer: str = "hub_0012",
        secret: str | None = None,
        allow_step_back: bool = True,
        supplier_nif_field: str = "nifProveidor",
        size: int = 0,
        faults: str = "",
        old_mailbox: bool = False,
        old_mailbox_port: int = 0,
        old_mailbox_folder: Path | None = None,
        mix: str = "",
    ) -> None:
        self.issuer = issuer
        self.secret = secret_of(seed) if secret is None else secret
        trouble = read_spec(faults) if faults else Trouble()
        generator = Generator(seed=seed, size=size)
        self.book = Book(
            generator,
            seed=seed,
            allow_step_back=allow_step_back,
            supplier_nif_field=supplier_nif_field,
        )
        if facturae is not None:
            self.book.add_folder(facturae)
        else:
            for town_hall in generator.town_halls:
                self.book.add_entity(town_hall.entity)
            if not mix:
                self.book.add_invoices(invoices)
        self.scenes = scenes(generator, read_mix(mix), seed=seed) if mix else ()
        for scene in self.scenes:
            if scene.on_rest:
                self.book.add_invoice(scene.held)
        trouble.come_over(self.book)
        self._host = host
        self._port = port
        self._hub = Hub(self.book, issuer=issuer, secret=self.secret)
        self.old_mailbox = (
            OldMailbox(
                self.book,
                seed=seed,
                host=host,
                port=old_mailbox_port,
                folder=old_mailbox_folder,
                scenes=self.scenes,
            )
            if old_mailbox
            else None
        )
        """The old mailbox beside the hub, if it was asked for."""
        self._server: HttpServer | None = None

    def __repr__(self) -> str:
        return f"Sandbox({self._host}:{self._port}, issuer={self.issuer!r})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """The address of the REST API: `http://127.0.0.1:PORT/rcf`."""
        return f"http://{self._host}:{self._port}/{calls.ROOT}"

    @property
    def control_url(self) -> str:
        """The address of the control interface."""
        return f"http://{self._host}:{self._port}/{control.ROOT}"

    def start(self) -> None:
        """Serve until `stop`; raises PortTakenError. After a stop it may start again."""
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        application = _Application(self._hub, control.Control(self.book).application())
        self._server = HttpServer(application, listener, name="sandbox hub", protocol=_Protocol)
        if self.old_mailbox is not None:
            try:
                self.old_mailbox.start()
            except BridgeError:
                self.stop()
                raise

    def stop(self) -> None:
        """Stop serving; the book stays as it is."""
        if self.old_mailbox is not None:
            self.old_mailbox.stop()
        if self._server is not None:
            self._server.stop(before=self._hub.close)
            self._server = None


def secret_of(seed: int) -> str:
    """Return the secret key that belongs to a seed; long enough for HS256."""
    return hashlib.sha256(f"sandbox secret {seed}".encode()).hexdigest()


class _Application:
    """Parts the hub's paths from those of the control interface."""

    def __init__(self, hub: Hub, others: Starlette) -> None:
        self._hub = hub
        self._others = others
        self._root = f"/{calls.ROOT}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(self._root):
            await self._hub(scope, receive, send)
        else:
            await self._others(scope, receive, send)


class _Protocol(Protocol):
    """Shows the application its transport: a fault may have to break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"transport": transport}


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=512)
    except OSError as error:
        raise PortTakenError(
            f"the sandbox cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from error

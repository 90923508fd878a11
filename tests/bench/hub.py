"""The hub of a benchmark: a process of its own that answers as the sandbox does, in a tenth of it.

The sandbox's own HTTP side would be the bottleneck on a machine of two cores, and every ratio
beside it would look better than it is. So the sandbox's answers (token check and rules included)
are served here by a bare asyncio protocol, which also counts every byte.
Steered by JSON lines on standard input; it ends when that does.
"""

import asyncio
import gc
import json
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import Any

from bridge.model import State
from bridge.sandbox import book as sandbox_book
from bridge.sandbox.answers import Answer
from bridge.sandbox.book import Book
from bridge.sandbox.calls import read_call
from bridge.sandbox.hub import Hub
from bridge.sandbox.invoices import Generator
from bridge.sandbox.rules import opening_history
from bridge.sandbox.server import secret_of

ISSUER, SECRET = "hub_0012", secret_of(1)


class _Book(Book):
    """A book in which one can leaf back."""

    def renew(self, hub_id: str) -> None:
        """Forget what was told about an invoice: it is registered, and pending."""
        held = self.held(hub_id)
        *before, last = opening_history(held.invoice, self.now())
        fresh = replace(held, history=tuple(before), pending=True).entering(last)
        with self._lock:
            self._put(fresh)


class BenchHub:
    """A book of invoices, and what was asked of it since the last look."""

    def __init__(self, *, size: int) -> None:
        """Make invoices of `size` bytes."""
        self._files: dict[str, tuple[bytes, bytes]] = {}
        self._generator = Generator(size=size)
        self.book = _Book(self._generator)
        self.pages = Hub(self.book, issuer=ISSUER, secret=SECRET)
        self.delay = 0.0
        self.tally: Counter[str] = Counter()
        for town_hall in self._generator.town_halls:
            self.book.add_entity(town_hall.entity)

    def fill(self, count: int) -> list[str]:
        """Take everything off the pending lists and put so many new invoices on them."""
        for hub_id in self.book.pending:
            self.book.set_state(hub_id, State.DELIVERED)
        for attachment_id in self.book.pending_attachments:
            self.book.acknowledge_attachment(attachment_id)
        hub_ids = self.add(count)
        gc.collect()
        gc.freeze()
        return hub_ids

    def add(self, count: int) -> list[str]:
        """Put so many new invoices on the pending lists; forget what nobody will ask for again."""
        self.book.clear_journal()
        pending = set(self.book.pending)
        for hub_id in self._files.keys() - pending:
            del self._files[hub_id]
        return [self._add() for _ in range(count)]

    def renew(self, hub_ids: Sequence[str]) -> None:
        """Show invoices as if nobody had told anything of them yet."""
        for hub_id in hub_ids:
            self.book.renew(hub_id)
            self.book.invoice_data(hub_id)

    def _add(self) -> str:
        made = self._generator.next_invoice()
        assert made.receipt is not None
        hub_id = made.hub_id
        # Rendered now, not while somebody's time is taken.
        self._files[hub_id] = made.facturae(), made.receipt()
        facturae, receipt = partial(self._file, hub_id, 0), partial(self._file, hub_id, 1)
        self.book.add_invoice(replace(made, facturae=facturae, receipt=receipt))
        self.book.invoice_data(hub_id)
        return hub_id

    def _file(self, hub_id: str, which: int) -> bytes:
        return self._files[hub_id][which]

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Return the answer to a request as it goes over the wire."""
        request, *lines = head.split(b"\r\n")
        method, target, _ = request.decode("latin-1").split(" ")
        path, _, query = target.partition("?")
        headers = [(name.lower(), value.strip()) for name, _, value in map(_parted, lines)]
        scope = {"method": method, "path": path, "query_string": query.encode(), "headers": headers}
        call = read_call(scope, body)
        answer = self.pages.answer(call)
        self.tally[f"{call.operation} requests"] += 1
        self.tally[f"{call.operation} bytes"] += len(answer.body) + len(body)
        return _on_the_wire(answer)


def _parted(line: bytes) -> tuple[bytes, bytes, bytes]:
    return line.partition(b":")


def _on_the_wire(answer: Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} OK\r\ndate: {formatdate(usegmt=True)}\r\n"
        f"content-type: {answer.content_type}\r\ncontent-length: {len(answer.body)}\r\n\r\n"
    )
    return head.encode("latin-1") + answer.body


class _Line(asyncio.Protocol):
    """One kept-alive connection; a request has to wait for the answer to the one before."""

    def __init__(self, hub: BenchHub) -> None:
        self._hub = hub
        self._came = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        end = self._came.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._came[:end])
        whole = end + 4 + _length(head)
        if len(self._came) >= whole:
            body = bytes(self._came[end + 4 : whole])
            del self._came[:whole]
            asyncio.get_running_loop().call_later(self._hub.delay, self._serve, head, body)

    def _serve(self, head: bytes, body: bytes) -> None:
        self._transport.write(self._hub.answer(head, body))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _serve(hub: BenchHub, started: threading.Event, told: dict[str, Any]) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Line(hub), "127.0.0.1", 0, backlog=64)
        told["port"] = server.sockets[0].getsockname()[1]
        started.set()
        await server.serve_forever()

    asyncio.run(run())


def _obey(hub: BenchHub, command: dict[str, Any]) -> Any:
    match command["do"]:
        case "fill":
            return hub.fill(command["count"])
        case "add":
            return hub.add(command["count"])
        case "renew":
            hub.renew(command["hub_ids"])
        case "pending":
            return len(hub.book.pending)
        case "delay":
            hub.delay = command["seconds"]
        case "tally":
            counted, hub.tally = hub.tally, Counter()
            return counted
    return None


def main() -> None:
    """Serve until standard input ends; arguments: bytes of an invoice, rows that a list shows."""
    hub = BenchHub(size=int(sys.argv[1]))
    sandbox_book.CAP = int(sys.argv[2])
    started, told = threading.Event(), dict[str, Any]()
    threading.Thread(target=_serve, args=(hub, started, told), daemon=True).start()
    started.wait()
    told |= {"issuer": ISSUER, "secret": SECRET}
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        print(json.dumps(_obey(hub, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

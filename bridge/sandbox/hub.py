"""The pretend hub's HTTP side: the ten operations, as an ASGI application.

Kept bare of a framework: a benchmark of the bridge should wait for the bridge. Faults that break
the connection need the transport, which `server` puts into the scope.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from bridge.model import HubId
from bridge.sandbox import wire
from bridge.sandbox.answers import NO_SUCH_PAGE, NOT_ALLOWED, Answer, altered, instead, refused
from bridge.sandbox.book import Book
from bridge.sandbox.calls import Call, Receive, Scope, Send, read_call
from bridge.sandbox.codes import HubRefusalError
from bridge.sandbox.faults import ALTERS, Fault, FaultKind
from bridge.sandbox.journal import Request
from bridge.sandbox.rules import read_update
from bridge.sandbox.tokens import check_token

_DRIP_PIECES = 10
_NEEDS_ANSWER = frozenset({FaultKind.CUT, FaultKind.DRIP, *ALTERS})
"""Faults that spoil the right answer, which there must be first."""


class Hub:
    """The application: checks the token, asks the book, answers, and fails where it is told to."""

    def __init__(self, book: Book, *, issuer: str, secret: str) -> None:
        self.book = book
        self._issuer = issuer
        self._secret = secret
        self._closing = asyncio.Event()
        self._operations: Mapping[str, Callable[[Call], Answer]] = {
            "pending_invoices": self._pending_invoices,
            "invoice": self._invoice,
            "facturae": self._facturae,
            "attachment": self._attachment,
            "receipt": self._receipt,
            "states": self._states,
            "update": self._update,
            "pending_attachments": self._pending_attachments,
            "acknowledge_attachment": self._acknowledge_attachment,
            "entities": self._entities,
        }

    def close(self) -> None:
        """End the answers that hang; to be called in the server's loop."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = read_call(scope, await _body(receive))
        fault = self.book.faults.strike(
            operation=call.operation,
            hub_id=call.hub_id,
            state=call.state,
            path=f"{call.path}?{call.query}",
        )
        if self.book.delay:
            await asyncio.sleep(self.book.delay)
        if fault is None:
            answer = self.answer(call)
            self._note(call, shown=answer, done=answer)
            await self._send(answer, send)
        else:
            await self._go_wrong(fault, call, scope, receive, send)

    def answer(self, call: Call) -> Answer:
        """Return what a healthy hub answers."""
        if call.operation is None:
            return NOT_ALLOWED if call.known_path else NO_SUCH_PAGE
        try:
            check_token(
                call.authorization,
                issuer=self._issuer,
                secret=self._secret,
                now=self.book.epoch(),
            )
            return self._operations[call.operation](call)
        except HubRefusalError as refusal:
            return refused(refusal.code)

    # -- the operations, in the order of the hub's page ------------------------------------------

    def _pending_invoices(self, call: Call) -> Answer:
        return Answer(body=self.book.list_pending(**call.filters))

    def _invoice(self, call: Call) -> Answer:
        return Answer(body=self.book.invoice_data(_id(call)))

    def _facturae(self, call: Call) -> Answer:
        content = self.book.held(_id(call)).facturae
        return Answer(content_type="application/xml", body=content())

    def _attachment(self, call: Call) -> Answer:
        held = self.book.attachment(_id(call), call.attachment_id or "")
        return Answer(content_type=held.content_type, body=held.content)

    def _receipt(self, call: Call) -> Answer:
        content = self.book.held(_id(call)).receipt
        if content is None:
            raise HubRefusalError(9002)
        return Answer(content_type="application/pdf", body=content())

    def _states(self, call: Call) -> Answer:
        return Answer(body=self.book.history(_id(call)))

    def _update(self, call: Call) -> Answer:
        self.book.held(_id(call))  # 2001 comes before anything that is wrong with the body
        return Answer(body=self.book.update(_id(call), read_update(call.body)))

    def _pending_attachments(self, call: Call) -> Answer:
        return Answer(body=self.book.list_pending_attachments(**call.filters))

    def _acknowledge_attachment(self, call: Call) -> Answer:
        self.book.acknowledge_attachment(call.attachment_id or "")
        return Answer(content_type="")

    def _entities(self, _call: Call) -> Answer:
        return Answer(body=wire.entities(self.book.entities))

    # -- answering -------------------------------------------------------------------------------

    async def _send(self, answer: Answer, send: Send) -> None:
        await send(self._start(answer))
        await send({"type": "http.response.body", "body": answer.body})

    def _start(self, answer: Answer) -> MutableMapping[str, Any]:
        headers = [
            (b"date", formatdate(self.book.epoch(), usegmt=True).encode()),
            (b"content-length", b"%d" % len(answer.body)),
            *answer.headers,
        ]
        if answer.content_type:
            headers.append((b"content-type", answer.content_type.encode("latin-1", "replace")))
        return {"type": "http.response.start", "status": answer.status, "headers": headers}

    def _note(
        self, call: Call, *, shown: Answer | None, done: Answer | None, fault: Fault | None = None
    ) -> None:
        """Write the journal: what was shown to the caller, and what was done for real."""
        took_effect = done is not None and done.status == HTTPStatus.OK
        self.book.note(
            Request(
                at=self.book.now(),
                method=call.method,
                path=f"{call.path}?{call.query}" if call.query else call.path,
                operation=call.operation,
                hub_id=call.hub_id,
                attachment_id=call.attachment_id,
                body=call.body.decode("utf-8", "replace"),
                status=0 if shown is None else shown.status,
                code=None if shown is None else shown.code,
                applied=took_effect and call.method in ("PATCH", "DELETE"),
                fault=None if fault is None else fault.kind.value,
                state=call.state,
            )
        )

    # -- failing on purpose ----------------------------------------------------------------------

    async def _go_wrong(
        self, fault: Fault, call: Call, scope: Scope, receive: Receive, send: Send
    ) -> None:
        done = self.answer(call) if fault.applied or fault.kind in _NEEDS_ANSWER else None
        if fault.kind is FaultKind.HANG:
            if await self._gone_within(fault.seconds, receive):
                self._note(call, shown=None, done=done, fault=fault)
                return
            done = done or self.answer(call)
        shown = done if fault.kind in {*_NEEDS_ANSWER, FaultKind.HANG} else instead(fault)
        if shown is not None and fault.kind in ALTERS:
            shown = altered(shown, fault.kind)
        self._note(call, shown=shown, done=done, fault=fault)
        if fault.kind is FaultKind.CUT and shown is not None:
            await self._cut(shown, scope, receive, send)
        elif fault.kind is FaultKind.DRIP and shown is not None:
            await self._drip(shown, fault.seconds, send)
        elif shown is None:
            await _reset(scope, receive)
        else:
            await self._send(shown, send)

    async def _gone_within(self, seconds: float, receive: Receive) -> bool:
        """Wait; return True when the caller left or the hub stopped in the meantime."""
        waits = {
            asyncio.ensure_future(_until_gone(receive)),
            asyncio.ensure_future(self._closing.wait()),
        }
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiting in waits:
            waiting.cancel()
        return bool(done)

    async def _cut(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        half = answer.body[: len(answer.body) // 2]
        if half:
            await send(self._start(answer))
            await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["state"]["transport"].close()
        await _until_gone(receive)

    async def _drip(self, answer: Answer, seconds: float, send: Send) -> None:
        await send(self._start(answer))
        size = max(1, -(-len(answer.body) // _DRIP_PIECES))
        for start in range(0, len(answer.body), size):
            await asyncio.sleep(seconds / _DRIP_PIECES)
            piece = answer.body[start : start + size]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _reset(scope: Scope, receive: Receive) -> None:
    """End the connection with a RST instead of an answer."""
    transport = scope["state"]["transport"]
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
    await _until_gone(receive)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _id(call: Call) -> HubId:
    assert call.hub_id is not None
    return call.hub_id

"""What can be asked of the hub, and what can be told to it.

Two classes on purpose: a shadow feed holds a `HubReader`, which has no way to write. Both may be
shared by the threads of a pool; `max_connections` of the settings bounds what runs at once.
Every method raises the errors at the head of `bridge/hub/errors.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

import structlog
from pydantic import SecretStr

from bridge.hub import answers, calls
from bridge.hub.answers import PendingAttachments, PendingList
from bridge.hub.calls import Call
from bridge.hub.circuit import Circuit
from bridge.hub.download import Download, download
from bridge.hub.drift import DriftCounter, look_for_drift, unknown_code
from bridge.hub.errors import ERRORS, HubAnswerError, UnclearAnswerError
from bridge.hub.fields import NotAnAnswerError, Row, hub_error, read_object
from bridge.hub.lines import Line
from bridge.hub.verdict import Answer, failure, not_an_answer, unsure
from bridge.hub.wire import Wire
from bridge.model import Drift, Entity, HubId, Invoice, StateRecord, StateUpdate
from bridge.settings import HubSettings

log = structlog.get_logger()

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class HubReader:
    """The hub's REST API for one account, without its writing operations."""

    def __init__(
        self,
        settings: HubSettings,
        *,
        issuer: str,
        secret: SecretStr,
        clock: Callable[[], datetime] = _now,
        circuit: Circuit | None = None,
    ) -> None:
        """Take whom to call as; every call goes through `circuit`, where there is one."""
        self._circuit = circuit
        self._drift = DriftCounter()
        self._wire = Wire(settings, issuer=issuer, secret=secret, clock=clock)
        self._name = f"{type(self).__name__}({settings.base_url}, {issuer})"
        self._skipped: set[tuple[str, int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return self._name

    def close(self) -> None:
        """Close the connections; what is under way in other threads fails."""
        self._wire.close()

    def use_secret(self, secret: SecretStr) -> None:
        """Sign with another key from now on: it was mended while the bridge ran."""
        self._wire.use_secret(secret)

    @property
    def clock_offset(self) -> timedelta | None:
        """The hub's clock minus ours by the last answer, to a second; None before any answer."""
        return self._wire.clock_offset

    def hub_now(self) -> datetime:
        """Return the time by the hub's clock as far as it is known: never late, 1 s early."""
        return self._wire.hub_now()

    def take_drift(self) -> Mapping[Drift, int]:
        """Return in how many answers since the last time each difference from the contract was."""
        return self._drift.take()

    def pending_invoices(
        self, nif: str | None = None, accounting_office: str | None = None
    ) -> PendingList:
        """Return the pending list, or the slice of it for a NIF or an accounting office.

        An answer without the list is an error, never an empty list.
        """
        call = calls.pending_invoices(nif, accounting_office)
        answer = self._object(call)
        rows = self._rows(call, answer, "factures", answers.pending_invoice)
        return PendingList(rows, answers.is_capped(answer, "factures", "mesFactures"))

    def invoice(self, hub_id: HubId) -> Invoice:
        """Return what the hub knows of an invoice."""
        call = calls.invoice(hub_id)
        answer = self._object(call)
        try:
            invoice, skipped = answers.invoice(answer, hub_id)
        except NotAnAnswerError as error:
            raise not_an_answer(call, error) from error
        self._note_skipped(call, skipped)
        return invoice

    def shows_pending_mark(self, hub_id: HubId, attachment_id: str) -> bool | None:
        """Tell whether the hub lists an attachment as still to be fetched; None: it does not say.

        An answer without its list of attachments says nothing of any of them.
        """
        call = calls.invoice(hub_id)
        try:
            return answers.shows_pending_mark(self._object(call), hub_id, attachment_id)
        except NotAnAnswerError as error:
            raise not_an_answer(call, error) from error

    def facturae(self, hub_id: HubId, target: Path) -> Download:
        """Fetch the invoice's file; whether it is a Facturae is for the caller to see."""
        call = calls.facturae(hub_id)
        with self._let_through(call) as line:
            return download(self._wire, line, call, target, may_be_empty=False, may_be_html=True)

    def attachment(self, hub_id: HubId, attachment_id: str, target: Path) -> Download:
        """Fetch an attachment, with the content type that the hub gives it."""
        call = calls.attachment(hub_id, attachment_id)
        with self._let_through(call) as line:
            return download(self._wire, line, call, target, may_be_empty=True, may_be_html=False)

    def receipt(self, hub_id: HubId, target: Path) -> Download:
        """Fetch the electronic receipt, a PDF."""
        call = calls.receipt(hub_id)
        with self._let_through(call) as line:
            return download(self._wire, line, call, target, may_be_empty=False, may_be_html=False)

    def history(self, hub_id: HubId) -> tuple[StateRecord, ...]:
        """Return the states that an invoice went through, in the hub's order."""
        call = calls.history(hub_id)
        return self._rows(call, self._object(call), "estats", answers.state_record)

    def pending_attachments(
        self, nif: str | None = None, accounting_office: str | None = None
    ) -> PendingAttachments:
        """Return the attachments still to be fetched, or a slice of them."""
        call = calls.pending_attachments(nif, accounting_office)
        answer = self._object(call)
        rows = self._rows(call, answer, "adjunts", answers.pending_attachment)
        return PendingAttachments(rows, answers.is_capped(answer, "adjunts", "mesAdjunts"))

    def entities(self) -> tuple[Entity, ...]:
        """Return the administrations of this platform."""
        call = calls.entities()
        return self._rows(call, self._object(call), "ens", answers.entity)

    @contextmanager
    def _let_through(self, call: Call) -> Iterator[Line]:
        """Wait for a line first: what the hub says meanwhile counts for those who waited too."""
        through = nullcontext() if self._circuit is None else self._circuit.call()
        with self._wire.line(call) as line, through:
            try:
                yield line
            except (HubAnswerError, UnclearAnswerError) as error:
                if error.code is not None and error.code not in ERRORS:
                    self._drift.add([unknown_code(call.operation, error.code)])
                raise

    def _object(self, call: Call) -> Row:
        with self._let_through(call) as line:
            answer = self._wire.ask(line, call)
            try:
                value = read_object(answer.body, answer.charset)
            except NotAnAnswerError as error:
                raise not_an_answer(call, error) from error
            if hub_error(value) is not None:
                raise failure(call, answer)
            self._drift.add(look_for_drift(call.operation, value))
            return value

    def _rows(
        self, call: Call, answer: Row, name: str, read: Callable[[Row], T | None]
    ) -> tuple[T, ...]:
        try:
            rows, skipped = answers.read_rows(answer, name, read)
        except NotAnAnswerError as error:
            raise not_an_answer(call, error) from error
        self._note_skipped(call, skipped)
        return rows

    def _note_skipped(self, call: Call, skipped: int) -> None:
        """Say that rows without an id were left out; once, not at every poll."""
        news = (call.what, skipped)
        if skipped and news not in self._skipped:
            self._skipped.add(news)
            log.warning("rows without an id in the hub's answer", what=call.what, rows=skipped)


class HubClient(HubReader):
    """The hub's REST API for one account, whole."""

    def patch(self, hub_id: HubId, update: StateUpdate) -> Invoice:
        """Change an invoice's state; return the invoice as it is now.

        Never sent twice by itself (but for a token refused for its time, which changes nothing).
        UnclearAnswerError: it may have been applied or not, and an answer that does not show the
        new state (empty, say) tells neither. HubUnreachableError: it was not sent.
        """
        call = calls.patch(hub_id, update)
        answer = self._told(call)
        try:
            value = read_object(answer.body, answer.charset)
            self._drift.add(look_for_drift(call.operation, value))
            invoice, skipped = answers.invoice(value, hub_id)
        except NotAnAnswerError as error:
            raise not_an_answer(call, error) from error
        if invoice.state is not update.state:
            raise unsure(call, f"the answer shows the state {invoice.state_text or 'nothing'}")
        self._note_skipped(call, skipped)
        return invoice

    def drop_pending_attachment(self, attachment_id: str) -> None:
        """Take an attachment off the pending list; errors as for `patch`."""
        self._told(calls.drop_pending_attachment(attachment_id))

    def _told(self, call: Call) -> Answer:
        """Send what writes; return an answer that can only mean that the hub has taken it."""
        with self._let_through(call) as line:
            answer = self._wire.ask(line, call)
            if answer.error is not None:
                raise failure(call, answer)
            if answer.body.lstrip()[:1] == b"<":
                raise unsure(call, f"a web page came with HTTP {answer.status}")
            return answer

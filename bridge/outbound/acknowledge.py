"""Acknowledging: telling the hub that an invoice or an attachment is off its pending list.

By the account's policy: once the files are safe (`stored`), once the software has collected the
invoice (`collected`), or not at all (`never`: the RCF's own ANNOTATED does it, and the marks of
the attachments that it collected go then). DELIVERED is only sent while the hub shows SENT or
REGISTERED; a hub that is further on is left alone. So it may be tried again after any doubt without
a second effect.
"""

from collections.abc import Mapping

import structlog

from bridge.account import Account
from bridge.crew import work, workers_for
from bridge.errors import BridgeError
from bridge.hub import HubClient, HubReader, HubRefusalError, UnclearAnswerError
from bridge.hub.errors import UnknownAttachmentError, UnknownInvoiceError
from bridge.ledger import accounts, attachments, deliveries, events
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.deliveries import Delivery
from bridge.model import (
    PENDING_STATES,
    DeliveryState,
    HubId,
    State,
    StateUpdate,
)
from bridge.outbound.shown import shown, still_unclear

log = structlog.get_logger()

ONCE: Mapping[str, DeliveryState] = {
    "stored": DeliveryState.PLACED,
    "collected": DeliveryState.COLLECTED,
}
"""How far a delivery must have come, by policy; a policy that is not listed never acknowledges."""


def acknowledge(
    account: Account, hub: HubClient, *, only_due: bool, until: float | None = None
) -> int:
    """Tell the hub what the policy says is due; return how many deliveries and attachments.

    After the time `until` (of the monotonic clock) nothing new is begun. Raises what ends a round:
    the hub is away, the account is not let in, this machine cannot.
    """
    once = ONCE.get(account.own.acknowledge)
    due = account.clock() if only_due else None
    with account.ledger.read() as connection:
        if once is None:
            invoices: list[Delivery] = []
            enclosed = attachments.of_acknowledged_invoices(connection, account.name, due=due)
        else:
            invoices = deliveries.to_acknowledge(connection, account.name, once=once, due=due)
            enclosed = attachments.to_acknowledge(connection, account.name, once=once, due=due)
    done: list[int] = []

    def one_invoice(row: Delivery) -> None:
        _acknowledge(account, hub, row)
        done.append(row.id)

    def one_attachment(row: AttachmentRow) -> None:
        _drop_pending_mark(account, hub, row)
        done.append(row.id)

    work(
        invoices,
        one_invoice,
        workers=workers_for(account.settings.hub.max_connections),
        failed=lambda row, error: _note_trouble(account, row, error),
        stopping=account.stopping,
        until=until,
    )
    work(
        enclosed,
        one_attachment,
        workers=workers_for(account.settings.hub.max_connections),
        failed=lambda row, error: _note_attachment_trouble(account, row, error),
        stopping=account.stopping,
        until=until,
    )
    return len(done)


def tell_delivered(hub: HubClient, hub_id: HubId) -> bool:
    """Send DELIVERED to a hub that shows SENT or REGISTERED.

    Returns whether it was found applied after an unclear answer. Raises HubRefusalError when the
    hub does not want it, UnclearAnswerError when it is not known whether it took it: then the
    invoice is asked about again before anything else is sent.
    """
    try:
        hub.patch(hub_id, StateUpdate(state=State.DELIVERED))
    except UnclearAnswerError as error:
        with still_unclear(error):
            state = shown(hub, hub_id).state
        if state in PENDING_STATES:
            raise
        return state is State.DELIVERED
    return False


def _acknowledge(account: Account, hub: HubClient, row: Delivery) -> None:
    state = shown(hub, row.hub_id).state
    if state in PENDING_STATES:
        found_applied = _tell_or_see(hub, row.hub_id)
        log.info("invoice acknowledged", account=account.name, hub_id=row.hub_id)
    else:
        found_applied = state is State.DELIVERED and row.attempts > 0  # by an earlier try
    now = account.clock()
    with account.ledger.write() as connection:
        deliveries.acknowledged(connection, account.name, row.feed, row.hub_id, at=now)
        events.record(connection, account.name, "invoice acknowledged", at=now, hub_id=row.hub_id)
        if found_applied:
            accounts.note_found_applied(connection, account.name)


def _tell_or_see(hub: HubClient, hub_id: HubId) -> bool:
    """Send DELIVERED, or see that the hub has moved on; return whether it was found applied."""
    try:
        return tell_delivered(hub, hub_id)
    except HubRefusalError:
        if shown(hub, hub_id).state in PENDING_STATES:
            raise
        return False


def _drop_pending_mark(account: Account, hub: HubClient, row: AttachmentRow) -> None:
    found_applied = False
    try:
        hub.drop_pending_attachment(row.attachment_id)
    except (UnknownAttachmentError, UnknownInvoiceError):
        log.info("attachment was off the pending list", attachment_id=row.attachment_id)
        found_applied = row.attempts > 0  # by an earlier try
    except UnclearAnswerError as error:
        if _may_be_marked(hub, row, error):
            raise
        found_applied = True
    now = account.clock()
    with account.ledger.write() as connection:
        attachments.acknowledged(connection, row.id, at=now)
        events.record(
            connection,
            account.name,
            "attachment acknowledged",
            at=now,
            hub_id=row.hub_id,
            attachment_id=row.attachment_id,
        )
        if found_applied:
            accounts.note_found_applied(connection, account.name)


def _may_be_marked(hub: HubReader, row: AttachmentRow, error: UnclearAnswerError) -> bool:
    """Ask whether an attachment still has its pending mark, after an unclear answer."""
    with still_unclear(error):
        try:
            marked = hub.shows_pending_mark(row.hub_id, row.attachment_id)
        except UnknownInvoiceError:
            return False
    return marked is not False


def _note_trouble(account: Account, row: Delivery, error: BridgeError) -> None:
    log.warning("not acknowledged", hub_id=row.hub_id, reason=str(error))
    with account.ledger.write() as connection:
        again = account.next_try(row.attempts, error)
        deliveries.failed(connection, row.id, trouble=str(error), next_attempt_at=again)


def _note_attachment_trouble(account: Account, row: AttachmentRow, error: BridgeError) -> None:
    log.warning("attachment not acknowledged", hub_id=row.hub_id, reason=str(error))
    with account.ledger.write() as connection:
        again = account.next_try(row.attempts, error)
        attachments.failed(connection, row.id, trouble=str(error), next_attempt_at=again)

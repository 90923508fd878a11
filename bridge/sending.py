"""Outbound, second half: the outbox, update by update, to the hub.

Updates of one invoice go in order, invoices side by side. Before each PATCH the hub is asked what
it shows: an update that it shows already needs no PATCH, an invoice that has ended takes none. What
it answers to one update of an invoice tells the same for the next one, if that follows at once.
After an unclear answer, or a crash in the middle, it is asked again, and its history with it,
before anything is sent again.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bridge.account import Account
from bridge.acknowledge import as_shown, shown, tell_delivered
from bridge.crew import may_begin, work, workers_for
from bridge.errors import AccountError, BridgeError, InvoiceError, LocalError
from bridge.hub import HubClient, HubRefusalError, HubUnreachableError, UnclearAnswerError
from bridge.hub.errors import NotUpdatableError, UnknownInvoiceError
from bridge.ledger import accounts, attempts, updates
from bridge.ledger.updates import Outcome, Update
from bridge.model import (
    FINAL_STATES,
    PENDING_STATES,
    HubId,
    Invoice,
    Refusal,
    State,
    StateUpdate,
    UpdateStatus,
)
from bridge.outbox import Outbox
from bridge.translate import patch_body, same_effect

log = structlog.get_logger()

CLOCK_TOLERANCE = timedelta(seconds=2)
"""Dates of the hub's answers and states may be cut to whole seconds."""

FRESH = 1.0
"""Seconds from when an update leaves for which the hub's answer to it tells what it shows: somebody
else may tell it something meanwhile, as between any question and what is sent after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one round of sending did."""

    accepted: int = 0
    refused: int = 0
    waiting: int = 0
    problems: tuple[BridgeError, ...] = ()
    """Why some wait."""


def send(account: Account, hub: HubClient, *, only_due: bool, until: float | None = None) -> Sent:
    """Send every update that is due, once; return the counts.

    `only_due` leaves out what waits for a later try; after the time `until` (of the monotonic
    clock) nothing new is begun. Raises what ends a round: the hub is away,
    the account is not let in, this machine cannot.
    """
    due = account.clock() if only_due else None
    with account.ledger.read() as connection:
        ready = updates.due_invoices(connection, account.name, due=due)
        waiting = updates.open_updates(connection, account.name)
        unclear = attempts.all_unclear_since(connection, account.name)
    queues: dict[HubId, list[Update]] = {}
    for update in waiting:
        if update.hub_id in ready and update.hub_id is not None:
            queues.setdefault(update.hub_id, []).append(update)
    outbox = Outbox(account)
    try:
        problems = work(
            # Failed last, and long ones after short ones: none takes the whole turn.
            sorted(queues.values(), key=lambda queue: (queue[0].attempts, len(queue))),
            lambda queue: _send_in_order(account, hub, outbox, queue, unclear, until=until),
            workers=workers_for(account.settings.hub.max_connections),
            failed=_note_nothing,
            stopping=account.stopping,
            until=until,
        )
    finally:
        sent = [update.id for queue in queues.values() for update in queue]
        with account.ledger.read() as connection:
            settled = updates.by_id(connection, sent)
    return _count(settled, [error for _, error in problems])


def _count(settled: Sequence[Update], problems: Sequence[BridgeError]) -> Sent:
    statuses = [update.status for update in settled]
    accepted = statuses.count(UpdateStatus.ACCEPTED)
    refused = statuses.count(UpdateStatus.REFUSED)
    return Sent(
        accepted=accepted,
        refused=refused,
        waiting=len(statuses) - accepted - refused,
        problems=tuple(problems),
    )


def _note_nothing(_: object, __: BridgeError) -> None:
    """Each update wrote its own trouble down."""


def _send_in_order(
    account: Account,
    hub: HubClient,
    outbox: Outbox,
    queue: Sequence[Update],
    unclear: Mapping[int, datetime],
    *,
    until: float | None,
) -> None:
    """Send one invoice's updates; the first that cannot be settled holds the later ones.

    `unclear` tells when those were begun of which nobody knows whether they were applied; `until`
    is as for `send`.
    """
    seen: _Answered | None = None
    for update in queue:
        if not may_begin(account.stopping, until):
            return
        try:
            seen = _settle(account, hub, outbox, update, since=unclear.get(update.id), seen=seen)
        except (HubUnreachableError, AccountError) as error:
            outbox.not_sent(update, error)
            raise
        except LocalError:
            raise
        except BridgeError as error:
            outbox.postpone(update, error)
            raise


def _settle(
    account: Account,
    hub: HubClient,
    outbox: Outbox,
    update: Update,
    *,
    since: datetime | None,
    seen: "_Answered | None",
) -> "_Answered | None":
    """Bring one update to its end, or raise why it has to wait; `since` is as for `_how`.

    `seen` is what the hub answered to the update before this one, if that was a clear yes. Returns
    the same for the one after it.
    """
    hub_id, change = update.hub_id, update.change
    assert hub_id is not None
    assert change is not None
    if seen is not None and since is None and seen.tells_before(change):
        now_shown = seen.invoice
    else:
        try:
            now_shown = shown(hub, hub_id)
        except UnknownInvoiceError as error:  # any other no to a question says nothing of it
            outbox.refuse(update, Refusal(str(error.code), error.text))
            return None
    known = _how(account, now_shown, change, since)
    if known is not None:
        outbox.accept(update, known)
        return None
    if now_shown.state in FINAL_STATES:
        outbox.refuse(update, _final(now_shown, change))
        return None
    if now_shown.state in PENDING_STATES and change.state not in _TAKES_OFF:
        _deliver_first(account, hub, hub_id)
    return _patch(account, hub, outbox, update, change)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """What the hub showed when it took an update."""

    invoice: Invoice
    left_at: float
    """When the update left, by the monotonic clock."""

    def tells_before(self, change: StateUpdate) -> bool:
        """Tell whether it stands for asking before the next update leaves.

        Not for one that says the same state: then the details count, which an answer may lack.
        """
        is_fresh = time.monotonic() - self.left_at < FRESH
        return is_fresh and self.invoice.state is not change.state


_TAKES_OFF = frozenset({State.DELIVERED, State.ANNOTATED})
"""Only these take an invoice off the pending list (hub-rest-api, "The 500 cap")."""


def _final(invoice: Invoice, change: StateUpdate) -> Refusal:
    reason = f"the invoice is already {invoice.state}: {change.state} cannot follow"
    if change.state is invoice.state:
        reason = f"the invoice is already {invoice.state}, with other details"
    return Refusal("BR06", reason)


def _deliver_first(account: Account, hub: HubClient, hub_id: HubId) -> None:
    """Take the invoice off the pending list, where other states would leave it for ever."""
    try:
        if tell_delivered(hub, hub_id):
            with account.ledger.write() as connection:
                accounts.note_found_applied(connection, account.name)
    except HubRefusalError as error:
        log.warning("DELIVERED not taken", hub_id=hub_id, reason=str(error))


def _patch(
    account: Account, hub: HubClient, outbox: Outbox, update: Update, change: StateUpdate
) -> _Answered | None:
    """Send one update; return what the hub answered, if that was a clear yes."""
    hub_id = update.hub_id
    assert hub_id is not None
    attempt = outbox.begin(update, patch_body(change))
    left_at = time.monotonic()
    try:
        answered = hub.patch(hub_id, change)
    except HubRefusalError as error:
        outbox.end(attempt, f"{error.code} {error.text}")
        if isinstance(error, NotUpdatableError) and _is_shown(account, hub_id, change):
            outbox.accept(update, Outcome.ALREADY_SHOWN)
        else:
            outbox.refuse(update, Refusal(str(error.code), error.text))
    except UnclearAnswerError as error:
        known = _how(account, shown(account.hub, hub_id), change, attempt.at)
        outbox.end(attempt, str(error), shown=known or "not applied")
        if known is None:
            raise
        outbox.accept(update, known)
    except BridgeError as error:
        outbox.end(attempt, f"not sent: {error}")
        raise
    else:
        outbox.accept(update, Outcome.PATCHED, taken=attempt)
        return _Answered(invoice=answered, left_at=left_at)
    return None


def _is_shown(account: Account, hub_id: HubId, change: StateUpdate) -> bool:
    return same_effect(change, shown(account.hub, hub_id))


def _how(
    account: Account, now_shown: Invoice, change: StateUpdate, since: datetime | None
) -> Outcome | None:
    """Tell how the hub came to know an update, None if it does not know it.

    `since` is when an attempt began of which nobody knows whether it was applied.
    """
    if since is not None and _was_applied(account, now_shown.hub_id, change, since):
        return Outcome.FOUND_APPLIED
    return Outcome.ALREADY_SHOWN if same_effect(change, now_shown) else None


def _was_applied(account: Account, hub_id: HubId, change: StateUpdate, since: datetime) -> bool:
    """Tell whether the history has this update, by the hub's clock not before `since`.

    Somebody else may have told the hub more since then, so that it need not be the last line; but
    what stands before the line of the invoice's previous update is none of it.
    """
    try:
        history = account.hub.history(hub_id)
    except InvoiceError:
        return False  # no history (2003, 9999): then what the invoice shows must do
    with account.ledger.read() as connection:
        before = updates.last_accepted(connection, account.name, hub_id)
    began = since + (account.hub.clock_offset or timedelta()) - CLOCK_TOLERANCE
    for age, record in enumerate(reversed(history)):
        if record.at is None or record.at < began:
            return False
        line = as_shown(hub_id, record)
        is_before = before is not None and same_effect(before, line)
        if same_effect(change, line):
            return age == 0 or not is_before
        if is_before:
            return False
    return False

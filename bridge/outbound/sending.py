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
from datetime import datetime

import structlog

from bridge.account import Account
from bridge.crew import may_begin, work, workers_for
from bridge.errors import AccountError, BridgeError, LocalError
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
from bridge.outbound.acknowledge import tell_delivered
from bridge.outbound.known_updates import how_known
from bridge.outbound.outbox import Attempt, Outbox
from bridge.outbound.shown import shown, still_unclear
from bridge.translate import patch_body, same_effect

log = structlog.get_logger()

FRESH = 1.0
"""Seconds for which the hub's answer tells what it shows: somebody else may tell it more meanwhile.
When an update is ready to leave later than that, the hub is asked once more."""


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
    clock) nothing new is begun. Raises what ends a round: the hub is away, the account is not let
    in, this machine cannot.
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
    sending = _Sending(account, hub, Outbox(account))
    try:
        problems = work(
            # Failed last, and long ones after short ones: none takes the whole turn.
            sorted(queues.values(), key=lambda queue: (queue[0].attempts, len(queue))),
            lambda queue: sending.in_order(queue, unclear, until=until),
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


_TAKES_OFF = frozenset({State.DELIVERED, State.ANNOTATED})
"""Only these take an invoice off the pending list (hub-rest-api, "The 500 cap")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the hub showed of an invoice."""

    invoice: Invoice
    at: float
    """Since when somebody else may have told it more: the answer to a question came then, or the
    update left that it answered."""

    @property
    def is_fresh(self) -> bool:
        """Tell whether it may still be gone by."""
        return _elapsed() - self.at < FRESH

    def tells_before(self, change: StateUpdate) -> bool:
        """Tell whether it stands for asking before the next update leaves.

        Not for one that says the same state: then the details count, which an answer may lack.
        """
        return self.is_fresh and self.invoice.state is not change.state


def _ask(hub: HubClient, hub_id: HubId) -> _Seen:
    return _Seen(invoice=shown(hub, hub_id), at=_elapsed())


def _elapsed() -> float:
    """Return the seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class _Sending:
    """What takes updates of one account to the hub; safe to use from any thread."""

    account: Account
    hub: HubClient
    outbox: Outbox

    def in_order(
        self, queue: Sequence[Update], unclear: Mapping[int, datetime], *, until: float | None
    ) -> None:
        """Send one invoice's updates; the first that cannot be settled holds the later ones.

        `unclear` tells when those were begun of which nobody knows whether they were applied;
        `until` is as for `send`.
        """
        seen: _Seen | None = None
        for update in queue:
            if not may_begin(self.account.stopping, until):
                return
            try:
                seen = self._settle(update, since=unclear.get(update.id), seen=seen)
            except (HubUnreachableError, AccountError) as error:
                self.outbox.not_sent(update, error)
                raise
            except LocalError:
                raise
            except BridgeError as error:
                self.outbox.postpone(update, error)
                raise

    def _settle(
        self, update: Update, *, since: datetime | None, seen: _Seen | None
    ) -> _Seen | None:
        """Bring one update to its end, or raise why it has to wait; `since` is as for `how_known`.

        `seen` is what the hub answered to the update before this one, if that was a clear yes.
        Returns the same for the one after it.
        """
        hub_id, change = update.hub_id, update.change
        assert hub_id is not None
        assert change is not None
        if seen is None or since is not None or not seen.tells_before(change):
            try:
                seen = _ask(self.hub, hub_id)
            except UnknownInvoiceError as error:  # any other no to a question says nothing of it
                self.outbox.refuse(update, Refusal(str(error.code), error.text))
                return None
        ending = self._ending(seen.invoice, change, since)
        if ending is not None:
            self._end(update, ending)
            return None
        if seen.invoice.state in PENDING_STATES and change.state not in _TAKES_OFF:
            self._deliver_first(hub_id)
        attempt = self.outbox.begin(update, patch_body(change))
        if not seen.is_fresh:
            ending = self._overtaken(attempt, since=since)
            if ending is not None:
                self._end(update, ending)
                return None
        return self._patch(attempt, change)

    def _overtaken(self, attempt: Attempt, *, since: datetime | None) -> Outcome | Refusal | None:
        """Ask once more before an update leaves; return how it ends, if it need not any more."""
        update, change = attempt.update, attempt.update.change
        assert update.hub_id is not None
        assert change is not None
        try:
            now_shown = shown(self.hub, update.hub_id)
            ending = self._ending(now_shown, change, since)
        except BridgeError as error:
            self.outbox.end(attempt, f"not sent: {error}")
            raise
        if ending is not None:
            self.outbox.end(attempt, f"not sent: by then the hub showed {now_shown.state}")
        return ending

    def _patch(self, attempt: Attempt, change: StateUpdate) -> _Seen | None:
        """Send one update; return what the hub answered, if that was a clear yes."""
        update, hub_id = attempt.update, attempt.update.hub_id
        assert hub_id is not None
        left_at = _elapsed()
        try:
            answered = self.hub.patch(hub_id, change)
        except HubRefusalError as error:
            self.outbox.end(attempt, f"{error.code} {error.text}")
            if isinstance(error, NotUpdatableError) and self._is_shown(hub_id, change):
                self.outbox.accept(update, Outcome.ALREADY_SHOWN)
            else:
                self.outbox.refuse(update, Refusal(str(error.code), error.text))
        except UnclearAnswerError as error:
            with still_unclear(error):
                known = how_known(self.account, shown(self.hub, hub_id), change, attempt.at)
            self.outbox.end(attempt, str(error), shown=known or attempts.NOT_APPLIED)
            if known is None:
                raise
            self.outbox.accept(update, known)
        except BridgeError as error:
            self.outbox.end(attempt, f"not sent: {error}")
            raise
        else:
            self.outbox.accept(update, Outcome.PATCHED, taken=attempt)
            return _Seen(invoice=answered, at=left_at)
        return None

    def _deliver_first(self, hub_id: HubId) -> None:
        """Take the invoice off the pending list, where other states would leave it for ever."""
        try:
            if tell_delivered(self.hub, hub_id):
                with self.account.ledger.write() as connection:
                    accounts.note_found_applied(connection, self.account.name)
        except HubRefusalError as error:
            log.warning("DELIVERED not taken", hub_id=hub_id, reason=str(error))

    def _ending(
        self, now_shown: Invoice, change: StateUpdate, since: datetime | None
    ) -> Outcome | Refusal | None:
        """Tell how an update ends that the hub knows, or takes no more; None: it is to be sent."""
        known = how_known(self.account, now_shown, change, since)
        if known is None and now_shown.state in FINAL_STATES:
            return _final(now_shown, change)
        return known

    def _is_shown(self, hub_id: HubId, change: StateUpdate) -> bool:
        return same_effect(change, shown(self.hub, hub_id))

    def _end(self, update: Update, ending: Outcome | Refusal) -> None:
        if isinstance(ending, Refusal):
            self.outbox.refuse(update, ending)
        else:
            self.outbox.accept(update, ending)


def _final(invoice: Invoice, change: StateUpdate) -> Refusal:
    reason = f"the invoice is already {invoice.state}: {change.state} cannot follow"
    if change.state is invoice.state:
        reason = f"the invoice is already {invoice.state}, with other details"
    return Refusal("BR06", reason)

"""What the ledger is told of an update on its way: before it leaves, and what came of it.

Each step is on disk when its function returns. What several threads bring at the same moment, tries
that begin or updates that the hub has taken, is written down in one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from bridge.account import Account
from bridge.chain import Value
from bridge.errors import BridgeError
from bridge.ledger import attempts, deliveries, events, updates
from bridge.ledger.events import Said
from bridge.ledger.updates import Outcome, Update
from bridge.model import FeedName, Refusal
from bridge.together import Together, or_alone

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A try to send an update, of which nobody knows yet what came of it."""

    id: int
    update: Update
    sent: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaving:
    update: Update
    body: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accepted:
    update: Update
    outcome: Outcome
    taken: Attempt | None

    def said(self, *, at: datetime) -> Sequence[Said]:
        accepted = _said(self.update, "update accepted", at=at, outcome=self.outcome)
        return [accepted] if self.taken is None else [_sent(self.taken, "taken", at=at), accepted]


class Outbox:
    """The updates of an account while they are being sent; safe to use from any thread."""

    def __init__(self, account: Account) -> None:
        """Write down in the account's ledger."""
        self._account = account
        self._leaving = Together(or_alone(self._begin_all))
        self._accepted = Together(or_alone(self._accept_all))

    def begin(self, update: Update, body: Mapping[str, str]) -> Attempt:
        """An update is about to be sent."""
        return self._leaving.add(_Leaving(update=update, body=body))

    def _begin_all(self, leaving: Sequence[_Leaving]) -> Sequence[Attempt]:
        now = self._account.clock()
        with self._account.ledger.write() as connection:
            bodies = {it.update.id: it.body for it in leaving}
            ids = attempts.begin_all(connection, bodies, at=now)
        return [
            Attempt(id=ids[it.update.id], update=it.update, sent=it.body, at=now) for it in leaving
        ]

    def end(self, attempt: Attempt, answer: str, *, shown: str | None = None) -> None:
        """Write down what came of an attempt, and what the hub showed afterwards."""
        now = self._account.clock()
        with self._account.ledger.write() as connection:
            attempts.end(connection, attempt.id, answer=answer, shown=shown)
            said = [_sent(attempt, answer, shown=shown, at=now)]
            events.record_all(connection, self._account.name, said)

    def accept(self, update: Update, outcome: Outcome, *, taken: Attempt | None = None) -> None:
        """Settle an update; `taken` is the attempt that the hub has just said yes to."""
        self._accepted.add(_Accepted(update=update, outcome=outcome, taken=taken))
        assert update.change is not None
        log.info(
            "update accepted",
            account=self._account.name,
            hub_id=update.hub_id,
            state=update.change.state,
            outcome=outcome,
        )

    def _accept_all(self, accepted: Sequence[_Accepted]) -> Sequence[None]:
        now, name = self._account.clock(), self._account.name
        taken = [it.taken.id for it in accepted if it.taken is not None]
        hub_ids = [it.update.hub_id for it in accepted if it.update.hub_id is not None]
        with self._account.ledger.write() as connection:
            attempts.end_all(connection, taken, answer="taken")
            updates.accepted_all(connection, {it.update.id: it.outcome for it in accepted}, at=now)
            deliveries.acknowledged_all(connection, name, FeedName.REST, hub_ids, at=now)
            said = [it for each in accepted for it in each.said(at=now)]
            events.record_all(connection, name, said)
        return [None] * len(accepted)

    def refuse(self, update: Update, refusal: Refusal) -> None:
        """Settle an update with a definite no."""
        now, name = self._account.clock(), self._account.name
        why = {"code": refusal.code, "reason": refusal.reason}
        with self._account.ledger.write() as connection:
            updates.refuse(connection, update.id, refusal, at=now)
            events.record_all(connection, name, [_said(update, "update refused", at=now, **why)])
        log.warning("update refused", account=name, hub_id=update.hub_id, **why)

    def not_sent(self, update: Update, error: BridgeError) -> None:
        """It did not leave this machine: it is due again as soon as the way is free."""
        with self._account.ledger.write() as connection:
            updates.not_sent(connection, update.id, trouble=str(error))

    def postpone(self, update: Update, error: BridgeError) -> None:
        """Try it again after a while; one that may have arrived is asked about first."""
        again = self._account.next_try(update.attempts, error)
        with self._account.ledger.write() as connection:
            unclear = attempts.unclear_since(connection, update.id) is not None
            updates.postpone(
                connection,
                update.id,
                trouble=str(error),
                next_attempt_at=again,
                unclear=unclear,
            )
        log.warning("update waits", hub_id=update.hub_id, update=update.id, reason=str(error))


def _sent(attempt: Attempt, answer: str, *, at: datetime, shown: str | None = None) -> Said:
    """Return what an event tells of an attempt that has ended: all of it, as the proof."""
    return _said(
        attempt.update,
        "update sent",
        at=at,
        begun_at=attempt.at.isoformat(),
        sent=attempt.sent,
        answer=answer,
        shown=shown,
    )


def _said(update: Update, kind: str, *, at: datetime, **detail: Value) -> Said:
    state = update.change.state if update.change else None
    whole = {"update": update.id, "state": state, **detail}
    return Said(kind=kind, at=at, hub_id=update.hub_id, detail=whole)

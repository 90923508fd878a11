"""One run of a rollback, step by step (see `rollback`)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from bridge.account import Account
from bridge.errors import (
    AccountError,
    HubAwayError,
    OldMailboxAwayError,
    OldMailboxRefusedError,
    OldMailboxUnwritableError,
)
from bridge.feeds.legacy import open_writer
from bridge.inbound.collecting import look_for_collected
from bridge.inbound.round import Inbound
from bridge.ledger import moves, serving
from bridge.ledger.moves import MoveKind
from bridge.legacy.listening import listen
from bridge.legacy.tying import tie, untie_missing
from bridge.model import FeedName
from bridge.rounds import pull_round, push_round
from reconcile.moves import switching
from reconcile.moves.elsewhere import is_led_elsewhere, since_of
from reconcile.moves.folder import Target
from reconcile.moves.handing_over import HandingOver
from reconcile.moves.looking import Look, make_plan
from reconcile.moves.manifest import MANIFEST
from reconcile.moves.old_mailbox import Changes
from reconcile.moves.plan import Plan
from reconcile.moves.rules import Action
from reconcile.moves.updates import OpenFile, enter_new, open_files
from reconcile.moves.way import Way, terms_of, then_of

log = structlog.get_logger()


class RollingBack:
    """One run of a rollback."""

    def __init__(self, account: Account, seen: Look, way: Way, by: str) -> None:
        self.account, self.seen, self.way, self.by = account, seen, way, by
        self.terms, self.then = terms_of(account, seen, way), then_of(account, seen)
        self.changes: Changes | None = None
        self.troubles: list[str] = []
        self.open_files: list[OpenFile] = []

    @contextmanager
    def at_the_old_mailbox(self) -> Iterator[None]:
        """Open the old mailbox for the block, where there is one that can be reached."""
        legacy = self.account.own.legacy
        if legacy is None or not self.terms.to_old_mailbox:
            yield
            return
        with open_writer(legacy, self.account.mailbox.profile) as mailbox:
            self.changes = Changes(self.account, mailbox, self.way.mode, self.troubles)
            yield

    def last_round(self) -> None:
        """Let REST bring what it lists and send what is due, as far as the hub can be reached."""
        try:
            pull_round(Inbound(self.account), only_due=False)
            push_round(self.account, only_due=False)
        except (HubAwayError, AccountError) as error:
            log.warning("rest had no last round", reason=str(error))
            self.seen.hub_error = error

    def plan(self) -> Plan:
        """Return what is to be done now."""
        return make_plan(self.seen, self.terms, self.then)

    def change_old_mailbox(self) -> None:
        """Have the old mailbox offer what waits, and nothing else."""
        if self.changes is None:
            return
        try:
            self.changes.call_off(standing=False)
            if self.way.target is not None:
                self.changes.call_off(standing=True)
            self.changes.finish()
            plan = self.plan()
            self.changes.take_away(plan.of(Action.TAKE_AWAY))
            self.changes.put(plan.of(Action.PUT))
        except OldMailboxUnwritableError as error:
            if self.way.target is not None:  # the balance says what is still offered there
                self.troubles[:] = [*dict.fromkeys([*self.troubles, str(error)])]
                return
            raise OldMailboxUnwritableError(
                f"{error}. The serving feed was not changed; --target DIR puts what is still to be "
                "imported into a folder instead"
            ) from error

    def wait_for_the_software(self) -> None:
        """Give software that is just taking invoices the time to end."""
        if self.way.target is None:
            return
        until = time.monotonic() + self.way.patience
        while self.plan().of(Action.WAIT) and time.monotonic() < until:
            time.sleep(min(1, self.way.patience))
            with self.account.mailbox.turn("inbound"):
                look_for_collected(self.account)

    # -- with all turns ----------------------------------------------------------------------------

    def switch(self) -> None:
        """Let the other feed serve; everything is in its place before."""
        account = self.account
        look_for_collected(account)
        if self.changes is not None:
            listen(account, self.changes.mailbox, only_due=True)
            if account.feeds().serve is FeedName.REST:
                with account.ledger.write() as connection:
                    untie_missing(connection, account, put=False)
            self.change_old_mailbox()
        if self.way.target is not None:
            self._hand_over(self.way.target)
        if account.feeds().serve is not FeedName.REST:
            return
        with account.ledger.read() as connection:
            waiting = open_files(connection, account)
        plan, now = self.plan(), account.clock()
        with account.ledger.write() as connection:
            tie(connection, account, plan.of(Action.LEAVE))
            if self.then.serve is FeedName.LEGACY:
                enter_new(connection, account, waiting)
            serving.change_serving(
                connection,
                account.name,
                serve=self.then.serve,
                shadow=self.then.shadow,
                actor=self.by,
                at=now,
            )
            moves.switch(connection, account.name, at=now)
        log.info("another feed serves", account=account.name, serve=str(self.then.serve))

    def _hand_over(self, root: Path) -> None:
        target = Target(self.account, root)
        target.prepare()
        handing_over = HandingOver(self.account, target, by=self.by)
        handing_over.hand_over(self.plan().of(Action.HAND_OVER))
        last = switching.last_move(self.account, MoveKind.ROLLBACK)
        if last is not None and is_led_elsewhere(last) and not (root / MANIFEST).exists():
            target.write_handed(since=since_of(last))
        self.troubles += target.troubles

    # -- afterwards --------------------------------------------------------------------------------

    def first_round(self) -> None:
        """Let the old mailbox serve; what is for the folder's `statin` is written there."""
        account = self.account
        with account.ledger.read() as connection:
            if account.feeds().serve is None:
                self.open_files = open_files(connection, account)
        if account.feeds().serve is not FeedName.LEGACY:
            return
        try:
            push_round(account, only_due=False)
            pull_round(Inbound(account), only_due=False)
        except (
            OldMailboxAwayError,
            OldMailboxRefusedError,
            OldMailboxUnwritableError,
        ) as error:
            self.troubles.append(str(error))

"""Rollback: from now on the old mailbox serves again, or nobody, and a folder has what came.

The steps, each safe to repeat; whoever runs it again after it was broken off goes on from there:

    1 a last round of REST: it brings what the hub lists, and sends the updates that are due
    2 with an old mailbox: what the software has leaves it, what waits and is not there is put there
    3 with all turns of the account, so that no round runs:
        a last look, and 2 once more for what has changed since
        with a folder: what waits leaves our mailbox for it
        what waits in both mailboxes is tied together; in one transaction the serving feed changes
    4 a round of the feed that serves now; the folder gets its manifest
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from bridge.account import Account
from bridge.chain import Detail
from bridge.collecting import look_for_collected
from bridge.errors import (
    AccountError,
    HubAwayError,
    OldMailboxAwayError,
    OldMailboxRefusedError,
    OldMailboxUnwritableError,
    SettingsError,
)
from bridge.feeds.legacy import open_writer
from bridge.inbound import Inbound
from bridge.ledger import handing, moves, serving
from bridge.ledger.moves import MoveKind
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.serving import Feeds
from bridge.ledger.standings import Fetches
from bridge.listening import listen
from bridge.model import FeedName, HubId
from bridge.placing import note_collected
from bridge.rounds import pull_round, push_round
from bridge.tying import tie
from reconcile.moves import switching
from reconcile.moves.folder import Target
from reconcile.moves.looking import Look, look, make_plan
from reconcile.moves.old_mailbox import Changes
from reconcile.moves.plan import Plan
from reconcile.moves.rules import Action, OldMailboxMode, Terms
from reconcile.moves.updates import OpenFile, enter_new, open_files

log = structlog.get_logger()

AT_ONCE = 2000
"""Invoices that leave our mailbox together."""

DOORS_TELL_WITHIN = 0.5
"""Seconds after which it is in the ledger what was fetched through a door."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an account is to be rolled back."""

    mode: OldMailboxMode = OldMailboxMode.MOVE
    target: Path | None = None
    patience: float = 30
    """Seconds to wait for software that is just taking invoices, with a target."""

    @property
    def options(self) -> Detail:
        """As the ledger keeps them: a run after a broken one must give the same."""
        target = str(self.target.resolve()) if self.target is not None else ""
        return {"old_mailbox": str(self.mode), "target": target}


def is_done(account: Account) -> bool:
    """Tell whether REST serves no longer, and nothing of a rollback is left to be done."""
    last = switching.last_move(account)
    is_open = last is not None and last.is_open
    return account.feeds().serve is not FeedName.REST and not is_open


def plan(account: Account, way: Way) -> tuple[Look, Plan]:
    """Look at everything, and return what a rollback would do.

    Raises SettingsError where a target is needed, OldMailboxAwayError without one.
    """
    if account.own.legacy is None and way.target is None:
        raise SettingsError(
            f"account {account.name} has no old mailbox ([account.legacy]): say with --target DIR "
            "where to put what is still to be imported"
        )
    seen = look(account)
    if seen.old_said and way.target is None:
        raise OldMailboxAwayError(
            f"{seen.old_said}; nothing was moved. If it does not come back, --target DIR puts what "
            "is still to be imported into a folder"
        )
    seen.remarks += [said for said in (seen.hub_said, seen.old_said) if said]
    return seen, make_plan(seen, terms_of(account, seen, way), then_of(account, seen))


def terms_of(account: Account, seen: Look, way: Way) -> Terms:
    """Return what a rollback is to be, as things are."""
    return Terms(
        kind=MoveKind.ROLLBACK,
        to_old_mailbox=account.own.legacy is not None and not seen.old_said,
        into_folder=way.target is not None,
        mode=way.mode,
    )


def then_of(account: Account, seen: Look) -> Feeds:
    """Return the feeds after it: an old mailbox that cannot be reached cannot serve."""
    feeds = switching.after_rollback(account)
    return replace(feeds, serve=None) if seen.old_said else feeds


def apply(account: Account, seen: Look, way: Way, *, by: str) -> tuple[list[str], list[OpenFile]]:
    """Roll the account back; return what somebody must look at, and the updates for the folder.

    Raises what keeps it from it, and may be run again then.
    """
    if _is_asked_otherwise(account, way):
        end(account)
    if way.target is not None and not _is_open(account):
        Target(account, way.target).refuse_strange()
    switching.begin(account, MoveKind.ROLLBACK, way.options, by=by, note={})
    doing = _Rollback(account, seen, way, by)
    with doing.at_the_old_mailbox():
        if account.feeds().serve is FeedName.REST:
            doing.last_round()
            doing.change_old_mailbox()
        doing.wait_for_the_software()
        with switching.all_turns(account):
            doing.switch()
    doing.first_round()
    return doing.troubles, doing.open_files


def end(account: Account) -> None:
    """Nothing of the rollback is left to be done."""
    with account.ledger.write() as connection:
        moves.end(connection, account.name, at=account.clock(), result={})


def clear_up(account: Account, way: Way) -> list[str]:
    """Have what the old hub delivered only after a rollback, and the software has, leave it, too.

    Returns what somebody must look at. What was collected since leaves it anyway.
    """
    legacy = account.own.legacy
    if legacy is None or account.feeds().serve is not FeedName.LEGACY:
        return []
    seen = look(account)
    with account.ledger.read() as connection:
        late = [
            it.hub_id
            for it in seen.standings(connection)
            if it.collected and it.in_old and not it.leaving
        ]
    if seen.old_said or not late:
        return []
    troubles: list[str] = []
    with open_writer(legacy, account.mailbox.profile) as mailbox, switching.all_turns(account):
        try:
            Changes(account, mailbox, way.mode, troubles).take_away(late)
        except OldMailboxUnwritableError as error:
            troubles.append(str(error))
    return troubles


def _is_asked_otherwise(account: Account, way: Way) -> bool:
    """Tell whether a rollback that could not write to the old mailbox is now to go another way."""
    last = switching.last_move(account, MoveKind.ROLLBACK)
    if last is None or not last.is_open or last.switched_at is not None:
        return False
    return not last.options.get("target") and dict(last.options) != dict(way.options)


def _is_open(account: Account) -> bool:
    last = switching.last_move(account)
    return last is not None and last.is_open


class _Rollback:
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
            self.seen.hub_said = str(error)

    def plan(self) -> Plan:
        """Return what is to be done now."""
        return make_plan(self.seen, self.terms, self.then)

    def change_old_mailbox(self) -> None:
        """Have the old mailbox offer what waits, and nothing else."""
        if self.changes is None:
            return
        self.changes.finish()
        plan = self.plan()
        try:
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
            self.change_old_mailbox()
        if self.way.target is not None:
            self._hand_over(Target(account, self.way.target))
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

    def _hand_over(self, target: Target) -> None:
        account = self.account
        target.prepare()
        with account.ledger.read() as connection:
            begun = handing.being_handed(connection, account.name)
        known = set(begun)
        planned = [it for it in self.plan().of(Action.HAND_OVER) if it not in known]
        for some in _parts([*begun, *planned]):
            self._hand_over_some(target, some)
        self.troubles += target.troubles

    def _hand_over_some(self, target: Target, hub_ids: Sequence[HubId]) -> None:
        self._note(handing.HANDING, hub_ids)
        files = self._files(hub_ids)
        there = {hub_id: self._set_aside(files[hub_id]) for hub_id in files}
        self.account.mailbox.sync_aside()
        taken = [hub_id for hub_id, is_there in there.items() if not is_there]
        kept = [hub_id for hub_id, is_there in there.items() if is_there]
        fetched = self._fetched_since(files, kept)
        for hub_id in [*taken, *fetched]:
            for file in files[hub_id]:
                self.account.mailbox.bring_back(file.folder, file.name)
        self._call_off([*taken, *fetched], files)
        handed = [hub_id for hub_id in kept if hub_id not in fetched]
        target.write(self._all_files(handed, files))
        self._note(handing.HANDED, handed)
        for hub_id in handed:
            for file in files[hub_id]:
                self.account.mailbox.forget_aside(file.folder, file.name)

    def _files(self, hub_ids: Sequence[HubId]) -> dict[HubId, list[PlacedFile]]:
        with self.account.ledger.read() as connection:
            return handing.standing_files(connection, self.account.name, hub_ids)

    def _all_files(
        self, hub_ids: Sequence[HubId], files: dict[HubId, list[PlacedFile]]
    ) -> Sequence[PlacedFile]:
        """Return what stood there, and what the software had taken of it alone: the whole."""
        with self.account.ledger.read() as connection:
            taken = handing.collected_parts(connection, self.account.name, hub_ids)
        return [*taken, *(file for hub_id in hub_ids for file in files[hub_id])]

    def _set_aside(self, files: Sequence[PlacedFile]) -> bool:
        """Take an invoice out of the software's sight; False where the software has taken it."""
        mailbox = self.account.mailbox
        invoice = next(file for file in files if file.kind is Kind.INVOICE)
        if not mailbox.set_aside(invoice.folder, invoice.name):
            return False
        for file in files:
            mailbox.set_aside(file.folder, file.name)
        return True

    def _fetched_since(
        self, files: dict[HubId, list[PlacedFile]], hub_ids: Sequence[HubId]
    ) -> list[HubId]:
        """Return what was fetched through a door while it was being set aside."""
        names = {
            hub_id: file.name
            for hub_id in hub_ids
            for file in files[hub_id]
            if file.kind is Kind.INVOICE
        }
        time.sleep(DOORS_TELL_WITHIN)
        with self.account.ledger.read() as connection:
            return list(Fetches(connection, self.account.name, names).fetched)

    def _call_off(self, hub_ids: Sequence[HubId], files: dict[HubId, list[PlacedFile]]) -> None:
        """What the software has taken is not handed over; the look after this notes it."""
        self._note(handing.CALLED_OFF, hub_ids)
        gone = [
            file
            for hub_id in hub_ids
            for file in files[hub_id]
            if self.account.mailbox.is_gone(file.folder, file.name)
        ]
        if gone:
            with self.account.ledger.write() as connection:
                note_collected(connection, self.account, gone)

    def _note(self, kind: str, hub_ids: Sequence[HubId]) -> None:
        if not hub_ids:
            return
        account = self.account
        with account.ledger.write() as connection:
            handing.record(
                connection, account.name, kind, hub_ids, at=account.clock(), actor=self.by
            )

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
        except (OldMailboxAwayError, OldMailboxRefusedError) as error:
            self.troubles.append(str(error))


def _parts(hub_ids: Sequence[HubId]) -> Iterator[Sequence[HubId]]:
    for start in range(0, len(hub_ids), AT_ONCE):
        yield hub_ids[start : start + AT_ONCE]

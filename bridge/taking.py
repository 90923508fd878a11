"""Taking state files: from `statin` through the archive into the outbox.

A state file is taken when its name and its rest say that it is finished. Its bytes go to the
archive, its updates to the ledger, and only then does it leave `statin`. The same bytes once more,
under whatever name, are no second effect: what was accepted is a repetition, what was refused gets
another chance.

While the old mailbox serves, a file is passed on there as it is (`legacy_outbound`): its updates
are written down for the record, what our rules refuse among them, and the old hub answers. While no
feed serves, files are left lying.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection

from bridge import feedback
from bridge.account import Account
from bridge.chain import Value
from bridge.errors import RcfFileError, StorageError
from bridge.ledger import accounts, cut_offs, events, invoices, state_files, updates
from bridge.ledger.state_files import StateFile
from bridge.ledger.updates import Update
from bridge.mailbox import Mailbox
from bridge.model import Digest, FeedName, HubId, Refusal, StateUpdate, UpdateStatus
from bridge.naming import Folder, is_temporary
from bridge.settings import PushSettings
from bridge.statin import Dropped
from bridge.translate import ReadUpdate, updates_of

log = structlog.get_logger()

MOST_UPDATES = 20_000
"""Updates in one state file: they are written down in one transaction, and others wait for it."""

LEFT_LYING_AFTER = 600
"""Seconds after which `status` tells of what lies in `statin` and is not taken."""

HANDFUL = 200
"""State files that one round of `serve` takes: what they ask for is sent before more are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftLying:
    """The names of what lies in `statin` for long."""

    unrecognised: tuple[str, ...] = ()
    """What is never taken."""
    not_taken: tuple[str, ...] = ()
    """State files that could not be taken yet."""


def take_in(account: Account, *, most: int | None = None) -> int:
    """Take the finished state files out of `statin`, that many at most; return how many.

    For whoever has the turn `outbound`.
    """
    serve = account.feeds().serve
    if serve is None:
        return 0
    lying = list(account.mailbox.statin.dropped())
    account.mailbox.clear_staged("take")
    _note_left(account, {name for file in lying for name in (file.name, file.stored)})
    taken = 0
    for file in lying:
        if taken == most:
            break
        if _is_finished(account, file):
            taken += _take(account, file, pass_on=serve is FeedName.LEGACY)
    return taken


def _is_finished(account: Account, file: Dropped) -> bool:
    recognised = _is_state_file(account.mailbox, account.settings.push, file)
    return recognised and has_settled(account, file)


def has_settled(account: Account, file: Dropped) -> bool:
    """Tell whether a dropped file has rested for `settle`, and nobody has it open to write on."""
    now, settle = account.clock().timestamp(), account.settings.push.settle
    is_at_rest = file.settled(now=now, settle=settle)
    return is_at_rest and not account.mailbox.statin.is_being_written(file)


def _note_left(account: Account, lying: Collection[str]) -> None:
    """Note what left `statin` right before a crash: the same bytes coming again are news."""
    with account.ledger.read() as connection:
        gone = [
            file
            for file in state_files.not_left(connection, account.name)
            if file.name not in lying
        ]
    if gone:
        with account.ledger.write() as connection:
            for file in gone:
                state_files.left(connection, file.id, at=account.clock())


def arriving(account: Account) -> frozenset[str]:
    """Return the names of the state files that lie in `statin`, settled or not."""
    return frozenset(
        file.name
        for file in account.mailbox.statin.dropped()
        if _is_state_file(account.mailbox, account.settings.push, file)
    )


def expects_files(account: Account) -> bool:
    """Tell whether any state file lies in `statin`, settled or not."""
    if account.feeds().serve is None:
        return False
    push, mailbox = account.settings.push, account.mailbox
    return any(_is_state_file(mailbox, push, file) for file in mailbox.statin.lying())


def left_lying(mailbox: Mailbox, push: PushSettings, *, now: datetime) -> LeftLying:
    """Return what lies in `statin` for long, by arrival."""
    oldest = now.timestamp() - LEFT_LYING_AFTER
    lying = [(file, _is_state_file(mailbox, push, file)) for file in mailbox.statin.dropped()]
    return LeftLying(
        unrecognised=tuple(file.name for file, ours in lying if not ours and file.since < oldest),
        not_taken=tuple(file.name for file, ours in lying if ours and file.changed_at < oldest),
    )


def _is_state_file(mailbox: Mailbox, push: PushSettings, file: Dropped) -> bool:
    return (
        file.regular
        and mailbox.profile.is_state_file(file.name)
        and not is_temporary(file.name, push.temporary)
    )


def _take(account: Account, file: Dropped, *, pass_on: bool) -> bool:
    """Take one file; False when it has to wait, which must not hold up the others."""
    try:
        digest = account.mailbox.statin.keep(file)
    except StorageError as error:
        log.warning("state file not taken", name=file.name, reason=str(error))
        return False
    if not account.mailbox.statin.is_unchanged(file):
        return False  # somebody is still writing: the next round sees it whole
    with account.ledger.read() as connection:
        before = state_files.same_bytes(connection, account.name, digest)
    names = {file.name, file.stored}
    interrupted = next((it for it in before if it.name in names and not it.left), None)
    file_id = (
        interrupted.id if interrupted else _enter(account, file, digest, before, pass_on=pass_on)
    )
    account.mailbox.statin.remove(file)
    with account.ledger.write() as connection:
        state_files.left(connection, file_id, at=account.clock())
    return True


def _enter(
    account: Account,
    file: Dropped,
    digest: Digest,
    before: Sequence[StateFile],
    *,
    pass_on: bool,
) -> int:
    """Write a state file and its updates into the ledger; return its id."""
    found = read_updates(account, digest)
    kind = state_files.Kind.REPETITION if before else state_files.Kind.TAKEN
    now, name = account.clock(), file.stored if pass_on else file.name
    with account.ledger.write() as connection:
        since = _perhaps_sent_since(connection, account, file)
        file_id = state_files.add(
            connection,
            account.name,
            name=name,
            digest=digest,
            size=file.size,
            kind=kind,
            at=now,
            pass_on=pass_on,
            perhaps_sent_since=since,
        )
        earlier = {
            update.position: update
            for known in before
            for update in updates.of_file(connection, known.id)
        }
        events.record(
            connection,
            account.name,
            f"state file {kind}",
            at=now,
            actor="rcf",
            also=_passing(pass_on=pass_on) | _perhaps_sent(since),
            file=file_id,
            name=name,
            digest=digest,
            size=file.size,
            updates=len(found),
        )
        for update in found:
            known = earlier.get(update.position)
            _queue(connection, account, file_id, update, known, pass_on=pass_on)
    log.info("state file taken", account=account.name, name=file.name, updates=len(found))
    return file_id


def _perhaps_sent_since(connection: Connection, account: Account, file: Dropped) -> datetime | None:
    """Return since when a file may have been sent: a restored backup brought it.

    When a file was last changed no program can set, so all that came later is new.
    """
    forgotten = accounts.forgotten(connection, account.name)
    if forgotten is None or file.changed_at > forgotten.until.timestamp():
        return None
    return forgotten.since


def _perhaps_sent(since: datetime | None) -> dict[str, Value]:
    return {} if since is None else {"perhaps_sent_since": since.isoformat()}


def _passing(*, pass_on: bool) -> dict[str, Value]:
    return {"pass_on": True} if pass_on else {}


def read_updates(account: Account, digest: Digest) -> Sequence[ReadUpdate]:
    """Return what an archived state file asks for; a file that is broken asks for a refusal."""
    content = account.mailbox.archive.read(digest, most=feedback.MAX_BYTES + 1)
    try:
        found = updates_of(feedback.read(content))
    except RcfFileError as error:
        return [_whole_file(Refusal(error.code, error.reason))]
    if len(found) > MOST_UPDATES:
        too_many = f"the file asks for {len(found)} updates; at most {MOST_UPDATES} fit into one"
        return [_whole_file(Refusal("BR07", too_many))]
    return found or [_whole_file(Refusal("BR05", "the file has no StatusFeedback"))]


def _whole_file(refusal: Refusal) -> ReadUpdate:
    return ReadUpdate(
        position=0,
        total=0,
        asked_state=None,
        hub_id=None,
        invoice_number=None,
        supplier_nif=None,
        invoice_date=None,
        outcome=refusal,
    )


def _queue(
    connection: Connection,
    account: Account,
    file_id: int,
    found: ReadUpdate,
    earlier: Update | None,
    *,
    pass_on: bool,
) -> None:
    if earlier is not None and earlier.status is not UpdateStatus.REFUSED:
        return  # one effect, however often it is dropped
    hub_id, outcome = _resolve(connection, account, found)
    if earlier is not None and earlier.answered:
        update = replace(earlier, state_file=file_id, hub_id=hub_id)
        _queue_again(connection, account, update, outcome, actor="rcf", pass_on=pass_on)
        return
    now = account.clock()
    update_id = updates.queue(
        connection,
        account.name,
        file_id,
        position=found.position,
        total=found.total,
        asked_state=found.asked_state,
        hub_id=hub_id,
        outcome=outcome,
        at=now,
        pass_on=pass_on,
    )
    is_refused = isinstance(outcome, Refusal) and not pass_on
    events.record(
        connection,
        account.name,
        "update refused" if is_refused else "update queued",
        at=now,
        actor="rcf",
        hub_id=hub_id,
        also=_passing(pass_on=pass_on),
        update=update_id,
        file=file_id,
        position=found.position,
        total=found.total,
        asked_state=found.asked_state,
        outcome=updates.as_detail(outcome),
    )


def _queue_again(
    connection: Connection,
    account: Account,
    update: Update,
    outcome: StateUpdate | Refusal,
    *,
    actor: str,
    pass_on: bool = False,
) -> None:
    now = account.clock()
    file_id, hub_id = update.state_file, update.hub_id
    updates.requeue(
        connection,
        update.id,
        state_file=file_id,
        hub_id=hub_id,
        outcome=outcome,
        at=now,
        pass_on=pass_on,
    )
    events.record(
        connection,
        account.name,
        "update queued again",
        at=now,
        actor=actor,
        hub_id=hub_id,
        also=_passing(pass_on=pass_on),
        update=update.id,
        file=file_id,
        outcome=updates.as_detail(outcome),
    )


def _try_again(
    connection: Connection, account: Account, file_id: int, found: ReadUpdate, update: Update
) -> None:
    """Queue a refused update again, unless its file refuses it still: that was answered once."""
    hub_id, outcome = _resolve(connection, account, found)
    if outcome != update.refusal:
        update = replace(update, state_file=file_id, hub_id=hub_id)
        _queue_again(connection, account, update, outcome, actor="operator")


def _resolve(
    connection: Connection, account: Account, found: ReadUpdate
) -> tuple[HubId | None, StateUpdate | Refusal]:
    """Find the invoice that an update means: by its hub id, else by its facts, never by guess."""
    if found.hub_id is not None:
        return found.hub_id, found.outcome
    fitting = invoices.matching(
        connection,
        account.name,
        number=found.invoice_number,
        supplier_nif=found.supplier_nif,
        issue_date=found.invoice_date,
    )
    only = fitting[0] if len(fitting) == 1 else None
    if only is not None or isinstance(found.outcome, Refusal):
        return only, found.outcome
    what = (
        f"number {found.invoice_number or '?'}, supplier {found.supplier_nif or '?'}, "
        f"date {found.invoice_date or '?'}"
    )
    if fitting:
        return None, Refusal("BR03", f"more than one invoice fits {what}: give its HubId")
    return None, Refusal("BR02", f"no invoice is known by {what}: give its HubId")


def retry(account: Account, refused: Iterable[Update]) -> None:
    """Queue refused updates again, read anew from their archived state files."""
    with account.ledger.write() as connection:
        for update in refused:
            file = state_files.known(connection, update.state_file)
            for found in read_updates(account, file.digest):
                if found.position == update.position:
                    _try_again(connection, account, file.id, found, update)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploader:
    """Who uploaded something, from where and through which door."""

    user: str
    address: str
    protocol: str


def note_cut_off(
    account: Account, folder: Folder, name: str, partial: Path, *, who: Uploader | None = None
) -> None:
    """Keep the bytes of an upload that was cut off; it is neither taken nor answered.

    After an error, or a crash, it is still at `partial` and can be noted again.
    """
    with account.mailbox.turn("outbound"):
        _note_cut_off(account, folder, name, partial, who)
        account.mailbox.statin.forget_partial(partial)


def _note_cut_off(
    account: Account, folder: Folder, name: str, partial: Path, who: Uploader | None
) -> None:
    digest, size = account.mailbox.statin.keep_partial(partial)
    now = account.clock()
    with account.ledger.write() as connection:
        file_id = None
        if folder is Folder.STATIN:
            file_id = state_files.add(
                connection,
                account.name,
                name=name,
                digest=digest,
                size=size,
                kind=state_files.Kind.CUT_OFF,
                at=now,
            )
        events.record(
            connection,
            account.name,
            cut_offs.CUT_OFF,
            at=now,
            actor=who.user if who else "rcf",
            folder=folder,
            file=file_id,
            name=name,
            digest=digest,
            size=size,
            also={"address": who.address, "protocol": who.protocol} if who else None,
        )

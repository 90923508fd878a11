"""Entering state files into the ledger: what each of their updates becomes.

The bytes are in the archive, and are read from there. An update is queued for the feed, or refused
with the reason. Of the same bytes once more, what was accepted is a repetition, what was refused
gets another chance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from bridge import feedback
from bridge.account import Account
from bridge.chain import Value
from bridge.errors import RcfFileError
from bridge.ledger import accounts, events, invoices, queueing, state_files, updates
from bridge.ledger.state_files import Passing, StateFile
from bridge.ledger.updates import Update
from bridge.model import Digest, HubId, Refusal, StateUpdate, UpdateStatus
from bridge.statin import Dropped
from bridge.translate import ReadUpdate, updates_of

MOST_UPDATES = 20_000
"""Updates in one state file: they are written down in one transaction, and others wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A dropped file whose bytes are in the archive, and what they ask for."""

    file: Dropped
    digest: Digest
    asks: Sequence[ReadUpdate]


def enter(connection: Connection, account: Account, kept: Kept, *, pass_on: bool) -> int:
    """Write a state file and its updates into the ledger; return its id.

    One that a crash kept from leaving `statin` is there already.
    """
    file = kept.file
    before = state_files.same_bytes(connection, account.name, kept.digest)
    names = {file.name, file.stored}
    if interrupted := next((it for it in before if it.name in names and not it.left), None):
        return interrupted.id
    earlier = {
        update.position: update
        for known in before
        for update in updates.of_file(connection, known.id)
    }
    kind = state_files.Kind.REPETITION if before else state_files.Kind.TAKEN
    pass_on = pass_on and not _is_no_news(before, earlier, kept.asks)
    now, name = account.clock(), file.stored if pass_on else file.name
    since = _perhaps_sent_since(connection, account, file)
    file_id = state_files.add(
        connection,
        account.name,
        name=name,
        digest=kept.digest,
        size=file.size,
        kind=kind,
        at=now,
        pass_on=pass_on,
        perhaps_sent_since=since,
    )
    events.record(
        connection,
        account.name,
        f"state file {kind}",
        at=now,
        actor="rcf",
        also=_passing(pass_on=pass_on) | _perhaps_sent(since),
        file=file_id,
        name=name,
        digest=kept.digest,
        size=file.size,
        updates=len(kept.asks),
    )
    for update in kept.asks:
        known = earlier.get(update.position)
        _queue(connection, account, file_id, update, known, pass_on=pass_on)
    return file_id


def _is_no_news(
    before: Sequence[StateFile], earlier: Mapping[int, Update], asks: Sequence[ReadUpdate]
) -> bool:
    """Tell whether the old mailbox need not have the same bytes once more.

    They wait for it already, or the hub has accepted all of them over REST. What was refused is
    tried again, and what was passed on before goes again: only the old hub knows what it said.
    """
    if any(update.status is UpdateStatus.REFUSED for update in earlier.values()):
        return False
    if any(file.passing in (Passing.WAITING, Passing.READY) for file in before):
        return True
    accepted = {at for at, it in earlier.items() if it.status is UpdateStatus.ACCEPTED}
    passed_on = any(file.passing is Passing.PASSED for file in before)
    return not passed_on and accepted.issuperset(ask.position for ask in asks)


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
        reason = account.settings.push.default_reason
        found = updates_of(feedback.read(content), default_reason=reason)
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
    update_id = queueing.queue(
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
        outcome=queueing.as_detail(outcome),
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
    queueing.requeue(
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
        outcome=queueing.as_detail(outcome),
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

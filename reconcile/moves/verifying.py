"""What a move came to: a last look at all real places, and a folder read back.

Every place counts that can hold an invoice: one that could not be looked at leaves the balance open
until it was. Only the old mailbox may be missing: where the account has moved without it, or a
person says that it is closed for good. One that answers and refuses is not gone: only a person can
say so of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bridge.account import Account
from bridge.errors import AccountError, BridgeError, OldMailboxAwayError
from bridge.feeds.legacy import LATER
from bridge.inbound.collecting import look_for_collected
from bridge.ledger.moves import Move, MoveKind
from bridge.ledger.serving import Feeds
from bridge.legacy.listening import SUDDENLY
from bridge.model import FeedName, HubId
from reconcile.language import language
from reconcile.moves import cutover, switching
from reconcile.moves.balance import MISSING_THERE, Balance, Problem, Unread, balance
from reconcile.moves.elsewhere import lost_folder, since_of
from reconcile.moves.folder import Target
from reconcile.moves.looking import Look, look, suddenly_empty, waiting_updates
from reconcile.moves.manifest import Manifest
from reconcile.moves.page import balance_as_html
from reconcile.moves.reach import as_it_ends
from reconcile.moves.rules import Place
from reconcile.moves.updates import OpenFile

NO_ADDRESS = "it serves, and the settings have no [account.legacy] with its url"

IF_IMPORTED = "If all of it was imported, nothing is left to be done"

LOOKS = 5
"""So often a file that is missing in our mailbox is looked for before it counts as lost."""


def look_at_balance(
    account: Account, kind: MoveKind, *, remarks: Sequence[str] = (), closed: bool = False
) -> Balance:
    """Look at the real places once more; `closed`: a person says that the old mailbox is gone."""
    seen = look(account)
    seen.remarks += remarks
    last = switching.last_move(account, kind)
    since = (last.switched_at or since_of(last)) if last else None
    closed = seen.old_error is not None and (closed or _moved_without(seen, last))
    with account.ledger.read() as connection:
        updates = waiting_updates(connection, account.name)
    done = balance(seen, since=since, updates=updates)
    for _ in range(LOOKS):
        if not done.lost:
            break
        # The software may just be taking it: a look at the mailbox tells.
        with account.mailbox.turn("inbound"):
            look_for_collected(account)
        done = balance(seen, since=since, updates=updates)
    if lost_folder(account) is not None:  # nothing leaves before a person has said what becomes
        done = replace(done, to_take_away=())
    return replace(
        done,
        unread=tuple(_unread(seen, done.feeds, closed=closed)),
        closed=(seen.old_said or "").removesuffix(LATER) if closed else "",
    )


def _moved_without(seen: Look, last: Move | None) -> bool:
    """Tell whether an account has moved although its old mailbox was out of reach."""
    if seen.account.feeds().serve is None:
        return isinstance(seen.old_error, OldMailboxAwayError)
    return last is not None and last.options.get(cutover.WITHOUT) == str(True)


def _unread(seen: Look, feeds: Feeds, *, closed: bool) -> Iterator[Unread]:
    """Yield what could not be looked at."""
    if seen.hub_error is not None:
        yield _not_read(Place.HUB, seen.hub_error)
    if seen.old_error is not None and not closed:
        yield _not_read(Place.OLD_MAILBOX, seen.old_error)
    if seen.vanished >= SUDDENLY:
        yield Unread(place=Place.OLD_MAILBOX, why=suddenly_empty(seen), is_away=False)
    if (lost := lost_folder(seen.account)) is not None:
        yield Unread(place=Place.FOLDER, why=f"{lost}. {IF_IMPORTED}", is_away=False)
    if seen.account.own.legacy is None and feeds.serve is FeedName.LEGACY:
        yield Unread(place=Place.OLD_MAILBOX, why=NO_ADDRESS, is_away=False)


def _not_read(place: Place, error: BridgeError) -> Unread:
    return Unread(place=place, why=as_it_ends(error), is_away=not isinstance(error, AccountError))


def finish_folder(
    account: Account, root: Path, open_files: Sequence[OpenFile], done: Balance, *, lang: str
) -> Balance:
    """Write what belongs to a rollback's folder as a whole, and read it back."""
    target, last = Target(account, root), switching.last_move(account, MoveKind.ROLLBACK)
    assert last is not None
    target.prepare()
    target.write_state_files(open_files)
    target.write_collected()
    manifest = Manifest(target, open_files, since=since_of(last))
    lost = [Problem(hub_id=HubId(path), said=MISSING_THERE) for path in manifest.missing()]
    done = replace(done, lost=(*done.lost, *lost), remarks=(*done.remarks, *target.troubles))
    page = balance_as_html(done, MoveKind.ROLLBACK, language(lang))
    manifest.write(page, now=account.clock())
    return done

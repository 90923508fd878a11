"""What a move came to: a last look at all real places, and a folder read back."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge.account import Account
from bridge.collecting import look_for_collected
from bridge.ledger.moves import MoveKind
from bridge.model import HubId
from reconcile.language import language
from reconcile.moves import switching
from reconcile.moves.balance import MISSING_THERE, Balance, Problem, balance
from reconcile.moves.folder import Target
from reconcile.moves.looking import look, waiting_updates
from reconcile.moves.manifest import Manifest
from reconcile.moves.page import balance_as_html
from reconcile.moves.updates import OpenFile

LOOKS = 5
"""So often a file that is missing in our mailbox is looked for before it counts as lost."""


def look_at_balance(account: Account, kind: MoveKind, *, remarks: Sequence[str] = ()) -> Balance:
    """Look at the real places once more; what is out of reach is remarked."""
    seen = look(account)
    seen.remarks += [said for said in (*remarks, seen.hub_said, seen.old_said) if said]
    last = switching.last_move(account, kind)
    since = (last.switched_at or last.begun_at) if last else None
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
    return done


def finish_folder(
    account: Account, root: Path, open_files: Sequence[OpenFile], done: Balance, *, lang: str
) -> Balance:
    """Write what belongs to a rollback's folder as a whole, and read it back."""
    target, last = Target(account, root), switching.last_move(account, MoveKind.ROLLBACK)
    assert last is not None
    target.prepare()
    target.write_state_files(open_files)
    target.write_collected()
    manifest = Manifest(target, open_files, since=last.begun_at)
    lost = [Problem(hub_id=HubId(path), said=MISSING_THERE) for path in manifest.missing()]
    done = replace(done, lost=(*done.lost, *lost), remarks=(*done.remarks, *target.troubles))
    page = balance_as_html(done, MoveKind.ROLLBACK, language(lang))
    manifest.write(page, now=account.clock())
    return done

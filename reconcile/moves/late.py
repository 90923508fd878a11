"""What the old mailbox offers again only after a rollback: it leaves when that is run again.

The old hub delivered it late, or the old mailbox was out of reach when all went into a folder. Our
mailbox never offers what the software has; the old mailbox does until then, to software that reads
it directly.
"""

from bridge.account import Account
from bridge.errors import OldMailboxUnwritableError
from bridge.feeds.legacy import open_writer
from bridge.model import FeedName
from reconcile.moves import switching
from reconcile.moves.elsewhere import lost_folder
from reconcile.moves.looking import look
from reconcile.moves.old_mailbox import Changes
from reconcile.moves.way import Way


def clear_up(account: Account, way: Way) -> list[str]:
    """Have what the old mailbox offers of what the software has leave it, too.

    Returns what somebody must look at. What was collected since leaves it anyway. Where the folder
    of the rollback is lost, nothing leaves until a person has said what becomes of it.
    """
    legacy, serve = account.own.legacy, account.feeds().serve
    if legacy is None or serve is FeedName.REST or lost_folder(account) is not None:
        return []
    seen = look(account)
    with account.ledger.read() as connection:
        late = [
            it.hub_id
            for it in seen.standings(connection)
            if it.collected and it.in_old and not (it.leaving and serve is FeedName.LEGACY)
        ]
    if seen.old_said or not late:
        return []
    troubles: list[str] = []
    with open_writer(legacy, account.mailbox.profile) as mailbox, switching.all_turns(account):
        try:
            Changes(account, mailbox, way.mode, troubles).take_away(late)
        except OldMailboxUnwritableError as error:
            troubles.append(str(error))
    return list(dict.fromkeys(troubles))

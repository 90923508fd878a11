"""How a rollback is to be done: as it was asked for, and as things allow."""

from dataclasses import dataclass, replace
from pathlib import Path

from bridge.account import Account
from bridge.chain import Detail
from bridge.feeds.legacy import is_read_only
from bridge.ledger.moves import MoveKind
from bridge.ledger.serving import Feeds
from reconcile.moves import switching
from reconcile.moves.looking import Look
from reconcile.moves.rules import OldMailboxMode, Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an account is to be rolled back."""

    mode: OldMailboxMode = OldMailboxMode.MOVE
    target: Path | None = None
    instead_of: Path | None = None
    """A folder that was lost: what went into it goes into the target."""
    patience: float = 30
    """Seconds to wait for software that is just taking invoices, with a target."""

    @property
    def options(self) -> Detail:
        """As the ledger keeps them: a run after a broken one must give the same."""
        target = str(self.target.resolve()) if self.target is not None else ""
        return {"old_mailbox": str(self.mode), "target": target}


def terms_of(account: Account, seen: Look, way: Way) -> Terms:
    """Return what a rollback is to be, as things are."""
    legacy = account.own.legacy if seen.old_error is None else None
    return Terms(
        kind=MoveKind.ROLLBACK,
        to_old_mailbox=legacy is not None,
        into_folder=way.target is not None,
        target=str(way.options["target"]),
        mode=way.mode,
        acknowledges=account.own.acknowledge != "never",
        read_only=legacy is not None and is_read_only(legacy),
    )


def then_of(account: Account, seen: Look) -> Feeds:
    """Return the feeds after it: an old mailbox that cannot be reached cannot serve."""
    feeds = switching.after_rollback(account)
    return replace(feeds, serve=None) if seen.old_said else feeds

"""A rollback's folder that was lost: all that went into it goes into another one.

What was imported from a folder nobody here can know. So a person must say that it is lost, it must
really be gone, and what is written again is written while no manifest says that the new one is
finished: an importer takes nothing from it before.
"""

from datetime import datetime
from pathlib import Path

from bridge.account import Account
from bridge.durable import storage
from bridge.errors import LocalError, SettingsError
from bridge.ledger import handed, handing, moves
from bridge.ledger.moves import Move, MoveKind
from reconcile.moves import switching
from reconcile.moves.folder import COLLECTED, Target
from reconcile.moves.manifest import MANIFEST
from reconcile.moves.way import Way

INSTEAD_OF = "instead_of"
SINCE = "handed_over_since"
"""Options of a rollback that takes the place of an earlier one."""


def since_of(move: Move) -> datetime:
    """Return since when invoices were handed over into the folder of a rollback."""
    since = move.options.get(SINCE)
    return datetime.fromisoformat(str(since)) if since else move.begun_at


def is_led_elsewhere(move: Move) -> bool:
    """Tell whether a rollback writes once more what another folder had."""
    return INSTEAD_OF in move.options


def refuse_lost(account: Account, way: Way) -> None:
    """Raise SettingsError where the folder of a rollback that goes on is not there any more."""
    last = switching.last_move(account, MoveKind.ROLLBACK)
    if way.target is None or last is None or not last.is_open or not _is_gone(way.target):
        return
    if last.options.get("target") != way.options["target"]:
        return
    if count := _handed(account, last):
        or_leave = ". If all of it was imported, cut over with --force"
        can_leave = last.switched_at is not None and not _is_half_done(account)
        raise SettingsError(f"{_gone(way.target, count)}{or_leave if can_leave else ''}")


def lost_folder(account: Account) -> str | None:
    """Say that the folder of the last move is wholly gone, and what to do; None if it is not.

    What is in one that is there is not looked at: somebody may be importing from it.
    """
    last = switching.last_move(account)
    if last is None or last.kind is not MoveKind.ROLLBACK or not last.options.get("target"):
        return None
    root = Path(str(last.options["target"]))
    if not _is_gone(root) or not (count := _handed(account, last)):
        return None
    return _gone(root, count)


def end_with_lost(account: Account) -> None:
    """End a rollback of which only the folder is missing: a person says that all was imported."""
    last = switching.last_move(account)
    if last is None or not last.is_open or last.switched_at is None:
        return
    if lost_folder(account) is None or _is_half_done(account):
        return
    with account.ledger.write() as connection:
        moves.end(connection, account.name, at=account.clock(), result={})


def _is_half_done(account: Account) -> bool:
    """Tell whether invoices are on their way into a folder: they are in neither place."""
    with account.ledger.read() as connection:
        return bool(handing.being_handed(connection, account.name))


def leave_lost(account: Account, *, forced: bool) -> list[str]:
    """Return what is said of a lost folder that a cutover leaves behind for good.

    Raises LocalError unless that is forced: another one cannot take its place any more then.
    """
    lost = lost_folder(account)
    if lost is None:
        return []
    if not forced:
        raise LocalError(
            f"account {account.name}: {lost}. After a cutover that cannot be done any more, so "
            "nothing was moved. If all of it was imported, --force moves, and is recorded"
        )
    said = "With --force all of it counts as imported: nothing can take its place after the cutover"
    return [f"{lost}. {said}"]


def _gone(root: Path, count: int) -> str:
    went = "1 invoice" if count == 1 else f"{count} invoices"
    return (
        f"--target {root}: this folder is gone, and {went} went into it. If it is on a disk that "
        "is not there now, bring that back and give the same command again. If it is lost, and "
        f"nothing was imported from it, name a new one: --target DIR --instead-of {root}"
    )


def to_be_written_again(account: Account, way: Way) -> int | None:
    """Return how many invoices the lost folder had; None where the new one has taken its place.

    Raises SettingsError where it was not the folder of the last rollback, or is still there.
    """
    assert way.instead_of is not None
    last, lost = switching.last_move(account), str(way.instead_of.resolve())
    if last is None or last.kind is not MoveKind.ROLLBACK or way.target is None:
        raise SettingsError(
            f"--instead-of {way.instead_of}: name the new folder with --target, after a rollback "
            "into the lost one"
        )
    target = last.options.get("target")
    if (target, last.options.get(INSTEAD_OF)) == (way.options["target"], lost) and (
        last.is_open or not _is_gone(way.target)
    ):
        return None
    if target != lost:
        went = f"went into {target}" if target else "did not go into a folder"
        raise SettingsError(f"--instead-of {way.instead_of}: the last rollback {went}")
    if not _is_gone(way.instead_of):
        go_on = f"Give the command with --target {lost} until it has ended"
        use = go_on if last.is_open else "Import from it"
        raise SettingsError(
            f"--instead-of {way.instead_of}: it is still there. {use}; or take it away, if nothing "
            "was imported from it, so that nothing is imported from both"
        )
    Target(account, way.target).refuse_strange()
    return _handed(account, last)


def lead_elsewhere(account: Account, way: Way, *, by: str) -> None:
    """Let a new rollback, into the new folder, take the place of the last one."""
    assert way.target is not None
    assert way.instead_of is not None
    last = switching.last_move(account, MoveKind.ROLLBACK)
    assert last is not None
    Target(account, way.target).prepare()
    note = {INSTEAD_OF: str(way.instead_of.resolve()), SINCE: since_of(last).isoformat()}
    now = account.clock()
    with account.ledger.write() as connection:
        if last.is_open:
            moves.end(connection, account.name, at=now, result={})
        options = {**way.options, **note}
        moves.begin(connection, account.name, MoveKind.ROLLBACK, options, at=now, actor=by)


def _is_gone(root: Path) -> bool:
    """Tell whether a folder of ours is not there, or but the empty place for its disk."""
    with storage(f"folder {root}"):
        return not any((root / name).exists() for name in (COLLECTED, MANIFEST))


def _handed(account: Account, move: Move) -> int:
    with account.ledger.read() as connection:
        return handed.count(connection, account.name, since=since_of(move))

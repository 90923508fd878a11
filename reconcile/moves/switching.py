"""What both moves share: one at a time, taken up again where it was broken off, and the turns."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bridge.account import Account
from bridge.chain import Detail
from bridge.durable import BusyError
from bridge.errors import LocalError, SettingsError
from bridge.ledger import moves
from bridge.ledger.moves import Move, MoveKind
from bridge.ledger.serving import Feeds
from bridge.model import FeedName

TURNS = ("inbound", "outbound", "hub", "record", "record-rest")
"""In this order: each flow takes them so."""


@contextmanager
def alone(account: Account) -> Iterator[None]:
    """Keep other moves of this account out while the block runs."""
    with ExitStack() as stack:
        try:
            stack.enter_context(account.mailbox.turn("move", wait=0))
        except BusyError as error:
            raise LocalError(
                f"account {account.name}: another move is at work on it: wait until it has ended, "
                "and run this again"
            ) from error
        yield


@contextmanager
def all_turns(account: Account) -> Iterator[None]:
    """Let no round of the account run while the block does; `serve` goes on right after."""
    with ExitStack() as stack:
        for turn in TURNS:
            stack.enter_context(account.mailbox.turn(turn))
        yield


def after_cutover(account: Account) -> Feeds:
    """Return the feeds of an account after a cutover."""
    shadow = FeedName.LEGACY if account.own.legacy is not None else None
    return Feeds(serve=FeedName.REST, shadow=shadow)


def after_rollback(account: Account) -> Feeds:
    """Return the feeds of an account after a rollback."""
    serve = FeedName.LEGACY if account.own.legacy is not None else None
    return Feeds(serve=serve, shadow=FeedName.REST)


def last_move(account: Account, kind: MoveKind | None = None) -> Move | None:
    """Return the last move of an account, or the last of a kind."""
    with account.ledger.read() as connection:
        return moves.last(connection, account.name, kind)


def begin(account: Account, kind: MoveKind, options: Detail, *, by: str, note: Detail) -> None:
    """Begin a move, or go on with the one that was broken off.

    Raises LocalError where another one must be ended first, or this one was begun otherwise.
    """
    before = last_move(account)
    if before is not None and before.is_open:
        _refuse_another(account, before, kind, options)
        return
    with account.ledger.write() as connection:
        moves.begin(
            connection, account.name, kind, {**options, **note}, at=account.clock(), actor=by
        )


def call_off_rollback(account: Account) -> None:
    """End a rollback that has changed no feed yet, and writes no folder: REST goes on serving.

    What it has laid ready in the old mailbox, or put there, the next rollback finds.
    """
    before = last_move(account)
    if before is None or not _may_be_called_off(before):
        return
    with account.ledger.write() as connection:
        moves.end(connection, account.name, at=account.clock(), result={})


def _may_be_called_off(move: Move) -> bool:
    begun = move.kind is MoveKind.ROLLBACK and move.is_open and move.switched_at is None
    return begun and not move.options.get("target")


def refuse_another(account: Account, kind: MoveKind) -> None:
    """Raise LocalError where a move the other way was broken off."""
    before = last_move(account)
    if before is not None and before.is_open and before.kind is not kind:
        or_stay = "; or cut over with --apply, to stay with REST"
        raise LocalError(
            f"account {account.name}: a {before.kind} was begun at "
            f"{before.begun_at:%Y-%m-%d %H:%M} UTC and has not ended: run `efact-reconcile "
            f"{before.kind} --account {account.name} --apply` again first"
            f"{or_stay if _may_be_called_off(before) else ''}"
        )


def _refuse_another(account: Account, before: Move, kind: MoveKind, options: Detail) -> None:
    refuse_another(account, kind)
    other = {
        name: before.options.get(name)
        for name, value in options.items()
        if before.options.get(name) != value
    }
    if other:
        said = ", ".join(f"{name} = {value or 'none'}" for name, value in other.items())
        lost = (
            f". If {other['target']} is lost, --instead-of names it" if other.get("target") else ""
        )
        raise SettingsError(
            f"account {account.name}: the {kind} that was begun at "
            f"{before.begun_at:%Y-%m-%d %H:%M} UTC had {said}: give the same options until it has "
            f"ended{lost}"
        )

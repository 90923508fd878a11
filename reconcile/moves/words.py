"""The words of plans and balances, as users read them."""

from collections.abc import Mapping

from bridge.ledger.moves import MoveKind
from reconcile.language import Message
from reconcile.moves.rules import Action, Place

MOVES: Mapping[MoveKind, Message] = {
    MoveKind.CUTOVER: Message("Cutover"),
    MoveKind.ROLLBACK: Message("Rollback"),
}

PLACES: Mapping[Place, Message] = {
    Place.SOFTWARE: Message("with the software"),
    Place.MAILBOX: Message("waiting in the mailbox"),
    Place.OLD_MAILBOX: Message("waiting in the old mailbox"),
    Place.HUB: Message("at the hub, not in the mailbox yet"),
    Place.FOLDER: Message("in the folder, to be imported"),
    Place.UNREAD: Message("perhaps at the hub, which could not be asked"),
    Place.PERSON: Message("needing a person"),
}

PLANNED: Mapping[Place, Message] = {
    **PLACES,
    Place.OLD_MAILBOX: Message("waiting in the old mailbox, which fills the mailbox again"),
}
"""Where everything will be: what waits in the old mailbox comes from there."""

ACTIONS: Mapping[Action, Message] = {
    Action.STAY: Message("to stay in the mailbox"),
    Action.COUNT: Message("to count as collected"),
    Action.BRING: Message("to be brought by REST"),
    Action.FETCH: Message("to be asked for by REST"),
    Action.TAKE_AWAY: Message("to leave the old mailbox"),
    Action.LIST: Message("only to be listed"),
    Action.REMOVE: Message("to be removed from the old mailbox, as collected"),
    Action.KEEP: Message("to stay in the old mailbox, as collected"),
    Action.LEAVE: Message("to be left in the old mailbox"),
    Action.PUT: Message("to be put into the old mailbox"),
    Action.HAND_OVER: Message("to go into the folder"),
    Action.WAIT: Message("to be waited for"),
    Action.HOLD: Message("to be held back"),
}

SETTLED: Mapping[Place, Message] = {
    Place.SOFTWARE: Message("already with the software: nothing to do"),
    Place.FOLDER: Message("already in a folder, to be imported from there: nothing to do"),
}
"""Of the invoices that nothing is to be done with."""

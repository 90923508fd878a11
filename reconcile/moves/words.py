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
    Place.HUB: Message("at the hub, on its way"),
    Place.FOLDER: Message("in the folder, to be imported"),
    Place.PERSON: Message("needing a person"),
}

ACTIONS: Mapping[Action, Message] = {
    Action.NOTHING: Message("nothing"),
    Action.STAY: Message("stays"),
    Action.COUNT: Message("counts as collected"),
    Action.BRING: Message("REST brings it"),
    Action.FETCH: Message("REST asks for it"),
    Action.TAKE_AWAY: Message("leaves the old mailbox"),
    Action.LIST: Message("is only listed"),
    Action.LEAVE: Message("is left"),
    Action.PUT: Message("is put into the old mailbox"),
    Action.HAND_OVER: Message("goes into the folder"),
    Action.WAIT: Message("is waited for"),
    Action.HOLD: Message("is held back"),
}

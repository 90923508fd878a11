"""What is done with an invoice in a move, by where it stands: the first row that fits counts.

The danger is the same on both sides: an invoice that the software has and that is offered again is
paid twice; one that only the side left behind has is never paid. What no row decides needs a
person, and is offered by nobody until one has said whether the software has it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.ledger.moves import MoveKind
from bridge.ledger.standings import Standing
from bridge.model import PENDING_STATES, State
from reconcile.language import Message


class Place(StrEnum):
    """Where an invoice is, or will be: in exactly one of these."""

    SOFTWARE = "software"
    MAILBOX = "mailbox"
    OLD_MAILBOX = "old-mailbox"
    HUB = "hub"
    FOLDER = "folder"
    UNREAD = "not-read-back"
    """In a place that could not be asked, perhaps."""
    PERSON = "person"


class Action(StrEnum):
    """What a move does with an invoice."""

    NOTHING = "nothing"
    STAY = "stay"
    COUNT = "count-as-collected"
    BRING = "bring"
    FETCH = "fetch-by-id"
    TAKE_AWAY = "take-away"
    LIST = "list"
    REMOVE = "remove-as-collected"
    KEEP = "keep-there"
    LEAVE = "leave"
    PUT = "put-into-old-mailbox"
    HAND_OVER = "hand-over"
    WAIT = "wait"
    HOLD = "hold-back"


AWAITED: Mapping[Action, int] = {
    Action.BRING: 0,
    Action.FETCH: 0,
    Action.PUT: 1,
    Action.HAND_OVER: 1,
    Action.LEAVE: 1,
    Action.STAY: 1,
    Action.COUNT: 2,
    Action.TAKE_AWAY: 2,
    Action.REMOVE: 2,
    Action.KEEP: 2,
    Action.NOTHING: 3,
}
"""How far an invoice has come on its usual way: it may go on while somebody reads a plan."""


class OldMailboxMode(StrEnum):
    """What a rollback does with what the old mailbox would offer once more."""

    MOVE = "move"
    DELETE = "delete"
    LIST = "list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a move was asked to be."""

    kind: MoveKind
    to_old_mailbox: bool = True
    """Of a rollback: whether there is an old mailbox that serves from then on."""
    into_folder: bool = False
    target: str = ""
    """Into which."""
    mode: OldMailboxMode = OldMailboxMode.MOVE
    acknowledges: bool = True
    """Whether what was collected is removed from an old mailbox that serves."""
    read_only: bool = False
    """Whether the old mailbox is known to take nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row of a table."""

    fits: Callable[[Standing], bool]
    action: Action
    place: Place
    """Where the invoice will be."""
    reason: Message


ONLY_THE_RCF_SAYS = frozenset(State) - PENDING_STATES - {State.DELIVERED}
"""States that an invoice gets from the software that has it, or that end it."""


def _always(_: Standing) -> bool:
    return True


_HANDED = Rule(
    fits=lambda it: it.handed,
    action=Action.NOTHING,
    place=Place.FOLDER,
    reason=Message("A rollback put it into a folder, to be imported from there."),
)
_COLLECTED = Rule(
    fits=lambda it: it.collected,
    action=Action.NOTHING,
    place=Place.SOFTWARE,
    reason=Message("The software has it: it is never offered again."),
)

_NOBODY_CAN_TELL = Message(
    "Nobody can tell whether the software has it. Look there, and say so with --has or "
    "--lacks; until then it is not offered."
)

CUTOVER: Sequence[Rule] = (
    _HANDED,
    _COLLECTED,
    Rule(
        fits=lambda it: bool(it.in_mailbox),
        action=Action.STAY,
        place=Place.MAILBOX,
        reason=Message("It stands in the mailbox and stays there, under the name that it has."),
    ),
    Rule(
        fits=lambda it: it.no_longer_lacking,
        action=Action.HOLD,
        place=Place.PERSON,
        reason=_NOBODY_CAN_TELL,
    ),
    Rule(
        fits=lambda it: it.gone_from_old and not it.lacking,
        action=Action.COUNT,
        place=Place.SOFTWARE,
        reason=Message("It was in the old mailbox and somebody has taken it there."),
    ),
    Rule(
        fits=lambda it: it.listed and (it.lacking or not it.vanished),
        action=Action.BRING,
        place=Place.HUB,
        reason=Message("The hub lists it: REST brings it."),
    ),
    Rule(
        fits=lambda it: it.shown in ONLY_THE_RCF_SAYS and not it.lacking,
        action=Action.COUNT,
        place=Place.SOFTWARE,
        reason=Message("The hub shows a state that only comes from software that has it."),
    ),
    Rule(
        fits=lambda it: it.lacking and it.shown is not None,
        action=Action.FETCH,
        place=Place.HUB,
        reason=Message("A person says that the software lacks it: asked for by id."),
    ),
    Rule(
        fits=lambda it: bool(it.in_old) and it.shown is not None,
        action=Action.FETCH,
        place=Place.HUB,
        reason=Message(
            "It lies in the old mailbox, and the hub lists it no more: asked for by id."
        ),
    ),
    Rule(
        fits=_always,
        action=Action.HOLD,
        place=Place.PERSON,
        reason=_NOBODY_CAN_TELL,
    ),
)

_LISTED_THERE = Rule(
    fits=lambda it: it.collected and bool(it.in_old),
    action=Action.LIST,
    place=Place.PERSON,
    reason=Message("The software has it, and the old mailbox offers it: take it away there."),
)
_TAKEN_AWAY = Rule(
    fits=_LISTED_THERE.fits,
    action=Action.TAKE_AWAY,
    place=Place.SOFTWARE,
    reason=Message("The software has it: it leaves the old mailbox, which would offer it again."),
)
_REMOVED_THERE = Rule(
    fits=lambda it: _LISTED_THERE.fits(it) and it.leaving,
    action=Action.REMOVE,
    place=Place.SOFTWARE,
    reason=Message(
        "The software took it from our mailbox, and the two were one offer: once the old mailbox "
        "serves it is removed there, as always what was collected. Where nothing can be removed, "
        "it stays there, and ours never offers it again."
    ),
)
_KEPT_THERE = Rule(
    fits=_REMOVED_THERE.fits,
    action=Action.KEEP,
    place=Place.SOFTWARE,
    reason=Message(
        "The software took it from our mailbox, and the two were one offer: it stays there, as "
        'acknowledge = "never" has it, and ours never offers it again.'
    ),
)
_HANDED_TAKEN_AWAY = Rule(
    fits=lambda it: it.handed and bool(it.in_old),
    action=Action.TAKE_AWAY,
    place=Place.FOLDER,
    reason=Message(
        "A rollback put it into a folder, to be imported from there: it leaves the old mailbox, "
        "which would offer it again."
    ),
)
_STUCK_THERE = Rule(
    fits=_REMOVED_THERE.fits,
    action=Action.KEEP,
    place=Place.SOFTWARE,
    reason=Message(
        "The software took it from our mailbox, and the two were one offer: it stays there while "
        "the old mailbox may only be read, and ours never offers it again."
    ),
)
_LEFT = Rule(
    fits=lambda it: bool(it.in_old),
    action=Action.LEAVE,
    place=Place.OLD_MAILBOX,
    reason=Message("It waits in the old mailbox, and is left there."),
)
_PUT = Rule(
    fits=lambda it: bool(it.in_mailbox),
    action=Action.PUT,
    place=Place.OLD_MAILBOX,
    reason=Message("It waits, and the old mailbox does not have it: it is put there."),
)
_IN_HANDS = Rule(
    fits=lambda it: bool(it.in_mailbox) and it.in_hands,
    action=Action.WAIT,
    place=Place.PERSON,
    reason=Message(
        "The software has fetched it and not deleted it yet: it stays in the mailbox. Run this "
        "again once it has, or see that it is imported."
    ),
)
_HAND_OVER = Rule(
    fits=lambda it: bool(it.in_mailbox) or it.handing,
    action=Action.HAND_OVER,
    place=Place.FOLDER,
    reason=Message("It waits: it leaves the mailbox for the folder."),
)
_BROUGHT_FIRST = Rule(
    fits=lambda it: it.listed and not it.held,
    action=Action.BRING,
    place=Place.HUB,
    reason=Message("The hub lists it: it is fetched first."),
)
_NOWHERE = Rule(
    fits=_always,
    action=Action.HOLD,
    place=Place.PERSON,
    reason=Message(
        "It is in neither mailbox and the software has not taken it: look whether it has it, and "
        "say so with --has or --lacks."
    ),
)


def rules_of(terms: Terms) -> Sequence[Rule]:
    """Return the table of a move."""
    if terms.kind is MoveKind.CUTOVER:
        return CUTOVER
    offered = [_HANDED_TAKEN_AWAY, _TAKEN_AWAY]
    if terms.mode is OldMailboxMode.LIST or terms.read_only:
        taken = _STUCK_THERE if terms.read_only else _REMOVED_THERE
        offered = [taken if terms.acknowledges else _KEPT_THERE, _LISTED_THERE]
    waiting = [_IN_HANDS, _HAND_OVER] if terms.into_folder else [_PUT]
    there = offered if terms.to_old_mailbox else []
    left = [_LEFT] if terms.to_old_mailbox else []
    return (*there, _HANDED, _COLLECTED, *left, *waiting, _BROUGHT_FIRST, _NOWHERE)


def decide(standing: Standing, rules: Sequence[Rule]) -> Rule:
    """Return the row that decides."""
    return next(rule for rule in rules if rule.fits(standing))


def may_be_lacking(standing: Standing, terms: Terms) -> bool:
    """Tell whether what a person says may decide otherwise."""
    if terms.kind is not MoveKind.CUTOVER:
        return False
    return decide(standing, CUTOVER).action in {Action.COUNT, Action.HOLD}


def must_be_asked(standing: Standing, terms: Terms) -> bool:
    """Tell whether what the hub shows may decide where nothing else does."""
    if terms.kind is not MoveKind.CUTOVER or standing.shown or standing.unknown_to_hub:
        return False
    return decide(standing, CUTOVER).action is Action.HOLD

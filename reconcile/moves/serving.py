"""Which feed serves, in whole sentences: that none does is said otherwise than that one does."""

from collections.abc import Mapping

from bridge.ledger.moves import Move
from bridge.ledger.serving import Feeds
from reconcile.language import Language, Message
from reconcile.moves.balance import Balance, Outcome
from reconcile.moves.plan import Plan
from reconcile.moves.words import MOVES

_BALANCE: Mapping[bool, Message] = {
    True: Message("Balance of {account} at {moment}: {feed} serves."),
    False: Message("Balance of {account} at {moment}: no feed serves."),
}
"""By whether a feed serves."""

_PLAN: Mapping[tuple[bool, bool], Message] = {
    (True, True): Message(
        "{move} of {account}: {now} serves, then {then}. Nothing is changed by this plan."
    ),
    (True, False): Message(
        "{move} of {account}: {now} serves, and no feed afterwards. Nothing is changed by this "
        "plan."
    ),
    (False, True): Message(
        "{move} of {account}: no feed serves now, then {then} does. Nothing is changed by this "
        "plan."
    ),
    (False, False): Message(
        "{move} of {account}: no feed serves, now and afterwards. Nothing is changed by this plan."
    ),
}
"""By whether a feed serves now, and then."""

_ALREADY: Mapping[tuple[bool, bool], Message] = {
    (True, False): Message("{account}: {feed} serves already."),
    (True, True): Message("{account}: {feed} serves already, since {moment}."),
    (False, False): Message("{account}: no feed serves."),
    (False, True): Message("{account}: no feed serves, since {moment}."),
}
"""By whether a feed serves, and whether a move of ours did it."""

_LEFT: Mapping[Outcome, Message] = {
    Outcome.ZERO: Message("Nothing is left to be done."),
    Outcome.NOT_ZERO: Message("What is left for a person stands below."),
    Outcome.NOT_READ_BACK: Message("Not every place could be read back, see below."),
}

_VERDICTS: Mapping[Outcome, Message] = {
    Outcome.ZERO: Message("Every invoice is in exactly one place: none is lost, none is twice."),
    Outcome.NOT_ZERO: Message("The balance is not zero: see above, and run this again afterwards."),
    Outcome.NOT_READ_BACK: Message(
        "{feed} serves, and nothing is known to be lost or twice. But not every place was read "
        "back: see there, and run this again."
    ),
}
_NOT_READ_BACK_OF_NONE = Message(
    "No feed serves, and nothing is known to be lost or twice. But not every place was read back: "
    "see there, and run this again."
)


def plan_line(plan: Plan, language: Language) -> str:
    """Return the first line of a plan."""
    return language.say(
        _PLAN[plan.now.serve is not None, plan.then.serve is not None],
        move=language.say(MOVES[plan.terms.kind]),
        account=plan.account,
        now=_name(plan.now),
        then=_name(plan.then),
    )


def balance_line(balance: Balance, language: Language) -> str:
    """Return the first line of a balance."""
    return language.say(
        _BALANCE[balance.feeds.serve is not None],
        account=balance.account,
        moment=balance.generated_at,
        feed=_name(balance.feeds),
    )


def done_line(balance: Balance, last: Move | None, language: Language) -> str:
    """Return what is said of a move that was done before, by the last one of ours."""
    already = language.say(
        _ALREADY[balance.feeds.serve is not None, last is not None],
        account=balance.account,
        feed=_name(balance.feeds),
        moment=(last.switched_at or last.begun_at) if last is not None else "",
    )
    return f"{already} {language.say(_LEFT[balance.outcome])}"


def verdict(balance: Balance, language: Language) -> str:
    """Return what a balance comes to, in one sentence."""
    said = _VERDICTS[balance.outcome]
    if balance.outcome is Outcome.NOT_READ_BACK and balance.feeds.serve is None:
        said = _NOT_READ_BACK_OF_NONE
    return language.say(said, feed=_name(balance.feeds))


def _name(feeds: Feeds) -> str:
    return str(feeds.serve) if feeds.serve is not None else ""

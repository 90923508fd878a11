"""Plans and balances as text, for a terminal or a mail: 80 columns are enough."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bridge.model import FeedName
from reconcile.language import Language, Message
from reconcile.moves.balance import Balance, Problem, Unread
from reconcile.moves.plan import Plan, WaitingUpdates
from reconcile.moves.rules import Action, Place
from reconcile.moves.serving import balance_line, plan_line, verdict
from reconcile.moves.words import ACTIONS, PLACES, PLANNED, SETTLED
from reconcile.rendering.inert import visible

LISTED = 20
"""So many invoices or files are listed; JSON and HTML have them all."""

LONGEST = 1_000
"""Characters of a sentence that may have parts from outside."""

_WIDTH = 80

TAKE_AWAY = Message(
    "Take these files away in the old mailbox, then give the same command again: it looks there "
    "once more, and ends with 0 when they have gone. With --old-mailbox move, or delete, it takes "
    "them away itself."
)
LATE = Message(
    "What the software has already and the old hub delivers only later never comes into our "
    "mailbox. Software that reads the old mailbox itself would see it there: the same command "
    "with --old-mailbox move, or delete, given again afterwards, takes it away."
)
"""After a rollback to the old mailbox."""


LEAVING = Message(
    "{count} invoice that the software took from our mailbox still lies in the old one: the next "
    "round removes it there, if it can; ours never offers it again",
    "{count} invoices that the software took from our mailbox still lie in the old one: the next "
    "round removes them there, if it can; ours never offers them again",
)
KEPT = Message(
    "{count} invoice that the software took from our mailbox stays in the old one, as acknowledge "
    '= "never" has it: ours never offers it again',
    "{count} invoices that the software took from our mailbox stay in the old one, as acknowledge "
    '= "never" has it: ours never offers them again',
)


UNREAD: Mapping[Place, Message] = {
    Place.HUB: Message("Not read back: the hub"),
    Place.OLD_MAILBOX: Message("Not read back: the old mailbox"),
    Place.FOLDER: Message("Not read back: the folder"),
}
WHEN_IT_ANSWERS = Message(
    "The figures have what was recorded of it last, which proves nothing. Give the same command "
    "again when it answers: it goes on where it was, looks there once more, and ends with 0 when "
    "everything is in its place."
)
WHEN_PUT_RIGHT = Message(
    "The figures have what was recorded of it last, which proves nothing. See to what is said here "
    "and give the same command again: it goes on where it was, looks there once more, and ends "
    "with 0 when everything is in its place."
)
CLOSE = Message("If it is closed for good, give the command with --force.")
TAKE_OUT = Message(
    "If the account there is closed for good, take [account.legacy] out of the settings, with what "
    "serve and shadow say of it, and give the same command again."
)
CLOSED = Message("The old mailbox counts as closed for good and was not read back: {why}")


def plan_as_text(plan: Plan, language: Language) -> str:
    """Return a plan as text."""
    return "".join(f"{line}\n" for line in _plan(plan, language))


def balance_as_text(balance: Balance, language: Language) -> str:
    """Return a balance as text."""
    return "".join(f"{line}\n" for line in _balance(balance, language))


def _plan(plan: Plan, language: Language) -> Iterator[str]:
    say = language.say
    yield plan_line(plan, language)
    yield ""
    yield say("What will be done")
    yield from _actions(plan, language)
    yield ""
    yield say("Where everything will be")
    yield from _places(plan.places(), language, PLANNED)
    yield ""
    yield updates_line(plan.updates, language)
    yield from _aside(
        say(
            Message(
                "{count} invoice of which the feeds gave other bytes: the copy stays that the "
                "software would have had",
                "{count} invoices of which the feeds gave other bytes: the copy "
                "stays that the software would have had",
            ),
            count=len(plan.differing),
        ),
        plan.differing,
    )
    yield from _unknown(plan.unknown_files, language)
    yield from _remarks(plan.remarks)
    people = [Problem(hub_id=it.hub_id, said=it.reason) for it in plan.needing_a_person]
    yield from _problems(say("A person must decide"), people, language)


def _actions(plan: Plan, language: Language) -> Iterator[str]:
    counted = Counter(item.action for item in plan.items)
    reasons: dict[Action, list[Message]] = {}
    for item in plan.items:
        known = reasons.setdefault(item.action, [])
        if item.reason not in known:
            known.append(item.reason)
    for place, settled in plan.settled.items():
        yield f"{language.number(settled):>9}  {language.say(SETTLED[place])}"
    for action in Action:
        if counted[action]:
            yield f"{language.number(counted[action]):>9}  {language.say(ACTIONS[action])}"
            for reason in reasons[action]:
                yield from _wrapped(language.say(reason), 11)


def _balance(balance: Balance, language: Language) -> Iterator[str]:
    say = language.say
    yield balance_line(balance, language)
    yield from _places(balance.places, language)
    yield f"{language.number(balance.total):>9}  {say('in all')}"
    yield f"{language.number(len(balance.lost)):>9}  {say('lost')}"
    yield f"{language.number(len(balance.twice)):>9}  {say('twice')}"
    yield ""
    yield updates_line(balance.updates, language)
    yield from _aside(leaving_line(balance, language), balance.leaving)
    yield from _unknown(balance.unknown_files, language)
    if balance.closed:
        yield from _wrapped(closed_line(balance, language), 0)
    yield from _remarks(balance.remarks)
    for it in balance.unread:
        yield ""
        yield say(UNREAD[it.place])
        for said in unread_lines(it, balance, language):
            yield from _wrapped(said, 2)
    yield from _problems(say("A person must decide"), balance.people, language)
    yield from _problems(say("Lost"), balance.lost, language)
    yield from _problems(say("Twice"), balance.twice, language)
    if balance.to_take_away:
        yield ""
        yield from _wrapped(say(TAKE_AWAY), 0)
        yield from (f"  {visible(path)}" for path in balance.to_take_away)
    if balance.feeds.serve is FeedName.LEGACY:
        yield ""
        yield from _wrapped(say(LATE), 0)
    yield ""
    yield from _wrapped(verdict(balance, language), 0)


def unread_lines(it: Unread, balance: Balance, language: Language) -> Iterator[str]:
    """Yield why a place was not read back, and what to do, as visible text."""
    yield _sentence(it.why)
    yield language.say(WHEN_IT_ANSWERS if it.is_away else WHEN_PUT_RIGHT)
    serve = balance.feeds.serve
    if it.is_away and it.place is Place.OLD_MAILBOX and serve is FeedName.REST:
        yield language.say(CLOSE)
    if not it.is_away and it.place is Place.OLD_MAILBOX and serve is None:
        yield language.say(TAKE_OUT)


def closed_line(balance: Balance, language: Language) -> str:
    """Return why the old mailbox was not looked into, as visible text."""
    return language.say(CLOSED, why=_sentence(balance.closed))


def _sentence(why: str) -> str:
    """Return a reason as the end of a sentence, without what could play tricks."""
    return f"{visible(why, longest=LONGEST).rstrip('.')}."


def leaving_line(balance: Balance, language: Language) -> str:
    """Return what becomes of what the software took from ours and the old mailbox still has."""
    said = LEAVING if balance.removes else KEPT
    return language.say(said, count=len(balance.leaving))


def updates_line(updates: WaitingUpdates, language: Language) -> str:
    """Return how far the state updates have come."""
    return language.say(
        "State updates: {open} open, {accepted} accepted, {refused} refused.",
        open=updates.open,
        accepted=updates.accepted,
        refused=updates.refused,
    )


def _places(
    places: Mapping[Place, int], language: Language, words: Mapping[Place, Message] = PLACES
) -> Iterator[str]:
    for place in Place:
        count = places.get(place, 0)
        if count or place is Place.PERSON:
            yield f"{language.number(count):>9}  {language.say(words[place])}"


def _unknown(paths: Sequence[str], language: Language) -> Iterator[str]:
    said = language.say(
        Message(
            "{count} file in the old mailbox that nobody knows: it is left alone",
            "{count} files in the old mailbox that nobody knows: they are left alone",
        ),
        count=len(paths),
    )
    yield from _aside(said, paths)


def _aside(said: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield from _wrapped(f"{said}: {_names(names)}", 0)


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(visible(name) for name in names[:LISTED])
    return listed if len(names) <= LISTED else f"{listed}, …"


def _remarks(remarks: Sequence[str]) -> Iterator[str]:
    for remark in remarks:
        yield from _wrapped(visible(remark, longest=LONGEST), 0)


def _problems(title: str, problems: Sequence[Problem], language: Language) -> Iterator[str]:
    if not problems:
        return
    yield ""
    yield title
    by_reason: dict[Message, list[str]] = {}
    for problem in problems:
        by_reason.setdefault(problem.said, []).append(problem.hub_id)
    for reason, hub_ids in by_reason.items():
        yield from _wrapped(language.say(reason), 2)
        yield from _wrapped(f"{language.number(len(hub_ids))}: {_names(hub_ids)}", 4)


def _wrapped(text: str, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )

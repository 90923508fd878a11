"""The balance after a move: every invoice that either feed gave, in exactly one place.

Read back from the real places: the folders of our mailbox, the old mailbox, the hub's list, the
folder that was written. What could not be read back proves nothing: then no balance is zero.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bridge.ledger import standings
from bridge.ledger.serving import Feeds
from bridge.ledger.standings import Standing
from bridge.model import FeedName, HubId
from bridge.naming import Folder
from bridge.recorded import in_order
from reconcile.language import Message
from reconcile.moves.looking import Look, standing_names
from reconcile.moves.offered_again import offered_again
from reconcile.moves.plan import WaitingUpdates
from reconcile.moves.rules import Place

HELD = Message("A person must say whether the software has it: --has or --lacks.")
IN_HANDS = Message("The software has fetched it and not deleted it yet.")
ONLY_AT_HUB = Message(
    "Only the hub has it, and REST does not serve any more: see that the old mailbox delivers it, "
    "or cut over again."
)
ONLY_IN_OLD = Message(
    "It lies in the old mailbox, which does not serve. Import it from there and say --has, or see "
    "that the hub lists it."
)
NOWHERE = Message("It is in none of the places, and the software has not taken it.")
MISSING = Message("It should stand in the mailbox, and its file is not there.")
MISSING_THERE = Message("This file should be in the folder, and is not there as it was written.")
TWICE_HERE = Message("It stands in the mailbox under two names.")
TWICE_HAD = Message("The software has it, and it stands in the mailbox.")
TWICE_THERE = Message("The software has it, and the old mailbox offers it.")
TWICE_IN_FOLDER = Message("It went into the folder, and the old mailbox offers it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An invoice that somebody must look at."""

    hub_id: HubId
    said: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A real place that could not be read back: of it the balance has what was recorded last."""

    place: Place
    """The hub, the old mailbox, or the folder of a rollback."""
    why: str
    is_away: bool = True
    """Whether it was out of reach; else something must be put right first, as `why` says."""


class Outcome(StrEnum):
    """What a balance comes to."""

    ZERO = "zero"
    NOT_ZERO = "not-zero"
    """Somebody is needed, or something is lost or there twice, whatever else was not read."""
    NOT_READ_BACK = "not-read-back"
    """Nothing is known to be wrong, and not every place could be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How many invoices are where, and what is wrong."""

    account: str
    generated_at: datetime
    feeds: Feeds
    places: Mapping[Place, int]
    people: tuple[Problem, ...] = ()
    lost: tuple[Problem, ...] = ()
    twice: tuple[Problem, ...] = ()
    updates: WaitingUpdates = field(default_factory=WaitingUpdates)
    to_take_away: tuple[str, ...] = ()
    """Files in the old mailbox of what the software has: they would be offered once more."""
    leaving: tuple[HubId, ...] = ()
    """Of what the software took from ours: what the old mailbox, which serves, still has."""
    removes: bool = True
    """Whether the bridge removes it there, by the account's policy."""
    unread: tuple[Unread, ...] = ()
    closed: str = ""
    """Why the old mailbox was not looked into, where the account has moved without it."""
    unknown_files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many invoices the feeds ever gave."""
        return sum(self.places.values())

    @property
    def outcome(self) -> Outcome:
        """What it comes to."""
        if self.people or self.lost or self.twice:
            return Outcome.NOT_ZERO
        return Outcome.NOT_READ_BACK if self.unread else Outcome.ZERO

    @property
    def is_zero(self) -> bool:
        """Whether all was read back, nobody is needed, and nothing is lost or there twice."""
        return self.outcome is Outcome.ZERO


@dataclass(slots=True)
class _Counting:
    """What is being counted."""

    feeds: Feeds
    since: datetime | None
    """When the feed began to serve: what came later may still be on its way."""
    hub_was_read: bool
    old_was_read: bool
    visible: Mapping[HubId, str]
    present: frozenset[str]
    places: Counter[Place] = field(default_factory=Counter)
    people: list[Problem] = field(default_factory=list)
    lost: list[Problem] = field(default_factory=list)
    twice: list[Problem] = field(default_factory=list)
    leaving: list[HubId] = field(default_factory=list)

    def count(self, it: Standing) -> None:
        name = self.visible.get(it.hub_id)
        if name is not None and name not in self.present:
            it = replace(it, in_mailbox=())
            self.lost.append(Problem(hub_id=it.hub_id, said=MISSING))
        if self.feeds.serve is FeedName.LEGACY and it.collected and it.in_old and it.leaving:
            self.leaving.append(it.hub_id)
        place, said = self._place(it)
        self.places[place] += 1
        if said is not None:
            self.people.append(Problem(hub_id=it.hub_id, said=said))
        if (twice := self._twice(it)) is not None:
            self.twice.append(Problem(hub_id=it.hub_id, said=twice))

    def _place(self, it: Standing) -> tuple[Place, Message | None]:
        serve = self.feeds.serve
        listable = serve is FeedName.REST or self._is_new(it)
        found = (
            (it.handed, Place.FOLDER, None),
            (it.collected, Place.SOFTWARE, None),
            (it.held, Place.PERSON, HELD),
            (bool(it.in_mailbox) and serve is None, Place.PERSON, IN_HANDS),
            (bool(it.in_mailbox), Place.MAILBOX, None),
            (bool(it.in_old) and serve is FeedName.LEGACY, Place.OLD_MAILBOX, None),
            (it.to_be_brought and serve is FeedName.REST, Place.HUB, None),
            (it.listed and listable, Place.HUB, None),
            (not self.hub_was_read and (listable or it.to_be_brought), Place.UNREAD, None),
            (bool(it.in_old) and self.old_was_read, Place.PERSON, ONLY_IN_OLD),
            (it.listed, Place.PERSON, ONLY_AT_HUB),
            (True, Place.PERSON, NOWHERE),
        )
        return next((place, said) for fits, place, said in found if fits)

    def _is_new(self, it: Standing) -> bool:
        return it.seen_at is None or self.since is None or it.seen_at >= self.since

    def _twice(self, it: Standing) -> Message | None:
        if len(it.in_mailbox) > 1:
            return TWICE_HERE
        if (it.collected or it.handed) and it.in_mailbox:
            return TWICE_HAD
        if it.collected and it.in_old and self._is_offered(it):
            return TWICE_IN_FOLDER if it.handed else TWICE_THERE
        return None

    def _is_offered(self, it: Standing) -> bool:
        """Tell whether what lies in the old mailbox may be taken there, and nothing removes it."""
        if self.feeds.serve is None:
            return self.old_was_read
        return self.feeds.serve is FeedName.LEGACY and not it.leaving


def balance(seen: Look, *, since: datetime | None, updates: WaitingUpdates) -> Balance:
    """Return where everything is, as it was just seen."""
    account = seen.account
    with account.ledger.read() as connection:
        counting = _Counting(
            feeds=account.feeds(),
            since=since,
            hub_was_read=seen.hub_error is None,
            old_was_read=account.own.legacy is not None and seen.old_error is None,
            visible=standing_names(connection, account),
            present=account.mailbox.present(Folder.OUT),
        )
        for standing in seen.standings(connection):
            counting.count(standing)
        there = [it.hub_id for it in counting.twice if it.said in {TWICE_THERE, TWICE_IN_FOLDER}]
        again = offered_again(connection, account.name, there)
        unknown = standings.unknown_files(connection, account.name)
    return Balance(
        account=account.name,
        generated_at=account.clock(),
        feeds=counting.feeds,
        places={place: counting.places[place] for place in Place},
        people=_sorted(counting.people),
        lost=_sorted(counting.lost),
        twice=_sorted(counting.twice),
        updates=updates,
        to_take_away=tuple(sorted(file.path for file in again)),
        leaving=tuple(sorted(counting.leaving, key=in_order)),
        removes=account.own.acknowledge != "never",
        unknown_files=tuple(unknown),
        remarks=tuple(seen.remarks),
    )


def _sorted(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: in_order(problem.hub_id)))

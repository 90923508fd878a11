"""Making a report: look, compare, look again at what was found, judge, and keep a summary.

Nothing is changed at either feed. What cannot be reached is said in the report, which is then made
of what was recorded.
"""

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from bridge.account import Account
from bridge.ledger import comparisons
from bridge.model import Digest, FeedName, HubId
from bridge.recorded import in_order
from bridge.xml_facts import Compared
from reconcile.asked import Asked
from reconcile.by_id import HubById
from reconcile.compare import Terms, compare
from reconcile.details import ATTACHMENTS, Detail
from reconcile.judging import Judging
from reconcile.keeping import Memory, keep, remember
from reconcile.looking import Look, look
from reconcile.model import Outcome, Report, Row
from reconcile.pairs import Pair, twins
from reconcile.reach import Reach
from reconcile.rendering import Step
from reconcile.second_look import ask_for_rejections, look_again_at_rest
from reconcile.shelf import Shelf

_PERHAPS_IN_LEGACY = frozenset({Outcome.ONLY_REST, Outcome.IN_FLIGHT})


def _is_perhaps_in_legacy(row: Row) -> bool:
    """Tell whether what is missing may have come to the old mailbox since it was listed."""
    lacks_attachments = any(it.field == ATTACHMENTS for it in row.differences)
    return lacks_attachments or (row.outcome in _PERHAPS_IN_LEGACY and not row.legacy_digest)


class Progress(Protocol):
    """Is told how far a report has come."""

    def begin(self, step: Step, total: int | None = None) -> None:
        """Go on to a step."""

    def advance(self, count: int = 1) -> None:
        """So many more are done."""


@dataclass(frozen=True, slots=True)
class Made:
    """A report, and whether all that had to be reached was."""

    report: Report
    away: bool


def make_report(account: Account, asked: Asked, progress: Progress) -> Made:
    """Make a report and keep its summary; raises SettingsError, LedgerError, StorageError."""
    with tempfile.TemporaryDirectory(prefix="efact-report-") as folder:
        shelf = Shelf(Path(folder), account.mailbox.archive)
        return _Making(account, asked, shelf, progress).make()


def counting_of(account: Account) -> frozenset[Detail]:
    """Return the details that make an invoice different, by the settings."""
    return frozenset(it for it in Detail if it.value in account.settings.reconcile.blockers)


@dataclass(slots=True)
class _Making:
    """One report in the making."""

    account: Account
    asked: Asked
    shelf: Shelf
    progress: Progress
    reach: Reach = field(default_factory=Reach)
    pairs: dict[HubId, Pair] = field(default_factory=dict)

    def make(self) -> Made:
        account, now = self.account, self.account.clock()
        counting = counting_of(account)
        self.progress.begin(Step.READING_LEGACY)
        seen = look(account, self.asked, self.shelf, self.reach, counting=counting, now=now)
        with account.ledger.read() as connection:
            memory = remember(connection, account.name, seen.source)
        self.progress.begin(Step.READING_REST)
        self.pairs = seen.pairs()
        terms = Terms(
            now=now,
            grace=self.asked.grace,
            content=self.shelf.content,
            counting=counting,
            was_in_flight=memory.was_in_flight,
        )
        rows = [memory.marked(row) for row in self._compared(terms, seen)]
        rows = sorted([*rows, *self._vanished(seen, memory)], key=lambda row: in_order(row.hub_id))
        judging = Judging(account, self.asked, seen, self.pairs, self.reach, now)
        report, blockers = judging.report(rows)
        with account.ledger.write() as connection:
            left = () if self._sees_all else memory.beside(rows)
            history = keep(connection, account.name, report, rows, blockers=blockers, left=left)
        return Made(replace(report, history=history), self.reach.away)

    def _compared(self, terms: Terms, seen: Look) -> list[Row]:
        """Compare, look again at what was found, and compare that once more."""
        self.progress.begin(Step.COMPARING, len(self.pairs))
        self._find_twins(seen.hub)
        with self._knowing(terms):
            rows = {hub_id: self._row(pair, terms) for hub_id, pair in self.pairs.items()}
        self.progress.begin(Step.LOOKING_AGAIN)
        again = self._looked_again(rows.values(), seen)
        if again:
            before = {hub_id: pair.twins for hub_id, pair in self.pairs.items()}
            self.pairs |= again
            self._find_twins(seen.hub)
            twinned = {it for it, pair in self.pairs.items() if pair.twins != before.get(it)}
            for hub_id in twinned | again.keys():
                rows[hub_id] = compare(self.pairs[hub_id], terms)
        return list(rows.values())

    @contextmanager
    def _knowing(self, terms: Terms) -> Iterator[None]:
        """Let a comparison take from the ledger what was found out when both files were there."""
        with self.account.ledger.read() as connection:

            def known(legacy: Digest, rest: Digest) -> Compared | None:
                there = self.shelf.has(legacy) and self.shelf.has(rest)
                name = self.account.name
                return comparisons.known(connection, name, legacy, rest) if there else None

            before, terms.known = terms.known, known
            try:
                yield
            finally:
                terms.known = before

    def _row(self, pair: Pair, terms: Terms) -> Row:
        self.progress.advance()
        return compare(pair, terms)

    def _looked_again(self, rows: Collection[Row], seen: Look) -> dict[HubId, Pair]:
        lacking = [it for it in rows if _is_perhaps_in_legacy(it)]
        found = seen.again_in_old_mailbox([row.hub_id for row in lacking])
        if seen.hub is None:
            return found
        pairs = self.pairs | found
        return found | look_again_at_rest(self.account, seen.hub, pairs, rows, self.reach)

    def _find_twins(self, hub: HubById | None) -> None:
        """Mark what stands under several hub ids, unless the hub says that one was rejected."""
        found = twins(self.pairs.values())
        if found and hub is not None:
            unasked = [self.pairs[it] for it in found if not self.pairs[it].one.states]
            self.pairs |= ask_for_rejections(self.account, hub, unasked, self.reach)
            found = twins(self.pairs.values())
        for hub_id, pair in self.pairs.items():
            others = found.get(hub_id, ())
            if pair.twins != others:
                self.pairs[hub_id] = replace(pair, twins=others)

    def _vanished(self, seen: Look, memory: Memory) -> Iterable[Row]:
        """Return what the last report had on one side and neither has now.

        What only the hub's list showed, that may show it still where it was not asked.
        """
        if self.asked.period.is_limited or self.reach.said:
            return ()
        known = {pair.hub_id for pair in seen.sides.these(memory.one_sided)} | self.pairs.keys()
        if self.asked.only_recorded:
            known |= memory.in_flight_on(FeedName.REST)
        return memory.vanished(known)

    @property
    def _sees_all(self) -> bool:
        """Whether what does not come up is gone: neither a feed nor a day was left out."""
        asked = self.asked
        return not (asked.period.is_limited or asked.only_recorded or self.reach.said)

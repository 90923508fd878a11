"""Making a report: look, compare, look again at what was found, judge, and keep a summary.

Nothing is changed at either feed. What cannot be reached is said in the report, which is then made
of what was recorded.
"""

import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from bridge import __version__
from bridge.account import Account
from bridge.ledger import comparisons
from bridge.model import Digest, FeedName, HubId
from bridge.recorded import in_order
from bridge.xml_facts import Compared
from reconcile.asked import LEDGER, Asked
from reconcile.by_id import HubById
from reconcile.compare import Terms, compare
from reconcile.details import ATTACHMENTS, Detail
from reconcile.evidence import evidence_of
from reconcile.keeping import Memory, keep, remember
from reconcile.looking import Look, look
from reconcile.model import FINDINGS, Gap, Outcome, ReasonKind, Report, Row
from reconcile.moments import bounds, day_of, days, since
from reconcile.pairs import Pair, twins
from reconcile.reach import Reach
from reconcile.rendering import Step
from reconcile.second_look import ask_for_rejections, look_again_at_rest
from reconcile.shelf import Shelf
from reconcile.verdict import MISMATCHES, Found, Wanted, blocks, judge
from reconcile.watermark import gaps, verified_through

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


def wanted_of(account: Account) -> Wanted:
    """Return what the settings ask for before they hear `ready`."""
    own = account.settings.reconcile
    kinds = {kind.value: kind for kind in ReasonKind}
    return Wanted(
        min_invoices=own.min_invoices,
        min_days=own.min_days,
        blockers=frozenset(kinds[word] for word in own.blockers if word in kinds),
    )


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
        report, blockers = self._judged(seen, rows, now=now)
        with account.ledger.write() as connection:
            left = () if self._sees_all else memory.beside(rows)
            history = keep(connection, account.name, report, rows, blockers=blockers, left=left)
        return Made(replace(report, history=history), self.reach.away)

    # -- comparing -----------------------------------------------------------------------------

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

    # -- judging -------------------------------------------------------------------------------

    def _judged(self, seen: Look, rows: Sequence[Row], *, now: datetime) -> tuple[Report, int]:
        asked, wanted = self.asked, wanted_of(self.account)
        tally = seen.sides.tally(list(self.pairs.values()))
        states, older_states = seen.states()
        evidence = evidence_of(
            self.pairs.values(),
            tally,
            states,
            unseen=seen.sides.unseen,
            older_states=older_states,
            entities=seen.entities,
            reported=seen.reported,
        )
        found = Found(
            rows=rows,
            evidence=evidence,
            on_side=self._on_side(seen),
            out_of_reach=self.reach.said,
            capped_slices=seen.capped_slices,
            gaps=self._gaps(seen, now=now),
            states=states,
        )
        verdict, reasons, remarks = judge(found, wanted)
        blocking = [row for row in rows if blocks(row, wanted)]
        report = Report(
            account=self.account.name,
            generated_at=now,
            since=asked.period.since,
            until=asked.period.until,
            verified_through=self._verified_through(seen, found, blocking, now=now),
            verdict=verdict,
            reasons=reasons,
            remarks=remarks,
            counts=_counts(rows, unseen=seen.sides.unseen),
            rows=tuple(
                it for it in rows if asked.everything or it.outcome is not Outcome.IDENTICAL
            ),
            grace_seconds=asked.grace.total_seconds(),
            legacy_source=seen.source,
            rest_source=self.account.settings.hub.base_url,
            version=__version__,
            evidence=evidence,
            states=tuple(row for row in states if row.parity in MISMATCHES),
            name_differences=tally.names.differ,
            gaps=tuple(found.gaps),
            capped_slices=seen.capped_slices,
            lag=tally.lag,
            days=days(tally.legacy_days, tally.rest_days, self._finding_days(rows, now=now)),
        )
        return report, len(blocking)

    def _verified_through(
        self, seen: Look, found: Found, blocking: Iterable[Row], *, now: datetime
    ) -> datetime | None:
        """Return up to when all agrees; what a list cut off hides may be of any time."""
        blockers = wanted_of(self.account).blockers
        if found.capped_slices and ReasonKind.CAPPED_SLICE in blockers:
            return None
        wrong = {row.hub_id for row in found.states if row.parity in MISMATCHES and row.hub_id}
        stated = seen.sides.these(wrong) if ReasonKind.STATE_MISMATCH in blockers else ()
        return verified_through(
            seen.sides.spans(FeedName.LEGACY),
            seen.sides.spans(FeedName.REST),
            [
                *(self._since(row, now=now) for row in blocking),
                *(_first_known(pair, now=now) for pair in stated),
            ],
            now=now,
            grace=self.asked.grace,
            period=bounds(self.asked.period),
        )

    def _on_side(self, seen: Look) -> dict[FeedName, int]:
        pairs, unseen = self.pairs.values(), seen.sides.unseen
        counts = {
            FeedName.LEGACY: unseen + sum(pair.legacy is not None for pair in pairs),
            FeedName.REST: unseen + sum(pair.rest is not None for pair in pairs),
        }
        return {feed: count for feed, count in counts.items() if count or feed in seen.recorded}

    def _gaps(self, seen: Look, *, now: datetime) -> tuple[Gap, ...]:
        """Return the gaps since both feeds are recorded; of old files nobody knows any."""
        legacy, rest = (seen.sides.spans(feed) for feed in (FeedName.LEGACY, FeedName.REST))
        if seen.source != LEDGER or not legacy or not rest:
            return ()
        begins, ends = bounds(self.asked.period)
        begins, ends = max(begins, legacy[0].since, rest[0].since), min(ends, now)
        patience = self.account.longest_gap
        return tuple(
            gap
            for feed, spans in ((FeedName.LEGACY, legacy), (FeedName.REST, rest))
            for gap in gaps(feed, spans, since=begins, until=ends, patience=patience)
        )

    def _since(self, row: Row, *, now: datetime) -> datetime:
        """Return from when on an invoice counts; one that is gone counts from now on."""
        pair = self.pairs.get(row.hub_id)
        return now if pair is None else _first_known(pair, now=now)

    def _finding_days(self, rows: Iterable[Row], *, now: datetime) -> list[date]:
        return [day_of(self._since(row, now=now)) for row in rows if row.outcome in FINDINGS]


def _first_known(pair: Pair, *, now: datetime) -> datetime:
    return min(since(side, now=now) for side in (pair.legacy, pair.rest) if side)


def _counts(rows: Iterable[Row], *, unseen: int) -> dict[Outcome, int]:
    counts = Counter(row.outcome for row in rows)
    counts[Outcome.IDENTICAL] += unseen
    return {outcome: counts[outcome] for outcome in Outcome}

"""What a comparison comes to: the verdict, what it stands on, and up to when all agrees."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bridge import __version__
from bridge.account import Account
from bridge.model import FeedName, HubId
from reconcile.asked import LEDGER, Asked
from reconcile.evidence import evidence_of
from reconcile.looking import Look
from reconcile.model import FINDINGS, Gap, Outcome, ReasonKind, Report, Row, StateRow
from reconcile.moments import bounds, day_of, days, since
from reconcile.pairs import Pair
from reconcile.reach import Reach
from reconcile.sides import Tally
from reconcile.verdict import MISMATCHES, Found, Wanted, blocks, judge
from reconcile.watermark import gaps, verified_through


def wanted_of(account: Account) -> Wanted:
    """Return what the settings ask for before they hear `ready`."""
    own = account.settings.reconcile
    kinds = {kind.value: kind for kind in ReasonKind}
    return Wanted(
        min_invoices=own.min_invoices,
        min_days=own.min_days,
        blockers=frozenset(kinds[word] for word in own.blockers if word in kinds),
    )


@dataclass(frozen=True, slots=True)
class Judging:
    """Makes a report of the rows that a comparison gave, and of all that was seen for it."""

    account: Account
    asked: Asked
    seen: Look
    pairs: Mapping[HubId, Pair]
    reach: Reach
    now: datetime

    def report(self, rows: Sequence[Row]) -> tuple[Report, int]:
        """Return the report, and how many of its rows block."""
        asked, seen, wanted = self.asked, self.seen, wanted_of(self.account)
        tally = seen.sides.tally(list(self.pairs.values()))
        states, older_states = seen.states()
        found = self._found(rows, tally, states, older_states)
        verdict, reasons, remarks = judge(found, wanted)
        blocking = [row for row in rows if blocks(row, wanted)]
        report = Report(
            account=self.account.name,
            generated_at=self.now,
            since=asked.period.since,
            until=asked.period.until,
            verified_through=self._verified_through(found, blocking),
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
            evidence=found.evidence,
            states=tuple(row for row in states if row.parity in MISMATCHES),
            name_differences=tally.names.differ,
            gaps=tuple(found.gaps),
            capped_slices=seen.capped_slices,
            lag=tally.lag,
            days=days(tally.legacy_days, tally.rest_days, self._finding_days(rows)),
        )
        return report, len(blocking)

    def _found(
        self,
        rows: Sequence[Row],
        tally: Tally,
        states: Sequence[StateRow],
        older_states: int,
    ) -> Found:
        """Return all that the verdict goes by."""
        seen = self.seen
        evidence = evidence_of(
            self.pairs.values(),
            tally,
            states,
            unseen=seen.sides.unseen,
            older_states=older_states,
            entities=seen.entities,
            reported=seen.reported,
        )
        return Found(
            rows=rows,
            evidence=evidence,
            on_side=self._on_side(),
            out_of_reach=self.reach.said,
            capped_slices=seen.capped_slices,
            gaps=self._gaps(),
            states=states,
        )

    def _verified_through(self, found: Found, blocking: Iterable[Row]) -> datetime | None:
        """Return up to when all agrees; what a list cut off hides may be of any time."""
        blockers = wanted_of(self.account).blockers
        if found.capped_slices and ReasonKind.CAPPED_SLICE in blockers:
            return None
        sides = self.seen.sides
        wrong = {row.hub_id for row in found.states if row.parity in MISMATCHES and row.hub_id}
        stated = sides.these(wrong) if ReasonKind.STATE_MISMATCH in blockers else ()
        return verified_through(
            sides.spans(FeedName.LEGACY),
            sides.spans(FeedName.REST),
            [
                *(self._since(row) for row in blocking),
                *(self._first_known(pair) for pair in stated),
            ],
            now=self.now,
            grace=self.asked.grace,
            period=bounds(self.asked.period),
        )

    def _on_side(self) -> dict[FeedName, int]:
        pairs, unseen = self.pairs.values(), self.seen.sides.unseen
        counts = {
            FeedName.LEGACY: unseen + sum(pair.legacy is not None for pair in pairs),
            FeedName.REST: unseen + sum(pair.rest is not None for pair in pairs),
        }
        return {
            feed: count for feed, count in counts.items() if count or feed in self.seen.recorded
        }

    def _gaps(self) -> tuple[Gap, ...]:
        """Return the gaps since both feeds are recorded; of old files nobody knows any."""
        legacy, rest = (self.seen.sides.spans(feed) for feed in (FeedName.LEGACY, FeedName.REST))
        if self.seen.source != LEDGER or not legacy or not rest:
            return ()
        begins, ends = bounds(self.asked.period)
        begins, ends = max(begins, legacy[0].since, rest[0].since), min(ends, self.now)
        patience = self.account.longest_gap
        return tuple(
            gap
            for feed, spans in ((FeedName.LEGACY, legacy), (FeedName.REST, rest))
            for gap in gaps(feed, spans, since=begins, until=ends, patience=patience)
        )

    def _since(self, row: Row) -> datetime:
        """Return from when on an invoice counts; one that is gone counts from now on."""
        pair = self.pairs.get(row.hub_id)
        return self.now if pair is None else self._first_known(pair)

    def _finding_days(self, rows: Iterable[Row]) -> list[date]:
        return [day_of(self._since(row)) for row in rows if row.outcome in FINDINGS]

    def _first_known(self, pair: Pair) -> datetime:
        return min(since(side, now=self.now) for side in (pair.legacy, pair.rest) if side)


def _counts(rows: Iterable[Row], *, unseen: int) -> dict[Outcome, int]:
    counts = Counter(row.outcome for row in rows)
    counts[Outcome.IDENTICAL] += unseen
    return {outcome: counts[outcome] for outcome in Outcome}

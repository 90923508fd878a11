"""The verdict: `ready` only where enough was seen on both sides and nothing is left to explain.

What blocks is a table of reasons (`_REASONS`). Those that the settings name as blockers stand in
the way of `ready`; the others are remarks. Some block whatever the settings say (`ALWAYS`): without
both sides, or with too little seen, there is nothing to say.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from bridge.model import FeedName
from reconcile.model import (
    FINDINGS,
    Evidence,
    Gap,
    Outcome,
    Parity,
    Reason,
    ReasonKind,
    Row,
    StateRow,
    Verdict,
)

NAMED = 10
"""So many of those that a reason concerns are named."""

MISMATCHES = frozenset({Parity.DIFFERENT, Parity.MISSING, Parity.REFUSED_BY_US})

ALWAYS = frozenset(
    {
        ReasonKind.EMPTY_LEGACY,
        ReasonKind.EMPTY_REST,
        ReasonKind.NOT_RECORDED_LEGACY,
        ReasonKind.NOT_RECORDED_REST,
        ReasonKind.OUT_OF_REACH_LEGACY,
        ReasonKind.OUT_OF_REACH_REST,
        ReasonKind.TOO_FEW_INVOICES,
        ReasonKind.TOO_FEW_DAYS,
    }
)
"""What no setting can make a remark."""

BLOCKERS = frozenset(
    {
        ReasonKind.UNREADABLE,
        ReasonKind.DUPLICATE,
        ReasonKind.ONLY_LEGACY,
        ReasonKind.ONLY_REST,
        ReasonKind.DIFFERENT,
        ReasonKind.STATE_MISMATCH,
        ReasonKind.CAPPED_SLICE,
        ReasonKind.RECORDING_GAP,
    }
)
"""What blocks unless the settings say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the settings ask for before they hear `ready`."""

    min_invoices: int = 1
    min_days: float = 0
    blockers: frozenset[ReasonKind] = BLOCKERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a comparison came to."""

    rows: Sequence[Row]
    """At least those that are findings."""
    evidence: Evidence
    on_side: Mapping[FeedName, int]
    """How many invoices each side has; a side that is not there at all is missing."""
    out_of_reach: Mapping[FeedName, str] = field(default_factory=dict)
    capped_slices: Sequence[str] = ()
    gaps: Sequence[Gap] = ()
    states: Sequence[StateRow] = ()


def judge(found: Found, wanted: Wanted) -> tuple[Verdict, tuple[Reason, ...], tuple[Reason, ...]]:
    """Return the verdict, what stands in its way, and what is worth a remark."""
    every = [reason for tell in _REASONS for reason in tell(found, wanted)]
    blocking = ALWAYS | wanted.blockers
    reasons = tuple(reason for reason in every if reason.kind in blocking)
    remarks = tuple(reason for reason in every if reason.kind not in blocking)
    return (Verdict.NOT_READY if reasons else Verdict.READY), reasons, remarks


def blocks(row: Row, wanted: Wanted) -> bool:
    """Tell whether an invoice stands in the way of `ready`."""
    return row.blocks and ReasonKind(row.outcome) in wanted.blockers


Tell = Callable[[Found, Wanted], Iterator[Reason]]

_OF_FEED: Mapping[FeedName, tuple[ReasonKind, ReasonKind, ReasonKind]] = {
    FeedName.LEGACY: (
        ReasonKind.NOT_RECORDED_LEGACY,
        ReasonKind.EMPTY_LEGACY,
        ReasonKind.OUT_OF_REACH_LEGACY,
    ),
    FeedName.REST: (
        ReasonKind.NOT_RECORDED_REST,
        ReasonKind.EMPTY_REST,
        ReasonKind.OUT_OF_REACH_REST,
    ),
}


def _sides(found: Found, _wanted: Wanted) -> Iterator[Reason]:
    for feed, (not_recorded, empty, out_of_reach) in _OF_FEED.items():
        if feed in found.out_of_reach:
            yield Reason(kind=out_of_reach, said=found.out_of_reach[feed])
        if feed not in found.on_side:
            yield Reason(kind=not_recorded)
        elif not found.on_side[feed]:
            yield Reason(kind=empty)


def _findings(found: Found, _wanted: Wanted) -> Iterator[Reason]:
    counts = Counter(row.outcome for row in found.rows if row.blocks)
    for outcome in Outcome:
        if outcome in FINDINGS and counts[outcome]:
            names = (row.hub_id for row in found.rows if row.blocks and row.outcome is outcome)
            yield _reason(ReasonKind(outcome), counts[outcome], names)


def _states(found: Found, _wanted: Wanted) -> Iterator[Reason]:
    wrong = [row for row in found.states if row.parity in MISMATCHES]
    if wrong:
        yield _reason(
            ReasonKind.STATE_MISMATCH, len(wrong), (row.hub_id or row.file for row in wrong)
        )


def _capped(found: Found, _wanted: Wanted) -> Iterator[Reason]:
    if found.capped_slices:
        yield _reason(ReasonKind.CAPPED_SLICE, len(found.capped_slices), iter(found.capped_slices))


def _gaps(found: Found, _wanted: Wanted) -> Iterator[Reason]:
    if found.gaps:
        feeds = dict.fromkeys(str(gap.feed) for gap in found.gaps)
        yield _reason(ReasonKind.RECORDING_GAP, len(found.gaps), iter(feeds))


def _evidence(found: Found, wanted: Wanted) -> Iterator[Reason]:
    seen = found.evidence
    if seen.invoices < wanted.min_invoices:
        yield Reason(
            kind=ReasonKind.TOO_FEW_INVOICES, count=seen.invoices, wanted=wanted.min_invoices
        )
    if seen.days < wanted.min_days:
        yield Reason(kind=ReasonKind.TOO_FEW_DAYS, count=int(seen.days), wanted=wanted.min_days)
    for kind, names in (
        (ReasonKind.ENTITY_NOT_SEEN, seen.entities_not_seen),
        (ReasonKind.STATE_NOT_SEEN, seen.states_not_seen),
    ):
        if names:
            yield _reason(kind, len(names), iter(names))


_REASONS: tuple[Tell, ...] = (_sides, _findings, _states, _capped, _gaps, _evidence)


def _reason(kind: ReasonKind, count: int, names: Iterator[str]) -> Reason:
    return Reason(kind=kind, count=count, names=tuple(islice(names, NAMED)))

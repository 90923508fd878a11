"""The verdict and what stands in its way; how far both sides were verified; days and JSON."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import inf

import pytest

from bridge.model import FeedName, HubId
from bridge.recorded import Difference, Span
from reconcile.as_json import as_json
from reconcile.model import (
    FINDINGS,
    Acceptance,
    Evidence,
    Gap,
    Lag,
    Outcome,
    Parity,
    Reason,
    ReasonKind,
    Report,
    Row,
    StateRow,
    Verdict,
)
from reconcile.moments import days
from reconcile.verdict import ALWAYS, BLOCKERS, Found, Wanted, judge
from reconcile.watermark import gaps, verified_through

T0 = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENOUGH = Evidence(
    invoices=5,
    days=3.0,
    entities_seen=("P1",),
    entities_not_seen=(),
    states_seen=("PAID",),
    states_not_seen=(),
    attachments=1,
    receipts=1,
    state_updates=0,
)
BOTH = {FeedName.LEGACY: 5, FeedName.REST: 5}


def found(*rows: Row, on_side: Mapping[FeedName, int] = BOTH, **facts: object) -> Found:
    return replace(Found(rows=rows, evidence=ENOUGH, on_side=on_side), **facts)  # type: ignore[arg-type]


def row(outcome: Outcome, **facts: object) -> Row:
    return replace(Row(hub_id=HubId("7"), outcome=outcome), **facts)  # type: ignore[arg-type]


def kinds(seen: Found, wanted: Wanted | None = None) -> list[ReasonKind]:
    return [reason.kind for reason in judge(seen, wanted or Wanted())[1]]


def remarks(seen: Found, wanted: Wanted | None = None) -> list[ReasonKind]:
    return [reason.kind for reason in judge(seen, wanted or Wanted())[2]]


# -- the verdict ---------------------------------------------------------------------------------


def test_two_sides_that_agree_are_ready() -> None:
    assert judge(found(), Wanted()) == (Verdict.READY, (), ())


@pytest.mark.parametrize("outcome", Outcome)
def test_only_findings_block(outcome: Outcome) -> None:
    expected = [ReasonKind(outcome)] if outcome in FINDINGS else []
    assert kinds(found(row(outcome))) == expected


@pytest.mark.parametrize("outcome", sorted(FINDINGS))
def test_an_accepted_finding_does_not_block(outcome: Outcome) -> None:
    accepted = Acceptance(reason="known", by="anna", at=T0)
    assert kinds(found(row(outcome, accepted=accepted))) == []


def test_two_empty_sides_are_not_ready() -> None:
    empty = found(on_side={FeedName.LEGACY: 0, FeedName.REST: 0})
    assert kinds(empty) == [ReasonKind.EMPTY_LEGACY, ReasonKind.EMPTY_REST]


def test_one_side_that_is_not_recorded_is_not_ready() -> None:
    assert kinds(found(on_side={FeedName.REST: 5})) == [ReasonKind.NOT_RECORDED_LEGACY]


@pytest.mark.parametrize(
    ("feed", "kind"),
    [
        (FeedName.LEGACY, ReasonKind.OUT_OF_REACH_LEGACY),
        (FeedName.REST, ReasonKind.OUT_OF_REACH_REST),
    ],
)
def test_a_side_out_of_reach_is_not_ready(feed: FeedName, kind: ReasonKind) -> None:
    reasons = judge(found(out_of_reach={feed: "it is away"}), Wanted())[1]
    assert [(reason.kind, reason.said) for reason in reasons] == [(kind, "it is away")]


def test_less_evidence_than_wanted_is_not_ready() -> None:
    wanted = Wanted(min_invoices=6, min_days=3.5)
    assert kinds(found(), wanted) == [ReasonKind.TOO_FEW_INVOICES, ReasonKind.TOO_FEW_DAYS]


def test_exactly_the_evidence_that_is_wanted_is_enough() -> None:
    assert kinds(found(), Wanted(min_invoices=5, min_days=3)) == []


def test_a_capped_slice_and_a_gap_block() -> None:
    gap = Gap(feed=FeedName.REST, since=T0, until=T0 + HOUR)
    seen = found(capped_slices=("nif=P1",), gaps=(gap,))
    assert kinds(seen) == [ReasonKind.CAPPED_SLICE, ReasonKind.RECORDING_GAP]


@pytest.mark.parametrize(
    ("parity", "blocks"),
    [
        (Parity.SAME, False),
        (Parity.DIFFERENT, True),
        (Parity.MISSING, True),
        (Parity.REFUSED_BY_BOTH, False),
        (Parity.REFUSED_BY_US, True),
        (Parity.UNKNOWN, False),
    ],
)
def test_a_state_that_the_hub_does_not_show_blocks(parity: Parity, blocks: bool) -> None:
    state = StateRow(hub_id=HubId("7"), file="f.XML", position=1, state="PAID", parity=parity)
    assert bool(kinds(found(states=(state,)))) == blocks


def test_what_was_not_seen_is_a_remark() -> None:
    seen = found(evidence=replace(ENOUGH, entities_not_seen=("P2",), states_not_seen=("REJECTED",)))
    assert kinds(seen) == []
    assert remarks(seen) == [ReasonKind.ENTITY_NOT_SEEN, ReasonKind.STATE_NOT_SEEN]


def test_what_was_not_seen_blocks_where_the_settings_say_so() -> None:
    seen = found(evidence=replace(ENOUGH, states_not_seen=("REJECTED",)))
    wanted = Wanted(blockers=BLOCKERS | {ReasonKind.STATE_NOT_SEEN})
    assert kinds(seen, wanted) == [ReasonKind.STATE_NOT_SEEN]


def test_what_the_settings_leave_out_is_a_remark() -> None:
    wanted = Wanted(blockers=frozenset())
    assert kinds(found(row(Outcome.ONLY_REST)), wanted) == []
    assert remarks(found(row(Outcome.ONLY_REST)), wanted) == [ReasonKind.ONLY_REST]


@pytest.mark.parametrize("kind", ReasonKind)
def test_every_reason_blocks_always_by_default_or_by_setting(kind: ReasonKind) -> None:
    optional = {ReasonKind.ENTITY_NOT_SEEN, ReasonKind.STATE_NOT_SEEN}
    assert (kind in ALWAYS) + (kind in BLOCKERS) + (kind in optional) == 1


# -- verified through ----------------------------------------------------------------------------

NOW = T0 + 100 * HOUR


def span(since: float, until: float) -> Span:
    return Span(feed=FeedName.REST, listings=2, since=T0 + since * HOUR, until=T0 + until * HOUR)


def through(
    legacy: list[Span],
    rest: list[Span],
    *blocking: float,
    grace: float = 24,
    period: tuple[float, float] = (-1000, 1000),
) -> float | None:
    begins, ends = (T0 + hours * HOUR for hours in period)
    moment = verified_through(
        legacy,
        rest,
        [T0 + hours * HOUR for hours in blocking],
        now=NOW,
        grace=grace * HOUR,
        period=(begins, ends),
    )
    return None if moment is None else (moment - T0) / HOUR


def test_it_reaches_as_far_as_the_grace_time_leaves() -> None:
    assert through([span(0, 100)], [span(0, 100)]) == 76


def test_a_gap_on_either_side_stops_it() -> None:
    broken = [span(0, 30), span(40, 100)]
    assert through(broken, [span(0, 100)]) == through([span(0, 100)], broken) == 30


def test_what_blocks_stops_it() -> None:
    assert through([span(0, 100)], [span(0, 100)], 50, 20, 90) == 20


def test_it_begins_where_both_sides_are_recorded() -> None:
    assert through([span(10, 100)], [span(0, 100)], 5) == 76


def test_without_both_sides_there_is_none() -> None:
    assert through([], [span(0, 100)]) is None
    assert through([span(0, 10)], [span(20, 100)]) is None


def test_nothing_is_verified_while_all_is_within_the_grace_time() -> None:
    assert through([span(80, 100)], [span(80, 100)]) is None


def test_a_report_that_begins_after_a_gap_passes_it() -> None:
    broken = [span(0, 30), span(40, 100)]
    assert through(broken, [span(0, 100)], period=(50, 1000)) == 76


def test_it_stays_within_the_days_of_the_report() -> None:
    both = [span(0, 100)]
    assert through(both, both, period=(0, 60)) == 60
    assert through(both, both, period=(80, 1000)) is None


def test_what_blocks_from_before_the_first_day_of_a_report_stops_it_there() -> None:
    assert through([span(0, 100)], [span(0, 100)], 45, period=(50, 1000)) is None


def seen_gaps(*spans: Span) -> list[tuple[float, float]]:
    found = gaps(FeedName.REST, spans, since=T0, until=NOW, patience=HOUR)
    return [((gap.since - T0) / HOUR, (gap.until - T0) / HOUR) for gap in found]


def test_time_between_two_spans_is_a_gap() -> None:
    assert seen_gaps(span(0, 30), span(40, 100)) == [(30, 40)]


def test_a_recording_that_stopped_is_a_gap_until_now() -> None:
    assert seen_gaps(span(0, 30)) == [(30, 100)]


def test_a_listing_that_is_due_soon_is_no_gap() -> None:
    assert seen_gaps(span(0, 99.5)) == []


def test_what_was_before_the_time_that_counts_is_no_gap() -> None:
    assert seen_gaps(span(-50, -40), span(-30, 100)) == []


# -- days ----------------------------------------------------------------------------------------


def test_days_without_an_invoice_are_shown_between_others() -> None:
    one, other = date(2026, 3, 1), date(2026, 3, 3)
    seen = days([(one, 2)], [(other, 1), (other, 1)], [other])
    assert [(it.day.day, it.legacy, it.rest, it.findings) for it in seen] == [
        (1, 2, 0, 0),
        (2, 0, 0, 0),
        (3, 0, 2, 1),
    ]


def test_a_wrong_date_does_not_make_a_row_for_every_day_since() -> None:
    assert len(days([(date(1902, 1, 1), 1)], [(date(2026, 1, 1), 1)], [])) == 2


# -- JSON ----------------------------------------------------------------------------------------

REPORT = Report(
    account="town",
    generated_at=T0,
    since=date(2026, 5, 1),
    until=None,
    verified_through=T0 - HOUR,
    verdict=Verdict.NOT_READY,
    reasons=(Reason(kind=ReasonKind.DIFFERENT, count=1, names=("7",)),),
    counts={Outcome.DIFFERENT: 1, Outcome.IDENTICAL: 4},
    rows=(
        row(
            Outcome.DIFFERENT,
            number="A/1",
            supplier_nif="B1",
            issue_date=date(2026, 5, 2),
            amount="12.10",
            lag_seconds=1.5,
            differences=(Difference(field="total", legacy="12.10", rest=None),),
        ),
    ),
    grace_seconds=86400,
    legacy_source="ledger",
    evidence=ENOUGH,
)


def test_json_has_every_field_of_the_contract() -> None:
    told = json.loads(as_json(REPORT, lambda reason: f"{reason.count} {reason.kind}"))
    promised = {
        "schema": 1,
        "account": "town",
        "generated_at": "2026-06-01T00:00:00+00:00",
        "since": "2026-05-01",
        "until": None,
        "verified_through": "2026-05-31T23:00:00+00:00",
        "verdict": "not-ready",
        "reasons": ["1 different"],
        "counts": {outcome.value: 0 for outcome in Outcome} | {"different": 1, "identical": 4},
    }
    assert {name: told[name] for name in promised} == promised
    (invoice,) = told["invoices"]
    promised = {
        "hub_id": "7",
        "outcome": "different",
        "number": "A/1",
        "supplier_nif": "B1",
        "date": "2026-05-02",
        "amount": "12.10",
        "differences": [{"field": "total", "legacy": "12.10", "rest": None}],
        "lag_seconds": 1.5,
    }
    assert {name: invoice[name] for name in promised} == promised


def test_an_infinite_bound_is_valid_json() -> None:
    lag = Lag(count=1, median=1.0, p95=1.0, worst=1.0, histogram=((60.0, 1), (inf, 0)))
    told = as_json(replace(REPORT, lag=lag), lambda reason: reason.kind)
    assert json.loads(told, parse_constant=pytest.fail)["lag"]["histogram"][-1]["up_to"] is None

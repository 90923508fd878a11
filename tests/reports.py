"""Reports to look at: small, empty, hostile, and of any size, always the same."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from bridge.model import FeedName, HubId
from bridge.recorded import Difference
from reconcile.model import (
    Acceptance,
    Day,
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
    Summary,
    Verdict,
)

NOW = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
SUPPLIERS = ("B60000001", "A58000002", "B17000003", "F08000004", "39000005T", "A28000006")
MIX = {
    Outcome.UNREADABLE: 1,
    Outcome.DUPLICATE: 2,
    Outcome.ONLY_LEGACY: 4,
    Outcome.ONLY_REST: 3,
    Outcome.IN_FLIGHT: 5,
    Outcome.DIFFERENT: 6,
    Outcome.EQUIVALENT: 38,
}


def row(outcome: Outcome = Outcome.ONLY_REST, hub_id: str = "1000001") -> Row:
    """Return an invoice with nothing remarkable."""
    return Row(
        hub_id=HubId(hub_id),
        outcome=outcome,
        number="2026/118",
        supplier_nif="B60000001",
        receiver_nif="P0800000A",
        issue_date=date(2026, 11, 3),
        amount="1210.00",
        rest_first_seen=NOW - timedelta(days=3),
        rest_digest="5f" * 32,
    )


def report(
    mix: dict[Outcome, int] | None = None, *, identical: int = 1284, days: int = 30, seed: int = 1
) -> Report:
    """Return a report that is not ready, with so many invoices of each outcome."""
    chosen = random.Random(seed)
    rows = tuple(_rows(MIX if mix is None else mix, chosen))
    counts = dict.fromkeys(Outcome, 0) | {Outcome.IDENTICAL: identical}
    for each in rows:
        counts[each.outcome] += 1
    return Report(
        account="ajuntament",
        generated_at=NOW,
        since=date(2026, 10, 26),
        until=date(2026, 11, 24),
        verified_through=datetime(2026, 11, 9, 22, 15, tzinfo=UTC),
        verdict=Verdict.NOT_READY,
        reasons=tuple(_reasons(counts, rows)),
        remarks=(Reason(kind=ReasonKind.STATE_NOT_SEEN, count=1, names=("REJECTED",)),),
        counts=counts,
        rows=rows,
        grace_seconds=86400,
        legacy_source="ledger",
        rest_source="https://efact-pre.aoc.cat/rcf",
        version="1.0.0",
        evidence=Evidence(
            invoices=identical + counts[Outcome.EQUIVALENT] + counts[Outcome.DIFFERENT],
            days=28.4,
            entities_seen=("P0800000A", "P0800001B"),
            entities_not_seen=("P0800002C",),
            states_seen=("ANNOTATED", "RECOGNISED", "PAID"),
            states_not_seen=("REJECTED",),
            attachments=211,
            receipts=1308,
            state_updates=2961,
        ),
        states=(
            StateRow(
                hub_id=HubId("1000007"),
                file="P0800000A@B60000001@2026_118.XML",
                position=2,
                state="ANNOTATED",
                parity=Parity.DIFFERENT,
                differences=(
                    Difference(field="register_number", legacy="F/2026/0871", rest="F/2026/871"),
                ),
            ),
        ),
        name_differences=12,
        gaps=(
            Gap(
                feed=FeedName.LEGACY,
                since=datetime(2026, 11, 10, 1, 15, tzinfo=UTC),
                until=datetime(2026, 11, 10, 5, 40, tzinfo=UTC),
                said="connection refused",
            ),
        ),
        lag=Lag(
            count=1320,
            median=312.0,
            p95=4210.0,
            worst=30120.0,
            histogram=(
                (-60.0, 14),
                (0.0, 61),
                (60.0, 208),
                (300.0, 402),
                (900.0, 371),
                (3600.0, 190),
                (14400.0, 61),
                (86400.0, 13),
                (float("inf"), 0),
            ),
        ),
        days=tuple(_days(days, chosen)),
        history=tuple(_history(min(days, 28), counts, len(rows))),
    )


def ready() -> Report:
    """Return a report that is ready: nothing blocks."""
    base = report({Outcome.IN_FLIGHT: 3, Outcome.EQUIVALENT: 41})
    return replace(
        base, verdict=Verdict.READY, reasons=(), gaps=(), states=(), verified_through=NOW
    )


def empty() -> Report:
    """Return the report of a ledger that has seen nothing yet."""
    return Report(
        account="ajuntament",
        generated_at=NOW,
        since=None,
        until=None,
        verified_through=None,
        verdict=Verdict.NOT_READY,
        reasons=(
            Reason(kind=ReasonKind.EMPTY_LEGACY),
            Reason(kind=ReasonKind.EMPTY_REST),
            Reason(kind=ReasonKind.TOO_FEW_INVOICES, count=0, wanted=1),
        ),
        counts={},
        rows=(),
        grace_seconds=86400,
        legacy_source="ledger",
        rest_source="https://efact-pre.aoc.cat/rcf",
        version="1.0.0",
        evidence=Evidence(
            invoices=0,
            days=0,
            entities_seen=(),
            entities_not_seen=(),
            states_seen=(),
            states_not_seen=("ANNOTATED", "RECOGNISED", "PAID", "REJECTED"),
            attachments=0,
            receipts=0,
            state_updates=0,
        ),
    )


HOSTILE = (
    "</script><script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    '=HYPERLINK("http://evil.example","x")',
    "+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "[red]not a colour[/red] \x1b[31mnor this\x1b[0m",
    "abc\u202egpj.exe",
    "zero\u200bwidth and null\x00 and \ud800 half",
    "{count} {0} %s %(x)s {{ 7*7 }} {% raw %}",
    "many\r\nlines\there",
    "<!-- ]]> --> &amp; &#x202e;",
)
"""What an issuer may write into a number or a name."""


def hostile() -> Report:
    """Return a report in which everything from outside tries something."""
    base = report({})
    rows = tuple(
        replace(
            row(outcome, hub_id=f"{text}"),
            number=text,
            series=text,
            supplier_nif=text,
            amount=text,
            names=(text, "x"),
            note=text,
            duplicate_of=(HubId(text),),
            differences=(Difference(field=text, legacy=text, rest=None),),
            xml_difference=(f"-{text}", f"+{text}"),
            accepted=Acceptance(reason=text, by=text, at=NOW),
        )
        for outcome, text in zip((Outcome.UNREADABLE, Outcome.DIFFERENT) * 6, HOSTILE, strict=True)
    )
    whole = " ".join(HOSTILE)
    return replace(
        base,
        account=whole,
        legacy_source=whole,
        rows=rows,
        reasons=(Reason(kind=ReasonKind.OUT_OF_REACH_LEGACY, names=HOSTILE, said=whole),),
        states=(replace(base.states[0], hub_id=HubId(whole), file=whole, state=whole, said=whole),),
        gaps=(replace(base.gaps[0], said=whole),),
        capped_slices=HOSTILE,
        evidence=replace(base.evidence, entities_seen=HOSTILE, states_not_seen=HOSTILE),
    )


def _rows(mix: dict[Outcome, int], chosen: random.Random) -> Iterator[Row]:
    wanted = [outcome for outcome, count in mix.items() for _ in range(count)]
    chosen.shuffle(wanted)
    for number, outcome in enumerate(wanted):
        yield _chosen_row(outcome, number, chosen)


def _chosen_row(outcome: Outcome, number: int, chosen: random.Random) -> Row:
    seen = NOW - timedelta(minutes=chosen.randrange(60, 28 * 24 * 60))
    lag = chosen.expovariate(1 / 900) - 60
    base = replace(
        row(outcome, str(1000000 + number * 7)),
        number=f"2026/{chosen.randrange(1, 2000)}",
        series=chosen.choice((None, "A", "RECT")),
        supplier_nif=chosen.choice(SUPPLIERS),
        issue_date=(seen - timedelta(days=chosen.randrange(9))).date(),
        amount=f"{chosen.randrange(900, 900000) / 100:.2f}",
        rest_first_seen=None if outcome is Outcome.ONLY_LEGACY else seen,
        legacy_first_seen=None if outcome is Outcome.ONLY_REST else seen,
        legacy_digest=None if outcome is Outcome.ONLY_REST else _digest(number),
        rest_digest=None if outcome is Outcome.ONLY_LEGACY else _digest(number + 1),
        lag_seconds=lag if outcome in (Outcome.DIFFERENT, Outcome.EQUIVALENT) else None,
    )
    return replace(base, **_particular(outcome, number, base))


def _digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def _particular(outcome: Outcome, number: int, base: Row) -> dict[str, object]:
    if outcome is Outcome.DIFFERENT:
        return {
            **_difference(number, base),
            "names": (
                f"{base.supplier_nif}@{base.receiver_nif}@2026_118@{base.hub_id}.XML",
                f"{base.supplier_nif}@{base.receiver_nif}@118@{base.hub_id}.XML",
            ),
            "accepted": Acceptance(
                reason="The issuer sent the annex again on paper, file 2026/4411",
                by="nuria.puig",
                at=NOW - timedelta(days=1),
            )
            if number % 7 == 3
            else None,
        }
    if outcome is Outcome.UNREADABLE:
        return {"note": "legacy: not well-formed: tag InvoiceTotal is not closed (line 12)"}
    if outcome is Outcome.DUPLICATE:
        return {"duplicate_of": (HubId(str(int(base.hub_id) + 4)),)}
    if outcome is Outcome.ONLY_LEGACY:
        return {"was_in_flight": number % 2 == 0}
    if outcome is Outcome.IN_FLIGHT:
        return {"rest_first_seen": None, "rest_digest": None}
    return {}


def _difference(number: int, base: Row) -> dict[str, object]:
    """Return one of three: another total, another office, an attachment that is not there."""
    total, other = base.amount or "", f"{float(base.amount or 0) * 1.01:.2f}"
    kinds: tuple[dict[str, object], ...] = (
        {
            "differences": (Difference(field="total", legacy=total, rest=other),),
            "xml_difference": (
                "--- legacy",
                "+++ rest",
                "@@ -41,5 +41,5 @@",
                "       <InvoiceTotals>",
                "         <TotalGrossAmountBeforeTaxes>1000.00</TotalGrossAmountBeforeTaxes>",
                f"-        <InvoiceTotal>{total}</InvoiceTotal>",
                f"+        <InvoiceTotal>{other}</InvoiceTotal>",
                "       </InvoiceTotals>",
            ),
        },
        {
            "differences": (
                Difference(field="accounting_office", legacy="LA0000917", rest="LA0000971"),
            ),
            "xml_difference": (
                "--- legacy",
                "+++ rest",
                "@@ -12,3 +12,3 @@",
                "         <AdministrativeCentre>",
                "-          <CentreCode>LA0000917</CentreCode>",
                "+          <CentreCode>LA0000971</CentreCode>",
                "           <RoleTypeCode>01</RoleTypeCode>",
            ),
        },
        {"differences": (Difference(field="attachment 2", legacy="contracte.pdf", rest=None),)},
    )
    return kinds[number % 3]


_KINDS = {
    Outcome.UNREADABLE: ReasonKind.UNREADABLE,
    Outcome.DUPLICATE: ReasonKind.DUPLICATE,
    Outcome.ONLY_LEGACY: ReasonKind.ONLY_LEGACY,
    Outcome.ONLY_REST: ReasonKind.ONLY_REST,
    Outcome.DIFFERENT: ReasonKind.DIFFERENT,
}


def _reasons(counts: dict[Outcome, int], rows: tuple[Row, ...]) -> Iterator[Reason]:
    for outcome, kind in _KINDS.items():
        names = tuple(each.hub_id for each in rows if each.outcome is outcome and each.blocks)
        if names:
            yield Reason(kind=kind, count=len(names), names=names[:3])
    yield Reason(kind=ReasonKind.STATE_MISMATCH, count=1, names=("1000007",))
    yield Reason(kind=ReasonKind.RECORDING_GAP, count=1)


def _days(count: int, chosen: random.Random) -> Iterator[Day]:
    first = NOW.date() - timedelta(days=count - 1)
    for number in range(count):
        day = first + timedelta(days=number)
        busy = 6 if day.weekday() >= 5 else 60
        both = chosen.randrange(busy // 2, busy)
        findings = chosen.choice((0, 0, 0, 1, 2)) if number < count * 0.6 else 0
        yield Day(day=day, legacy=both, rest=both - findings, findings=findings)


def _history(count: int, counts: dict[Outcome, int], blockers: int) -> Iterator[Summary]:
    for number in range(count):
        left = count - 1 - number
        yield Summary(
            generated_at=NOW - timedelta(days=left),
            verdict=Verdict.NOT_READY,
            counts=counts,
            blockers=16 + left * left // 9 + (left % 3),
            verified_through=NOW - timedelta(days=left + 14) if left < 12 else None,
        )

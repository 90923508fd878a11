"""A report for the terminal: the first lines decide, the rest explains; 80 columns are enough.

Without colours it says the same: what matters stands in words. Long lists are cut here, and say
which format has them whole.
"""

import io
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconcile.language import Language
from reconcile.model import FINDINGS, Outcome, Report, Row, StateRow, Summary, Verdict
from reconcile.rendering import sentences
from reconcile.rendering.inert import visible
from reconcile.rendering.words import DISAGREEING, NAMES_DIFFER, OUTCOMES, PARITIES

LISTED = 50
"""Invoices of one outcome that the terminal lists."""

_HISTORY = 14
"""Reports of the past that it shows."""

_BAR = 20
"""Columns of the longest bar."""

_STYLES = {
    **dict.fromkeys(FINDINGS, "bold red"),
    Outcome.IN_FLIGHT: "yellow",
    Outcome.EQUIVALENT: "green",
    Outcome.IDENTICAL: "green",
}


def as_text(report: Report, language: Language, *, width: int = 80) -> str:
    """Return a report as plain text, for a pipe or a file."""
    return _plain(as_rich(report, language), width)


def as_rich(report: Report, language: Language) -> RenderableType:
    """Return a report with its colours, for a rich Console."""
    return Group(*_parts(report, language))


def history_as_text(history: Sequence[Summary], language: Language, *, width: int = 80) -> str:
    """Return how the difference shrank from report to report, as plain text."""
    return _plain(history_as_rich(history, language), width)


def history_as_rich(history: Sequence[Summary], language: Language) -> RenderableType:
    """Return the same with its colours."""
    say = language.say
    if not history:
        return Text(say("No report was kept so far."))
    table = _table()
    table.add_column(say("Report"), no_wrap=True)
    table.add_column(say("Blocking"), justify="right")
    table.add_column("", no_wrap=True)
    table.add_column(say("Invoices"), justify="right")
    table.add_column(say("Verified through"), no_wrap=True)
    most = max(summary.blockers for summary in history)
    for summary in history:
        ready = summary.verdict is Verdict.READY
        table.add_row(
            language.moment(summary.generated_at),
            Text(language.number(summary.blockers), "green" if ready else "bold red"),
            _bar(summary.blockers, most),
            language.number(sum(summary.counts.values())),
            language.moment(summary.verified_through) if summary.verified_through else "–",
        )
    return table


def _parts(report: Report, language: Language) -> Iterator[RenderableType]:
    yield from _head(report, language)
    yield from _counts(report, language)
    yield from _evidence(report, language)
    yield from _findings(report, language)
    yield from _states(report, language)
    yield from _names(report, language)
    yield from _gaps(report, language)
    if len(report.history) > 1:
        yield _title(language.say("Trend"))
        yield history_as_rich(report.history[-_HISTORY:], language)


def _head(report: Report, language: Language) -> Iterator[RenderableType]:
    say = language.say
    ready = report.verdict is Verdict.READY
    yield Text(sentences.verified_through(language, report), "bold")
    line = say("Verdict: {verdict}", verdict=sentences.verdict(language, report))
    yield Text(f"{line} ({report.verdict})", "bold green" if ready else "bold red")
    for number, what in enumerate(report.reasons, start=1):
        yield _reason(f"{number}.", sentences.reason(language, what), language)
    if report.remarks:
        yield _title(say("Worth knowing; does not block"))
        for what in report.remarks:
            yield _reason("-", sentences.reason(language, what), language)
    yield Text()
    yield _facts(sentences.facts(language, report))


def _reason(mark: str, told: sentences.Told, language: Language) -> RenderableType:
    text = Text()
    text.append(told.says, "bold")
    if told.which:
        text.append("\n").append(language.say("Which: {names}", names=told.which))
    if told.said:
        text.append("\n").append(language.say("It said: {said}", said=told.said))
    text.append("\n").append(told.advice, "dim")
    return _item(mark, text)


def _item(mark: str, text: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(mark, text)
    return Padding(grid, (0, 0, 0, 2))


def _facts(facts: Iterator[sentences.Fact]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for fact in facts:
        grid.add_row(fact.label, Text(fact.value))
    return grid


def _counts(report: Report, language: Language) -> Iterator[RenderableType]:
    say, whole = language.say, sum(report.counts.values())
    table = _table()
    table.add_column(say("Outcome"), no_wrap=True)
    table.add_column("", no_wrap=True, style="dim")
    table.add_column(say("Invoices"), justify="right")
    table.add_column(say("Share"), justify="right", no_wrap=True)
    for outcome in Outcome:
        count = report.counts.get(outcome, 0)
        table.add_row(
            Text(sentences.outcome(language, outcome), _STYLES[outcome] if count else "dim"),
            outcome.value,
            language.number(count),
            language.share(count, whole),
        )
    yield _title(say("Invoices by outcome"))
    yield table


def _evidence(report: Report, language: Language) -> Iterator[RenderableType]:
    say = language.say
    yield _title(say("What the verdict stands on"))
    yield _facts(sentences.evidence(language, report))
    for sentence in sentences.not_seen(language, report.evidence):
        yield _item("-", Text(sentence))
    lag = report.lag
    if lag is not None:
        yield Text(
            say(
                "REST behind the old mailbox: median {median}, 95 of 100 at most {p95}, "
                "worst {worst}",
                median=language.duration(lag.median),
                p95=language.duration(lag.p95),
                worst=language.duration(lag.worst),
            )
        )


def _findings(report: Report, language: Language) -> Iterator[RenderableType]:
    rows = sorted(report.rows, key=lambda row: list(Outcome).index(row.outcome))
    for outcome, group in groupby(rows, key=lambda row: row.outcome):
        if outcome not in (Outcome.EQUIVALENT, Outcome.IDENTICAL):
            yield from _outcome(outcome, tuple(group), language)


def _outcome(
    outcome: Outcome, rows: tuple[Row, ...], language: Language
) -> Iterator[RenderableType]:
    term, say = OUTCOMES[outcome], language.say
    yield _title(f"{say(term.label)}: {language.number(len(rows))}", _STYLES[outcome])
    yield Text(say(term.meaning), "dim")
    table = _table()
    table.add_column(say("Hub id"), overflow="fold", min_width=8)
    table.add_column(say("Number"), overflow="fold", max_width=18)
    table.add_column(say("Supplier"), overflow="fold", min_width=9)
    table.add_column(say("Date"), no_wrap=True)
    table.add_column(say("Amount"), justify="right", overflow="fold")
    table.add_column(say("Lag"), justify="right", overflow="fold")
    for row in rows[:LISTED]:
        _row(table, row, language)
    yield table
    yield from _differences(rows[:LISTED], language)
    for row in rows[:LISTED]:
        for mark in sentences.marks(language, row):
            yield Padding(Text(f"{visible(row.hub_id)}: {mark}"), (0, 0, 0, 2))
    yield from _more(len(rows) - LISTED, language)


def _row(table: Table, row: Row, language: Language) -> None:
    table.add_row(
        Text(visible(row.hub_id)),
        Text(sentences.side(row.number)),
        Text(sentences.side(row.supplier_nif)),
        language.day(row.issue_date) if row.issue_date else "–",
        Text(visible(language.amount(row.amount)) if row.amount else "–"),
        language.duration(row.lag_seconds) if row.lag_seconds is not None else "–",
        style="dim" if row.accepted else None,
    )


def _differences(rows: Sequence[Row | StateRow], language: Language) -> Iterator[RenderableType]:
    if not any(row.differences for row in rows):
        return
    yield Text()
    table = _table()
    table.add_column(language.say("Hub id"), overflow="fold", min_width=8)
    table.add_column(language.say("What differs"), overflow="fold")
    table.add_column(language.say("Old mailbox"), overflow="fold")
    table.add_column(language.say("REST API"), overflow="fold")
    for row in rows:
        hub_id = visible(row.hub_id or "–")
        for number, difference in enumerate(row.differences):
            table.add_row(
                Text("" if number else hub_id),
                Text(sentences.field(language, difference)),
                Text(sentences.side(difference.legacy)),
                Text(sentences.side(difference.rest)),
            )
    yield table


def _states(report: Report, language: Language) -> Iterator[RenderableType]:
    if not report.states:
        return
    say = language.say
    yield _title(say("States of the software beside what the hub shows"))
    table = _table()
    table.add_column(say("Hub id"), overflow="fold", min_width=8)
    table.add_column(say("State"), no_wrap=True)
    table.add_column(say("Agreement"))
    table.add_column(say("State file"), overflow="fold")
    for row in report.states[:LISTED]:
        style = "bold red" if row.parity in DISAGREEING else ""
        file = say("{file}, update {position}", file=visible(row.file), position=row.position)
        table.add_row(
            Text(visible(row.hub_id or "–")),
            Text(visible(row.state)),
            Text(say(PARITIES[row.parity].label), style),
            Text(f"{file}: {visible(row.said)}" if row.said else file),
        )
    yield table
    yield from _differences(report.states[:LISTED], language)
    yield from _more(len(report.states) - LISTED, language)


def _names(report: Report, language: Language) -> Iterator[RenderableType]:
    if not report.name_differences:
        return
    say = language.say
    yield _title(say("File names"))
    yield Text(say(NAMES_DIFFER, count=report.name_differences))
    for row in [row for row in report.rows if row.names][:3]:
        assert row.names is not None
        for label, name in zip((say("Old mailbox"), say("Bridge")), row.names, strict=True):
            yield Padding(Text(f"{label}: {visible(name)}", "dim"), (0, 0, 0, 2))


def _gaps(report: Report, language: Language) -> Iterator[RenderableType]:
    say = language.say
    if report.gaps:
        yield _title(say("Times without a recording"))
    for gap in report.gaps:
        yield Padding(Text(sentences.gap(language, gap)), (0, 0, 0, 2))
    if report.capped_slices:
        yield _title(say("Lists that the hub cuts off"))
    for name in report.capped_slices:
        yield Padding(Text(visible(name)), (0, 0, 0, 2))


def _more(count: int, language: Language) -> Iterator[Text]:
    if count > 0:
        says = language.say("and {count} more: --format xlsx or csv lists all", count=count)
        yield Text(says, "dim")


def _bar(count: int, most: int) -> Text:
    return Text("█" * max(round(_BAR * count / most), 1) if count else "", "red")


def _title(text: str, style: str = "bold") -> Text:
    return Text(f"\n{text}", style)


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)


def _plain(what: RenderableType, width: int) -> str:
    """Return what a pipe gets: no colours, no spaces before a line's end."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, highlight=False, legacy_windows=False
    )
    console.print(what)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"

"""The lists of a report in the terminal: invoices by outcome, states, names, gaps.

Long ones are cut, and say which format has them whole.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconcile.language import Language
from reconcile.model import FINDINGS, Outcome, Report, Row, StateRow
from reconcile.rendering import sentences
from reconcile.rendering.inert import visible
from reconcile.rendering.words import DISAGREEING, NAMES_DIFFER, OUTCOMES, PARITIES

LISTED = 50
"""Invoices of one outcome that the terminal lists."""

STYLES = {
    **dict.fromkeys(FINDINGS, "bold red"),
    Outcome.IN_FLIGHT: "yellow",
    Outcome.EQUIVALENT: "green",
    Outcome.IDENTICAL: "green",
}


def findings(report: Report, language: Language) -> Iterator[RenderableType]:
    """Yield the invoices that are not equal, outcome by outcome."""
    rows = sorted(report.rows, key=lambda row: list(Outcome).index(row.outcome))
    for outcome, group in groupby(rows, key=lambda row: row.outcome):
        if outcome not in (Outcome.EQUIVALENT, Outcome.IDENTICAL):
            yield from _outcome(outcome, tuple(group), language)


def _outcome(
    outcome: Outcome, rows: tuple[Row, ...], language: Language
) -> Iterator[RenderableType]:
    term, say = OUTCOMES[outcome], language.say
    yield title(f"{say(term.label)}: {language.number(len(rows))}", STYLES[outcome])
    yield Text(say(term.meaning), "dim")
    table = new_table()
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
    table = new_table()
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
                *(Text(sentences.side(it)) for it in sentences.values(language, difference)),
            )
    yield table


def states(report: Report, language: Language) -> Iterator[RenderableType]:
    """Yield the states that do not agree."""
    if not report.states:
        return
    say = language.say
    yield title(say("States of the software beside what the hub shows"))
    table = new_table()
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


def names(report: Report, language: Language) -> Iterator[RenderableType]:
    """Yield how many files would be called otherwise, with examples."""
    if not report.name_differences:
        return
    say = language.say
    yield title(say("File names"))
    yield Text(say(NAMES_DIFFER, count=report.name_differences))
    for row in [row for row in report.rows if row.names][:3]:
        assert row.names is not None
        for label, name in zip((say("Old mailbox"), say("Bridge")), row.names, strict=True):
            yield Padding(Text(f"{label}: {visible(name)}", "dim"), (0, 0, 0, 2))


def gaps(report: Report, language: Language) -> Iterator[RenderableType]:
    """Yield what was not seen."""
    say = language.say
    if report.gaps:
        yield title(say("Times without a recording"))
    for gap in report.gaps:
        yield Padding(Text(sentences.gap(language, gap)), (0, 0, 0, 2))
    if report.capped_slices:
        yield title(say("Lists that the hub cuts off"))
    for name in report.capped_slices:
        yield Padding(Text(visible(name)), (0, 0, 0, 2))


def _more(count: int, language: Language) -> Iterator[Text]:
    if count > 0:
        says = language.say("and {count} more: --format xlsx or csv lists all", count=count)
        yield Text(says, "dim")


def title(text: str, style: str = "bold") -> Text:
    """Return a heading, with an empty line before it."""
    return Text(f"\n{text}", style)


def new_table() -> Table:
    """Return a table that is as narrow as it can be, with a line below its headings."""
    return Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)

"""A report as a workbook: a summary, and a sheet for each kind of finding, with filters.

Every text is written as a text, so nothing in it can be a formula or a link. The same report gives
the same bytes: the workbook bears the report's time, and the zip file a fixed one.
"""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from bridge.recorded import Difference
from reconcile.language import ZONE, Language, Message
from reconcile.model import Outcome, Report, Row, StateRow
from reconcile.rendering import sentences
from reconcile.rendering.inert import visible
from reconcile.rendering.words import FEEDS, OUTCOMES, PARITIES, VERDICTS

MOST_ROWS = 1_000_000
"""Invoices on one sheet; a sheet of Excel ends at 1,048,576 rows."""

_WIDEST = 32_000
"""Characters of a cell; Excel's end at 32,767."""

Cell = str | Sequence[str] | int | float | Decimal | date | datetime | None

_MONEY = re.compile(r"[+-]?\d{1,12}(\.\d{1,3})?", re.ASCII)
"""An amount that Excel keeps as it is: it holds 15 digits of a number, and changes longer ones."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet: its heading, its width in characters, what stands in it."""

    heading: str
    width: int


def as_xlsx(report: Report, language: Language) -> bytes:
    """Return the workbook; its rows wait in temporary files, so that a million stay small."""
    out = io.BytesIO()
    workbook = Workbook(out, {"constant_memory": True, "remove_timezone": True})
    workbook.set_properties(
        {
            "title": language.say("Reconciliation report"),
            "author": "efact-bridge",
            "created": report.generated_at.replace(tzinfo=None),
        }
    )
    sheets = _Sheets(workbook)
    _summary(sheets, report, language)
    for outcome in Outcome:
        rows = [row for row in report.rows if row.outcome is outcome]
        if rows:
            _invoices(sheets, outcome, rows, language)
    _states(sheets, report, language)
    _gaps(sheets, report, language)
    _days(sheets, report, language)
    _history(sheets, report, language)
    workbook.close()
    return out.getvalue()


class _Sheets:
    """Writes tables into a workbook."""

    def __init__(self, workbook: Workbook) -> None:
        self._workbook = workbook
        self.title = workbook.add_format({"bold": True, "font_size": 14})
        self.bold = workbook.add_format({"bold": True})
        self._head = workbook.add_format({"bold": True, "bottom": 1, "bg_color": "#E8ECF1"})
        self._text = workbook.add_format({"valign": "top", "text_wrap": True})
        self._date = workbook.add_format({"valign": "top", "num_format": "yyyy-mm-dd"})
        self._moment = workbook.add_format({"valign": "top", "num_format": "yyyy-mm-dd hh:mm"})
        self._money = workbook.add_format({"valign": "top", "num_format": "#,##0.00"})
        self._number = workbook.add_format({"valign": "top"})

    def add(self, name: str) -> Worksheet:
        """Add a sheet that prints on A4, as wide as the page."""
        sheet = self._workbook.add_worksheet(name[:31])
        sheet.set_paper(9)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        return sheet

    def table(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
        """Add a sheet with a table: frozen headings, a filter on each column."""
        sheet = self.add(name)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        last = 0
        for place, column in enumerate(columns):
            sheet.set_column(place, place, column.width)
            sheet.write_string(0, place, column.heading, self._head)
        for last, row in enumerate(rows, start=1):
            for place, value in enumerate(row):
                self.cell(sheet, last, place, value)
        sheet.autofilter(0, 0, last, len(columns) - 1)

    def cell(self, sheet: Worksheet, row: int, place: int, value: Cell) -> None:
        """Write a value as what it is; whatever came from outside is a text."""
        if isinstance(value, datetime):
            sheet.write_datetime(row, place, value.astimezone(ZONE), self._moment)
        elif isinstance(value, date):
            sheet.write_datetime(row, place, _midnight(value), self._date)
        elif isinstance(value, Decimal):
            sheet.write_number(row, place, float(value), self._money)
        elif isinstance(value, int | float):
            sheet.write_number(row, place, value, self._number)
        elif value:
            sheet.write_string(row, place, _text(value), self._text)


def _summary(sheets: _Sheets, report: Report, language: Language) -> None:
    say = language.say
    sheet = sheets.add(say("Summary"))
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 18)
    sheet.set_column(2, 2, 90)
    lines = _summary_lines(report, language)
    for number, (style, cells) in enumerate(lines):
        form = {"title": sheets.title, "head": sheets.bold}.get(style)
        for place, value in enumerate(cells):
            if form is not None and isinstance(value, str):
                sheet.write_string(number, place, visible(value), form)
            else:
                sheets.cell(sheet, number, place, value)


def _summary_lines(report: Report, language: Language) -> Iterable[tuple[str, Sequence[Cell]]]:
    say = language.say
    yield "head", (sentences.verified_through(language, report),)
    yield "title", (sentences.verdict(language, report), report.verdict.value)
    for what in report.reasons:
        told = sentences.reason(language, what)
        yield "", (told.says, told.which, told.advice)
    yield "", ()
    for fact in sentences.facts(language, report):
        yield "", (fact.label, fact.value)
    yield "", ()
    yield "head", (say("Outcome"), say("Invoices"), say("Meaning"))
    for outcome in Outcome:
        term = OUTCOMES[outcome]
        yield "", (say(term.label), report.counts.get(outcome, 0), say(term.meaning))
    yield "", ()
    yield "head", (say("What the verdict stands on"),)
    for fact in sentences.evidence(language, report):
        yield "", (fact.label, fact.value)
    for sentence in sentences.not_seen(language, report.evidence):
        yield "", (sentence,)


def _invoices(sheets: _Sheets, outcome: Outcome, rows: Sequence[Row], language: Language) -> None:
    sheets.table(
        sentences.outcome(language, outcome),
        [Column(language.say(heading), width) for heading, width, _ in _INVOICE],
        ([value(language, row) for _, _, value in _INVOICE] for row in rows[:MOST_ROWS]),
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  (Excel knows no zones)


def _text(value: str | Sequence[str]) -> str:
    """Return a text of a cell; only several of them make lines, none has lines of its own."""
    texts = (value,) if isinstance(value, str) else value
    return "\n".join(visible(text, longest=_WIDEST) for text in texts)[:_WIDEST]


def _money(text: str | None) -> Cell:
    """Return a number where Excel can hold it as it is."""
    return Decimal(text) if text and _MONEY.fullmatch(text) else text


def _of_side(place: int) -> Callable[[Language, Difference], str]:
    return lambda language, each: sentences.side(sentences.values(language, each)[place])


def _differing(what: Callable[[Language, Difference], str]) -> Callable[[Language, Row], Cell]:
    def lines(language: Language, row: Row) -> Cell:
        return [what(language, difference) for difference in row.differences]

    return lines


_INVOICE: Sequence[tuple[Message, int, Callable[[Language, Row], Cell]]] = (
    (Message("Hub id"), 14, lambda _, row: row.hub_id),
    (Message("Number"), 18, lambda _, row: row.number),
    (Message("Series"), 10, lambda _, row: row.series),
    (Message("Supplier"), 13, lambda _, row: row.supplier_nif),
    (Message("Receiver"), 13, lambda _, row: row.receiver_nif),
    (Message("Date"), 12, lambda _, row: row.issue_date),
    (Message("Amount"), 14, lambda _, row: _money(row.amount)),
    (Message("What differs"), 24, _differing(sentences.field)),
    (Message("Old mailbox"), 26, _differing(_of_side(0))),
    (Message("REST API"), 26, _differing(_of_side(1))),
    (Message("Notes"), 50, lambda language, row: list(sentences.marks(language, row))),
    (Message("Lag in seconds"), 14, lambda _, row: row.lag_seconds),
    (Message("First seen in the old mailbox"), 18, lambda _, row: row.legacy_first_seen),
    (Message("First seen in the REST API"), 18, lambda _, row: row.rest_first_seen),
    (Message("File name in the old mailbox"), 34, lambda _, row: row.names and row.names[0]),
    (Message("File name of the bridge"), 34, lambda _, row: row.names and row.names[1]),
    (Message("SHA-256 in the old mailbox"), 20, lambda _, row: row.legacy_digest),
    (Message("SHA-256 in the REST API"), 20, lambda _, row: row.rest_digest),
)


def _states(sheets: _Sheets, report: Report, language: Language) -> None:
    if not report.states:
        return
    say = language.say
    columns = (
        Column(say("Hub id"), 14),
        Column(say("State"), 14),
        Column(say("Agreement"), 22),
        Column(say("State file"), 40),
        Column(say("Update"), 9),
        Column(say("What differs"), 24),
        Column(say("Bridge"), 26),
        Column(say("Hub"), 26),
        Column(say("Notes"), 50),
    )
    sheets.table(say("States"), columns, (_state(language, row) for row in report.states))


def _state(language: Language, row: StateRow) -> Sequence[Cell]:
    return (
        row.hub_id,
        row.state,
        language.say(PARITIES[row.parity].label),
        row.file,
        row.position,
        [sentences.field(language, each) for each in row.differences],
        [sentences.side(each.legacy) for each in row.differences],
        [sentences.side(each.rest) for each in row.differences],
        row.said,
    )


def _gaps(sheets: _Sheets, report: Report, language: Language) -> None:
    if not report.gaps:
        return
    say = language.say
    columns = (Column(say("Side"), 16), Column(say("From"), 18), Column(say("To"), 18))
    sheets.table(
        say("Times without a recording"),
        (*columns, Column(say("Notes"), 60)),
        ((say(FEEDS[gap.feed]), gap.since, gap.until, gap.said) for gap in report.gaps),
    )


def _days(sheets: _Sheets, report: Report, language: Language) -> None:
    if not report.days:
        return
    say = language.say
    headings = (say("Date"), say("Old mailbox"), say("REST API"), say("Findings"))
    rows = ((day.day, day.legacy, day.rest, day.findings) for day in report.days)
    sheets.table(say("Days"), [Column(heading, 16) for heading in headings], rows)


def _history(sheets: _Sheets, report: Report, language: Language) -> None:
    if len(report.history) < 2:  # noqa: PLR2004  (one report is no trend)
        return
    say = language.say
    headings = (say("Report"), say("Verdict"), say("Blocking"), say("Verified through"))
    outcomes = [sentences.outcome(language, outcome) for outcome in Outcome]
    rows = (
        (
            each.generated_at,
            say(VERDICTS[each.verdict].label),
            each.blockers,
            each.verified_through,
            *(each.counts.get(outcome, 0) for outcome in Outcome),
        )
        for each in report.history
    )
    sheets.table(say("Trend"), [Column(heading, 20) for heading in (*headings, *outcomes)], rows)

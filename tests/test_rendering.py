"""A report as text, CSV and XLSX: what stands there, and that nothing from outside acts."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import openpyxl
import pytest
from hypothesis import strategies as st
from markupsafe import escape
from openpyxl.workbook import Workbook
from rich.console import Console

from bridge.recorded import Difference
from reconcile.language import LANGUAGES, language
from reconcile.model import Outcome, Reason, ReasonKind, Report
from reconcile.rendering import (
    Step,
    as_csv,
    as_html,
    as_rich,
    as_text,
    as_xlsx,
    charts,
    history_as_text,
    progress,
)
from reconcile.rendering.csv_file import COLUMNS
from reconcile.rendering.inert import visible
from tests import reports

DOCS = Path(__file__).parent.parent / "docs"
ENGLISH = language("en")
ALL = {
    "not ready": reports.report,
    "ready": reports.ready,
    "empty": reports.empty,
    "hostile": reports.hostile,
}


def rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(report).decode())))


def workbook(report: Report, code: str = "en") -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(as_xlsx(report, language(code))))


def cells(book: Workbook) -> Iterator[object]:
    for sheet in book:
        for row in sheet.iter_rows():
            yield from (cell for cell in row if cell.value is not None)


def one(**changes: object) -> Report:
    """Return a report of a single invoice."""
    return replace(reports.report({}), rows=(replace(reports.row(), **changes),))


# Text


def test_the_first_line_says_up_to_when_everything_is_verified() -> None:
    first, second, *_ = as_text(reports.report(), ENGLISH).splitlines()
    assert first == "Verified through: 2026-11-09 23:15"
    assert second == "Verdict: Not ready to cut over (not-ready)"


def test_a_report_that_verified_nothing_says_so_first() -> None:
    assert as_text(reports.empty(), ENGLISH).startswith("Verified through: nothing yet\n")


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_a_text_keeps_to_80_columns_without_colours(make: Callable[[], Report], code: str) -> None:
    lines = as_text(make(), language(code)).splitlines()
    assert [line for line in lines if len(line) > 80 or "\x1b" in line] == []


def test_every_reason_comes_with_what_to_do() -> None:
    text = " ".join(as_text(reports.report(), ENGLISH).split())
    assert (
        "4 invoices are in the old mailbox only. Which: 1000035, 1000098, 1000301 and 1 more "
        "After the cutover these would not arrive."
    ) in text


def test_a_text_shows_both_values_of_a_difference() -> None:
    lines = as_text(reports.report(), ENGLISH).splitlines()
    assert "1000084    total               6137.51         6198.89" in lines


def test_a_text_says_what_was_not_seen() -> None:
    assert "  - No REJECTED invoice so far\n" in as_text(reports.report(), ENGLISH)


def test_what_was_looked_at_in_part_only_is_said() -> None:
    made = reports.report()
    seen = replace(made.evidence, older_states=1234, names=10_000, older_names=True)
    text = as_text(replace(made, evidence=seen), ENGLISH)
    assert "2,961; 1,234 of older invoices were not" in text
    assert "10,000, of the newest invoices" in text


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("rest: it is listed, and its file has not been fetched", "API REST: és a la llista, i el"),
        ("legacy: tag A is not closed", "Bústia antiga: tag A is not closed"),
        ("legacy: the file is empty", "Bústia antiga: el fitxer és buit"),
        ("legacy: the file is no Facturae", "Bústia antiga: el fitxer no és cap Facturae"),
        (
            "rest: invoice 7: the file is no Facturae: it starts with A; it is fetched again later",
            "API REST: el fitxer no és cap Facturae: comença amb A; més tard",
        ),
        ("no side: tag A", "no side: tag A"),
    ],
)
def test_a_note_of_ours_is_in_the_language_and_an_error_as_it_came(note: str, said: str) -> None:
    assert f"1000001: {said}" in as_text(one(note=note), language("ca"))


def test_a_signature_that_is_missing_is_said_in_the_language() -> None:
    lacks = one(differences=(Difference(field="signature", legacy="absent", rest="present"),))
    row = next(line for line in as_text(lacks, language("ca")).splitlines() if "signatura" in line)
    assert row.split()[-5:] == ["no", "hi", "és", "hi", "és"]
    assert b"absent" not in as_html(lacks, language("ca"))


def test_many_gaps_of_two_sides_name_the_two_sides() -> None:
    gaps = Reason(kind=ReasonKind.RECORDING_GAP, count=5, names=("legacy", "rest"))
    text = as_text(replace(reports.empty(), reasons=(gaps,)), ENGLISH)
    assert "Which: Old mailbox and REST API\n" in text


def test_a_gap_names_its_side_in_the_language() -> None:
    gap = Reason(kind=ReasonKind.RECORDING_GAP, count=2, names=("legacy", "rest"))
    text = as_text(replace(reports.empty(), reasons=(gap,)), language("es"))
    assert "Cuáles: Buzón antiguo y API REST" in text


def test_a_long_list_is_cut_and_says_where_the_rest_is() -> None:
    text = as_text(reports.report({Outcome.ONLY_REST: 60}), ENGLISH)
    assert "and 10 more: --format xlsx or csv lists all\n" in text


def test_the_history_alone_can_be_shown() -> None:
    text = history_as_text(reports.report().history, ENGLISH)
    assert "2026-11-24 08:30         16   ███" in text
    assert history_as_text((), ENGLISH) == "No report was kept so far.\n"


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_headings_of_the_history_fit_into_a_terminal(code: str) -> None:
    heading = history_as_text(reports.report().history, language(code)).splitlines()[0]
    assert "…" not in heading


def test_a_report_that_nothing_blocked_and_that_was_not_ready_says_so_in_the_history() -> None:
    empty = replace(reports.report().history[-1], blockers=0)
    assert " 0   not-ready " in history_as_text((empty,), ENGLISH)


def test_a_terminal_gets_colours_for_what_matters() -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="standard").print(
        as_rich(reports.report(), ENGLISH)
    )
    assert "\x1b[1;31mVerdict: Not ready to cut over (not-ready)" in out.getvalue()


def test_a_text_from_outside_cannot_colour_a_terminal() -> None:
    text = as_text(reports.hostile(), ENGLISH)
    assert "[red]not a colour[/red]" in text
    assert [character for character in text if not character.isprintable()] == ["\n"] * text.count(
        "\n"
    )


# Charts


@pytest.mark.parametrize(
    ("days", "heading", "columns"),
    [(93, "Day", 93), (94, "Week from", 15), (800, "Month from", 27)],
)
def test_a_long_time_is_drawn_in_weeks_and_then_in_months(
    days: int, heading: str, columns: int
) -> None:
    report = reports.report({}, days=days)
    shown, span = charts.grouped(report.days)
    assert (span.heading.one, len(shown)) == (heading, columns)
    assert sum(day.rest for day in shown) == sum(day.rest for day in report.days)


def test_a_chart_stays_within_its_frame() -> None:
    report = reports.report({}, days=93)
    for chart in (charts.timeline(report.days, ENGLISH), charts.trend(report.history, ENGLISH)):
        assert all(bar.y >= 0 and bar.height <= chart.base for bar in chart.bars)
        assert all(0 <= bar.x <= bar.x + bar.width <= chart.width for bar in chart.bars)


def test_lags_before_zero_are_told_as_earlier() -> None:
    lag = reports.report().lag
    assert lag is not None
    labels = [bar.label for bar in charts.lags(lag, ENGLISH)]
    assert labels[:3] == ["more than 1 min earlier", "0 s to 1 min earlier", "0 s to 1 min"]
    assert labels[-1] == "4 h to 24 h"


# CSV


def test_a_csv_has_its_columns_whatever_the_report() -> None:
    assert as_csv(reports.empty()).decode() == ",".join(COLUMNS) + "\n"


def test_a_csv_has_a_row_for_each_listed_invoice() -> None:
    report = reports.report()
    said = [(row["hub_id"], row["outcome"], row["blocks"]) for row in rows(report)]
    assert said == [(row.hub_id, row.outcome, str(row.blocks).lower()) for row in report.rows]


def test_a_finding_that_the_settings_let_pass_does_not_block() -> None:
    report = replace(reports.report({Outcome.ONLY_REST: 1}), reasons=())
    assert [row["blocks"] for row in rows(report)] == ["false"]


def test_a_csv_says_both_values_of_a_difference_as_json() -> None:
    row = next(row for row in rows(reports.report()) if row["hub_id"] == "1000119")
    assert row["fields"] == "attachment_2"
    assert json.loads(row["differences"]) == [
        {"field": "attachment 2", "legacy": "contracte.pdf", "rest": None}
    ]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "＝1+1", "-2+3+cmd|' /C x'!A0"]
)
def test_a_formula_in_a_csv_is_a_text(text: str) -> None:
    assert rows(one(number=text))[0]["number"] == f"'{text}"


@pytest.mark.parametrize("text", ["-12.50", "+34", "1210.00"])
def test_a_number_in_a_csv_stays_a_number(text: str) -> None:
    assert rows(one(amount=text))[0]["amount"] == text


def test_no_cell_of_a_csv_begins_a_formula() -> None:
    values = [value for row in rows(reports.hostile()) for value in row.values()]
    assert [value for value in values if value.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


# XLSX


def test_a_workbook_has_a_summary_and_a_sheet_for_each_kind_of_finding() -> None:
    assert workbook(reports.report()).sheetnames == [
        "Summary",
        "Unreadable",
        "Duplicate",
        "Only in the old mailbox",
        "Only in the REST API",
        "In flight",
        "Different",
        "Equivalent",
        "States",
        "Times without a recording",
        "Days",
        "Trend",
    ]


def test_a_sheet_can_be_filtered_and_its_headings_stay() -> None:
    sheet = workbook(reports.report())["Different"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:R7"


def test_a_sheet_has_numbers_dates_and_texts_as_such() -> None:
    sheet = workbook(one(hub_id="12345678901234567890", amount="-1210.50"))["Only in the REST API"]
    hub_id, number, *_, issued, amount = (cell.value for cell in sheet[2][:7])
    assert (hub_id, number) == ("12345678901234567890", "2026/118")
    assert (f"{issued:%Y-%m-%d}", amount) == ("2026-11-03", -1210.5)


def test_an_amount_that_excel_would_change_is_a_text() -> None:
    sheet = workbook(one(amount="1234567890123456.78"))["Only in the REST API"]
    assert sheet["G2"].value == "1234567890123456.78"


def test_nothing_in_a_workbook_is_a_formula_or_a_link() -> None:
    found = list(cells(workbook(reports.hostile())))
    assert {cell.data_type for cell in found} <= {"s", "n", "d"}
    assert [cell for cell in found if cell.hyperlink] == []
    assert visible(reports.HOSTILE[2]) in {cell.value for cell in found}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_workbook_opens_in_each_language(code: str) -> None:
    assert len(workbook(reports.report(), code).sheetnames) == 12


def test_a_workbook_bears_no_time_but_the_reports() -> None:
    archive = zipfile.ZipFile(io.BytesIO(as_xlsx(reports.report(), ENGLISH)))
    assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
    assert b"2026-11-24T07:30:00Z" in archive.read("docProps/core.xml")


# The documentation


def test_the_documentation_explains_every_outcome() -> None:
    text = (DOCS / "reconciliation.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|.*\| (?:yes|no) \|", text, re.MULTILINE) == list(Outcome)


# All of them


@hypothesis.settings(max_examples=25)
@hypothesis.example(text="'=1", other="=1")
@hypothesis.given(text=st.text(min_size=1, max_size=40), other=st.text(max_size=40))
def test_whatever_an_issuer_writes_is_only_a_text(text: str, other: str) -> None:
    report = one(
        number=text, note=text, differences=(Difference(field=text, legacy=text, rest=other),)
    )
    shown = visible(text)
    assert rows(report)[0]["number"] in (shown, f"'{shown}")
    sheet = workbook(report)["Only in the REST API"]
    assert (sheet["B2"].value, sheet["B2"].data_type) == (shown, "s")
    assert all(line.isprintable() for line in as_text(report, ENGLISH).split("\n"))
    assert f"<bdi>{escape(shown)}</bdi>" in as_html(report, ENGLISH).decode()


def test_the_same_report_gives_the_same_bytes() -> None:
    first, second = reports.report(), reports.report()
    for form in (as_text, as_xlsx, as_html):
        assert form(first, ENGLISH) == form(second, ENGLISH)
    assert as_csv(first) == as_csv(second)


def test_progress_is_silent_where_nobody_looks() -> None:
    out = io.StringIO()
    with progress(ENGLISH, stream=out) as shown:
        shown.begin(Step.COMPARING, total=2)
        shown.advance(2)
    assert out.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_tells_a_terminal_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with progress(language("ca"), stream=out) as shown:
        shown.begin(Step.READING_LEGACY)
        shown.begin(Step.COMPARING, total=2)
        shown.advance(2)
    said = out.getvalue()
    assert "Llegint la bústia antiga" in said
    assert "Comparant" in said
    assert "2/2" in said

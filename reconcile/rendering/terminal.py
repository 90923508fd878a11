"""A report for the terminal: the first lines decide, the rest explains; 80 columns are enough.

Without colours it says the same: what matters stands in words. Long lists are cut here, and say
which format has them whole.
"""

import io
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconcile.language import Language
from reconcile.model import Outcome, Report, Summary, Verdict
from reconcile.rendering import sentences
from reconcile.rendering.terminal_lists import (
    STYLES,
    findings,
    gaps,
    names,
    new_table,
    states,
    title,
)

_HISTORY = 14
"""Reports of the past that it shows."""

_BAR = 18
"""Columns of the longest bar: with the headings of each language a line has 80 at most."""


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
    table = new_table()
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
            _bar(summary, most),
            language.number(sum(summary.counts.values())),
            language.moment(summary.verified_through) if summary.verified_through else "–",
        )
    return table


def _parts(report: Report, language: Language) -> Iterator[RenderableType]:
    yield from _head(report, language)
    yield from _counts(report, language)
    yield from _evidence(report, language)
    yield from findings(report, language)
    yield from states(report, language)
    yield from names(report, language)
    yield from gaps(report, language)
    if len(report.history) > 1:
        yield title(language.say("Trend"))
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
        yield title(say("Worth knowing; does not block"))
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
    table = new_table()
    table.add_column(say("Outcome"), no_wrap=True)
    table.add_column("", no_wrap=True, style="dim")
    table.add_column(say("Invoices"), justify="right")
    table.add_column(say("Share"), justify="right", no_wrap=True)
    for outcome in Outcome:
        count = report.counts.get(outcome, 0)
        table.add_row(
            Text(sentences.outcome(language, outcome), STYLES[outcome] if count else "dim"),
            outcome.value,
            language.number(count),
            language.share(count, whole),
        )
    yield title(say("Invoices by outcome"))
    yield table


def _evidence(report: Report, language: Language) -> Iterator[RenderableType]:
    say = language.say
    yield title(say("What the verdict stands on"))
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


def _bar(summary: Summary, most: int) -> Text:
    """Draw how many findings blocked; where none did, too little may have been seen."""
    if not summary.blockers:
        return Text("" if summary.verdict is Verdict.READY else summary.verdict.value, "red")
    return Text("█" * max(round(_BAR * summary.blockers / most), 1), "red")


def _plain(what: RenderableType, width: int) -> str:
    """Return what a pipe gets: no colours, no spaces before a line's end."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, highlight=False, legacy_windows=False
    )
    console.print(what)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"

"""Where the bars of a report's charts stand: numbers only, drawn by the HTML template as SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import TypeVar

from reconcile.language import ZONE, Language, Message
from reconcile.model import Day, Lag, Summary, Verdict

Each = TypeVar("Each")

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 18, 26
_LEAST = 0.015
"""Of the height: a report with nothing to say for itself must be seen to be there."""

_LABELS = 8
"""Labels on the axis of days, at most."""

MOST_COLUMNS = 93
"""Three months of days; a longer time is drawn in weeks, and then in months."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle, and what a pointer over it says."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A text at an axis, with the line that it stands at."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Columns over time."""

    bars: tuple[Bar, ...]
    across: tuple[Label, ...]
    upwards: tuple[Label, ...]
    base: float = HEIGHT - _BOTTOM
    left: float = _LEFT
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class LagBar:
    """One class of lags."""

    label: str
    count: int
    share: float
    """Of the longest bar, 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a pair of columns stands for."""

    start: Callable[[date], date]
    heading: Message
    note: Message | None = None


def grouped(days: Sequence[Day]) -> tuple[tuple[Day, ...], Span]:
    """Return the days, or weeks or months where they would not fit; each dated by its first."""
    fitting = ((_together(days, span.start), span) for span in SPANS[:-1])
    return next(
        (found for found in fitting if len(found[0]) <= MOST_COLUMNS),
        (_together(days, SPANS[-1].start), SPANS[-1]),
    )


def timeline(days: Sequence[Day], language: Language) -> Chart:
    """Return two columns a day, one for each feed, and a mark over days with findings."""
    top = _round_up(max((max(day.legacy, day.rest) for day in days), default=0))
    step = (WIDTH - _LEFT - _RIGHT) / max(len(days), 1)
    bar = min(step * 0.4, 16)
    bars = []
    for place, day in enumerate(days):
        middle = _LEFT + step * (place + 0.5)
        when = language.day(day.day)
        for kind, count, x in (("legacy", day.legacy, middle - bar), ("rest", day.rest, middle)):
            bars.append(_column(x, bar, count / top, kind, f"{when}: {language.number(count)}"))
        if day.findings:
            mark = f"{when}: {language.number(day.findings)}"
            bars.append(_mark(middle, max(day.legacy, day.rest) / top, mark))
    labels = tuple(_every(days, step, lambda day: language.short_day(day.day)))
    return Chart(bars=tuple(bars), across=labels, upwards=_scale(top, language))


def trend(history: Sequence[Summary], language: Language) -> Chart:
    """Return a column for each report: how many findings blocked."""
    shown = history[-MOST_COLUMNS:]
    top = _round_up(max((summary.blockers for summary in shown), default=0))
    step = (WIDTH - _LEFT - _RIGHT) / max(len(shown), 1)
    width = min(step * 0.7, 28)
    bars = [
        _column(
            _LEFT + step * (place + 0.5) - width / 2,
            width,
            max(summary.blockers / top, _LEAST),
            "ready" if summary.verdict is Verdict.READY else "blocking",
            f"{language.moment(summary.generated_at)}: {language.number(summary.blockers)}",
        )
        for place, summary in enumerate(shown)
    ]
    labels = tuple(
        _every(
            shown, step, lambda each: language.short_day(each.generated_at.astimezone(ZONE).date())
        )
    )
    return Chart(bars=tuple(bars), across=labels, upwards=_scale(top, language))


def lags(lag: Lag, language: Language) -> tuple[LagBar, ...]:
    """Return the classes of lags between the first and the last that has an invoice."""
    most = max((count for _, count in lag.histogram), default=0) or 1
    bars, low = [], -math.inf
    for high, count in lag.histogram:
        share = round(100 * count / most, 1)
        bars.append(LagBar(label=_between(low, high, language), count=count, share=share))
        low = high
    used = [place for place, bar in enumerate(bars) if bar.count]
    return tuple(bars[used[0] : used[-1] + 1]) if used else ()


def _between(low: float, high: float, language: Language) -> str:
    if math.isinf(low) and high <= 0:
        return language.say("more than {high} earlier", high=language.duration(-high))
    if high <= 0:
        return language.say(
            "{high} to {low} earlier", high=language.duration(-high), low=language.duration(-low)
        )
    if math.isinf(high):
        return language.say("more than {low}", low=language.duration(low))
    if math.isinf(low):
        return language.say("up to {high}", high=language.duration(high))
    return language.say("{low} to {high}", low=language.duration(low), high=language.duration(high))


def _together(days: Sequence[Day], start: Callable[[date], date]) -> tuple[Day, ...]:
    groups = groupby(days, key=lambda day: start(day.day))
    return tuple(_sum(first, tuple(group)) for first, group in groups)


def _same(day: date) -> date:
    return day


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


SPANS = (
    Span(start=_same, heading=Message("Day")),
    Span(start=_monday, heading=Message("Week from"), note=Message("a pair of columns is a week")),
    Span(
        start=_first_of_month,
        heading=Message("Month from"),
        note=Message("a pair of columns is a month"),
    ),
)


def _sum(first: date, days: Sequence[Day]) -> Day:
    return Day(
        day=first,
        legacy=sum(day.legacy for day in days),
        rest=sum(day.rest for day in days),
        findings=sum(day.findings for day in days),
    )


def _column(x: float, width: float, share: float, kind: str, title: str) -> Bar:
    height = share * (HEIGHT - _TOP - _BOTTOM)
    return Bar(
        x=round(x, 1),
        y=round(HEIGHT - _BOTTOM - height, 1),
        width=round(width, 1),
        height=round(height, 1),
        kind=kind,
        title=title,
    )


def _mark(middle: float, share: float, title: str) -> Bar:
    below = HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)
    return Bar(
        x=round(middle, 1), y=round(below - 5, 1), width=0, height=0, kind="finding", title=title
    )


def _round_up(count: int) -> int:
    """Return the end of the axis: 4, 8, 12, 20, 40, 80, 120 … so that quarters are whole."""
    power = 1
    while True:
        for factor in (4, 8, 12, 20):
            if count <= factor * power:
                return factor * power
        power *= 10


def _scale(top: int, language: Language) -> tuple[Label, ...]:
    inside = HEIGHT - _TOP - _BOTTOM
    return tuple(
        Label(
            at=round(HEIGHT - _BOTTOM - inside * quarter / 4, 1),
            text=language.number(top * quarter // 4),
        )
        for quarter in range(5)
    )


def _every(columns: Sequence[Each], step: float, says: Callable[[Each], str]) -> Sequence[Label]:
    each = math.ceil(len(columns) / _LABELS) or 1
    return [
        Label(at=round(_LEFT + step * (place + 0.5), 1), text=says(one))
        for place, one in enumerate(columns)
        if place % each == 0
    ]

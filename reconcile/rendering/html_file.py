"""A report as one HTML file that needs nothing else: no network, no server, no second file.

It opens from a disk or a mail. Its policy allows the one style and the one script that it bears,
by their digests, and nothing from anywhere; without a script it is whole all the same, only
without search. How a value is shown is decided here and in `charts.py`; how it looks, in
`templates/`.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup, escape

from reconcile.language import Language
from reconcile.model import FINDINGS, Outcome, Report, Row
from reconcile.rendering import charts, sentences
from reconcile.rendering.changes import changed_parts
from reconcile.rendering.html_page import environment, source
from reconcile.rendering.inert import visible
from reconcile.rendering.words import DISAGREEING, FEEDS, NAMES_DIFFER, OUTCOMES, PARITIES, VERDICTS

MOST_ROWS = 5_000
"""Invoices in one file, the weightiest outcomes first; a browser takes these without a pause."""

MOST_REPORTS = 400
"""Reports of the past in the table: a year of daily ones."""

RENAMED = 20
"""Files whose two names are shown beside each other; the profile makes all of them alike."""

_LONG = 200
_LONGEST_LINE = 1_000

TYPED = re.compile(
    r"(--[a-z]+|efact-(?:bridge|reconcile) (?:accept|check|learn|serve)"
    r"|\b[a-z]+_[a-z_]+\b|\bnifs\b|\[reconcile\])"
)
"""Options, commands and settings in our sentences."""

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The invoices of one outcome, as far as they are listed."""

    outcome: Outcome
    rows: Sequence[Row]
    left_out: int

    @property
    def is_long(self) -> bool:
        """Whether a browser is to draw it only when it comes into view."""
        return len(self.rows) > _LONG

    @property
    def opens(self) -> bool:
        """Whether its list is to be read, or only there to be looked something up in."""
        return self.outcome not in (Outcome.EQUIVALENT, Outcome.IDENTICAL)


def as_html(report: Report, language: Language) -> bytes:
    """Return the page, in UTF-8."""
    style, script = _file("report.css"), _file("report.js")
    days, span = charts.grouped(report.days)
    page = _environment(language).get_template("report.html")
    text = page.render(
        report=report,
        groups=tuple(_groups(report.rows)),
        days=days,
        span=span,
        places=_places(report),
        history=report.history[-MOST_REPORTS:],
        renamed=[row for row in report.rows if row.names][:RENAMED],
        blocking=sentences.blocking(report),
        timeline=charts.timeline(days, language) if days else None,
        trend=charts.trend(report.history, language) if len(report.history) > 1 else None,
        lags=charts.lags(report.lag, language) if report.lag else (),
        style=Markup(style),  # noqa: S704  (our own file)
        script=Markup(script),  # noqa: S704  (our own file)
        policy=_policy(style, script),
    )
    return text.encode()


def _places(report: Report) -> frozenset[str]:
    """Return the parts of the page that a reason can lead to."""
    places = {row.outcome.value for row in report.rows}
    if report.states:
        places.add("states")
    if report.gaps or report.capped_slices:
        places.add("gaps")
    return frozenset(places)


def _groups(rows: Sequence[Row]) -> Iterator[Group]:
    room = MOST_ROWS
    for outcome in Outcome:
        those = [row for row in rows if row.outcome is outcome]
        if those:
            listed = those[:room]
            room -= len(listed)
            yield Group(outcome=outcome, rows=listed, left_out=len(those) - len(listed))


def _policy(style: str, script: str) -> str:
    """Return what the page may do: nothing but its own style and script."""
    return (
        f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _file(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment(language: Language) -> Environment:
    templates = environment(_TEMPLATES, language)
    templates.globals.update(
        sentences=sentences,
        changed_parts=changed_parts,
        outcomes=Outcome,
        findings=FINDINGS,
        disagreeing=DISAGREEING,
        words={
            "feeds": FEEDS,
            "outcomes": OUTCOMES,
            "parities": PARITIES,
            "verdicts": VERDICTS,
            "names_differ": NAMES_DIFFER,
        },
    )
    templates.filters.update(line=_line, link=_link, commands=_commands)
    return templates


def _commands(text: str) -> Markup:
    """Return a sentence of ours with what is typed or set in it marked as such."""
    parts = TYPED.split(text)
    marked = (
        Markup('<code class="option">{}</code>').format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )
    return Markup("").join(marked)


def _line(text: str) -> str:
    return visible(text.replace("\t", "  "), longest=_LONGEST_LINE)


def _link(hub_id: str) -> str:
    """Return the name of an invoice's place in the page; a strange hub id gets one of its own."""
    if hub_id.isascii() and hub_id.isalnum():
        return f"i-{hub_id}"
    return f"x-{hashlib.sha256(hub_id.encode(errors='replace')).hexdigest()[:16]}"

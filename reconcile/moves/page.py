"""A balance as one HTML page that needs nothing else: to be printed, signed and filed."""

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from bridge.ledger.moves import MoveKind
from bridge.model import FeedName
from reconcile.language import Language
from reconcile.moves.balance import Balance
from reconcile.moves.rules import Place
from reconcile.moves.serving import balance_line, verdict
from reconcile.moves.text import (
    LATE,
    TAKE_AWAY,
    UNREAD,
    closed_line,
    leaving_line,
    unread_lines,
    updates_line,
)
from reconcile.moves.words import MOVES, PLACES
from reconcile.rendering.html_page import environment, source

MOST = 2_000
"""Invoices of a list; JSON has them all."""

_TEMPLATES = Path(__file__).parent / "templates"


def balance_as_html(balance: Balance, kind: MoveKind, language: Language) -> bytes:
    """Return the page, in UTF-8."""
    say = language.say
    style = (_TEMPLATES / "balance.css").read_text(encoding="utf-8")
    text = (
        environment(_TEMPLATES, language)
        .get_template("balance.html")
        .render(
            balance=balance,
            title=f"{say(MOVES[kind])}: {balance.account}",
            first=balance_line(balance, language),
            verdict=verdict(balance, language),
            updates=updates_line(balance.updates, language),
            places=[(say(PLACES[it]), balance.places.get(it, 0)) for it in _shown(balance)],
            lists=[
                (say("A person must decide"), balance.people),
                (say("Lost"), balance.lost),
                (say("Twice"), balance.twice),
            ],
            unread=[
                (say(UNREAD[it.place]), list(unread_lines(it, balance, language)))
                for it in balance.unread
            ],
            closed=closed_line(balance, language) if balance.closed else "",
            leaving=leaving_line(balance, language) if balance.leaving else "",
            take_away=say(TAKE_AWAY),
            late=say(LATE) if balance.feeds.serve is FeedName.LEGACY else "",
            most=MOST,
            style=Markup(style),  # noqa: S704  (our own file)
            policy=f"default-src 'none'; style-src {source(style)}; base-uri 'none'",
        )
    )
    return text.encode()


def _shown(balance: Balance) -> Iterator[Place]:
    """Yield the rows of the table; what could not be told only where there is something of it."""
    yield from (it for it in Place if it is not Place.UNREAD or balance.places.get(it))

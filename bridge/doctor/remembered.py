"""What the ledger knows of an account and its administrator should: the last move, a pause that the
hub asked for, the clients that a change of settings would shut out.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bridge.doctor.finding import Finding, Verdict
from bridge.doctor.losing import changes
from bridge.errors import LedgerError
from bridge.ledger import Ledger, pauses, visitors
from bridge.ledger.serving import in_words, of_settings, serving
from bridge.settings import AccountSettings, Settings


def moved(path: Path, own: AccountSettings) -> Iterator[Finding]:
    """Say that the last move counts where the settings name other feeds."""
    try:
        with closing(Ledger(path)) as ledger, ledger.read() as connection:
            feeds = serving(connection, own)
    except LedgerError:  # said above
        return
    settings_say = of_settings(own)
    if feeds != settings_say:
        advice = (
            "write there what the move made"
            if feeds.serve is not None
            else "leave them, the next cutover makes a feed serve again"
        )
        said = (
            f"the last move made {in_words(feeds)}, and it counts; the settings say "
            f"{in_words(settings_say)}: {advice}"
        )
        yield Finding(f"account {own.name}: feeds", Verdict.WARNING, said)


def paused(
    path: Path, own: AccountSettings, *, answered: bool, end_pause: bool
) -> Iterator[Finding]:
    """Say until when the hub asked for a pause, which only a person ends; end one of our own.

    A hub that answers this may still want all else to wait, and a monitor may run this often.
    """
    try:
        with closing(Ledger(path)) as ledger:
            with ledger.read() as connection:
                pause = pauses.of_account(connection, own.name)
            left = 0.0 if pause is None else pause.left(datetime.now(UTC))
            ends = answered and (end_pause or not left)
            if pause is not None and ends:
                _end_pause(ledger, own.name)
    except LedgerError:  # said above
        return
    if pause is None or pause.until is None or not left:
        return
    asked = f"the hub asked for a pause until {pause.until.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    advice = "it answers now: the pause is over" if ends else "nothing is sent to it till then"
    yield Finding(f"account {own.name}: pause", Verdict.WARNING, f"{asked}; {advice}")


def _end_pause(ledger: Ledger, account: str) -> None:
    with ledger.write() as connection:
        pauses.strike_out(connection, account)


def clients(path: Path, own: AccountSettings, settings: Settings) -> Iterator[Finding]:
    """Say whom a change of algorithms would shut out, of the clients that come to an account."""
    try:
        with closing(Ledger(path)) as ledger, ledger.read() as connection:
            known = visitors.of_account(connection, own.name)
    except LedgerError:  # said above
        return
    for change in changes(settings, known):
        what = f"account {own.name}: clients"
        if change.lost:
            said = f"{change.what} would shut out: {'; '.join(change.lost)}"
            yield Finding(what, Verdict.WARNING, said)
        elif known:
            said = f"{change.what} would shut out none of the clients seen so far"
            yield Finding(what, Verdict.OK, said)

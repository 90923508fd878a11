"""The command `efact-reconcile`: comparing the two feeds, and moving between them.

The moves have their options in `reconcile/moves/options.py`.
"""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from bridge import command_line
from bridge.command_line import Config, LogFormat
from bridge.settings.values import parse_duration
from reconcile import recording, report_command
from reconcile.asked import Asked, Period
from reconcile.command_line import COMMAND, AccountName, Language, answering
from reconcile.moves import options as moves
from reconcile.opening import opened
from reconcile.report_command import Format, Output

app = command_line.made(COMMAND, "Compares the two feeds, and moves between them.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a date like 2026-03-31 is wanted") from None


def _grace(text: str) -> float:
    try:
        seconds = parse_duration(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    assert isinstance(seconds, float)
    return seconds


@app.command(short_help="Listen once to the feed that does not serve.")
def record(
    config: Config,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Only this one.")
    ] = None,
    log_format: LogFormat = None,
) -> None:
    """Listen once to the feed that does not serve, and record what it shows.

    That feed is never changed. `efact-bridge serve` does the same all the time; both may run.
    """
    with answering():
        worst = command_line.tell_rounds(COMMAND, recording.record(config, account))
    raise typer.Exit(worst)


@app.command(short_help="Compare both feeds, invoice by invoice.")
def report(
    *,
    config: Config,
    account: AccountName = None,
    legacy: Annotated[
        str | None,
        typer.Option(
            "--legacy",
            metavar="DIR_OR_URL",
            help="A folder of old files, or an old mailbox, instead of what was recorded.",
        ),
    ] = None,
    since: Annotated[
        date | None,
        typer.Option("--since", metavar="DATE", parser=_day, help="Only from this day on."),
    ] = None,
    until: Annotated[
        date | None,
        typer.Option("--until", metavar="DATE", parser=_day, help="Only up to this day."),
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(
            "--grace",
            metavar="TIME",
            parser=_grace,
            help="How long an invoice may be on one side only, instead of the settings' time: 24h.",
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="How to write it; at a terminal xlsx needs -o.")
    ] = Format.TEXT,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to write it, as a whole."),
    ] = None,
    lang: Language = "en",
    everything: Annotated[
        bool, typer.Option("--all", help="List the identical invoices, too.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Show the reports so far, and make none.")
    ] = False,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Ask nobody now: only what was recorded.")
    ] = False,
    log_format: LogFormat = None,
) -> None:
    """Compare both feeds, invoice by invoice, and say whether it is safe to cut over.

    Ends with 0 where the verdict is ready, with 1 where it is not, with 3 where a feed could not be
    reached: then the report is made of what was recorded.
    """
    if since and until and since > until:
        raise typer.BadParameter("it is after --until", param_hint="--since")
    if legacy is not None and not legacy.strip():
        raise typer.BadParameter("a folder or an address is wanted", param_hint="--legacy")
    if form is Format.XLSX and output is None and sys.stdout.isatty():
        raise typer.BadParameter("xlsx is no text: give -o FILE", param_hint="--format")
    with answering(), opened(config, account) as chosen:
        where = Output(format=form, path=output, language=lang)
        if history:
            raise typer.Exit(report_command.show_history(chosen, where))
        seconds = chosen.settings.reconcile.grace if grace is None else grace
        asked = Asked(
            grace=timedelta(seconds=seconds),
            legacy=legacy,
            period=Period(since=since, until=until),
            everything=everything,
            only_recorded=recorded,
        )
        code = report_command.report(chosen, asked, where)
    raise typer.Exit(code)


@app.command(short_help="Take responsibility for a finding.")
def accept(
    config: Config,
    hub_id: Annotated[str, typer.Argument(metavar="HUB_ID", help="As the report shows it.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it may stay as it is.")
    ],
    account: AccountName = None,
    log_format: LogFormat = None,
) -> None:
    """Take responsibility for a finding of the last report.

    It stays in the report, marked with who, when and why, and no longer blocks: until the files or
    the outcome change.
    """
    with answering(), opened(config, account) as chosen:
        typer.echo(report_command.accept(chosen, hub_id, reason))


moves.add_to(app)


def main() -> None:
    """Run the command line."""
    command_line.run(app, COMMAND)

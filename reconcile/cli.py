"""The command `efact-reconcile`: comparing the two feeds, and moving between them.

What it will do is fixed (report, record, cutover, rollback); what this version cannot do it does
not have, rather than half-do a comparison that somebody might sign.
"""

from functools import partial
from typing import Annotated

import typer

from bridge import __version__, command_line
from bridge.command_line import Config, LogFormat
from reconcile import recording

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compares the two feeds, and moves between them.",
)

COMMAND = "efact-reconcile"

answering = partial(command_line.answering, COMMAND)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{COMMAND} {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log_format: LogFormat = None,
) -> None:
    """Compares the two feeds, and moves between them."""


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


def main() -> None:
    """Run the command line."""
    command_line.run(app, COMMAND)

"""What both commands say and how they end: options, errors in one line, exit codes.

Exit codes: 0 done · 1 it ran and the answer is no · 2 wrong usage or settings · 3 the hub, the old
mailbox or the ledger could not be reached.
"""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, cast

import typer

from bridge import __version__, logs
from bridge.errors import BridgeError, HubAwayError, LedgerError, OldMailboxAwayError, SettingsError
from bridge.every_account import AccountRound

Config = Annotated[
    Path, typer.Option("-c", "--config", metavar="FILE", help="The settings: efact-bridge.toml.")
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        "--log-format",
        metavar="text|json",
        help="How to log to standard error; else text on a terminal, JSON elsewhere.",
        callback=lambda value: _log_format(value),  # noqa: PLW0108  (it is defined below)
    ),
]

USAGE_ERROR = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""What typer raises for wrong usage; it exports only this kind of it."""


def made(command: str, about: str) -> typer.Typer:
    """Make a command line without commands yet: it tells its version, and how to log."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=about,
    )

    def tell(wanted: bool) -> None:
        if wanted:
            typer.echo(f"{command} {__version__}")
            raise typer.Exit

    @app.callback(help=about)
    def start(
        version: Annotated[
            bool,
            typer.Option("--version", callback=tell, is_eager=True, help="Print the version."),
        ] = False,
        log_format: LogFormat = None,
    ) -> None:
        pass

    return app


def exit_code(error: BridgeError) -> int:
    """Return the exit code that stands for an error."""
    if isinstance(error, SettingsError):
        return 2
    if isinstance(error, HubAwayError | OldMailboxAwayError | LedgerError):
        return 3
    return 1


def fail(error: BridgeError, *, command: str) -> typer.Exit:
    """Print an error in one line on standard error; return the exit to raise."""
    for line in str(error).splitlines():
        typer.echo(f"{command}: {line}", err=True)
    return typer.Exit(exit_code(error))


@contextmanager
def answering(command: str) -> Iterator[None]:
    """Turn our errors into one clear line and an exit code."""
    try:
        yield
    except BridgeError as error:
        raise fail(error, command=command) from error
    except BrokenPipeError:
        # Whoever reads our output has seen enough (`… | head`).
        sys.stderr.close()
        raise typer.Exit(0) from None


def tell_rounds(command: str, rounds: Iterable[AccountRound]) -> int:
    """Print each account's round as it ends; return the exit code that the worst of them makes."""
    worst = 0
    for done in rounds:
        if done.said:
            typer.echo(f"{done.account}: {done.said}")
        for trouble in done.troubles:
            typer.echo(f"{command}: {done.account}: {_printable(trouble)}", err=True)
        if done.error is not None:
            typer.echo(f"{command}: {done.account}: {done.error}", err=True)
            worst = max(worst, exit_code(done.error))
        elif done.troubles:
            worst = max(worst, 1)
    return worst


def run(app: typer.Typer, command: str) -> None:
    """Run a command line; ends the process where something is amiss."""
    # What a mailbox holds is for its group at most, whatever the caller's umask.
    os.umask(os.umask(0o077) | 0o027)
    # The kernel may send it to whoever asks whether a file is being written.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    logs.configure()
    try:
        code = app(prog_name=command, standalone_mode=False)
    except USAGE_ERROR as error:
        typer.echo(_usage(command, error.format_message().strip()), err=True)
        sys.exit(2)
    except typer.Abort:
        sys.exit(1)
    sys.exit(code)


def _printable(text: str) -> str:
    """Return a text without what could play tricks on a terminal: it may name foreign files."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _log_format(value: str | None) -> str | None:
    if value not in (None, "text", "json"):
        raise typer.BadParameter('"text" or "json" is wanted')
    if value is not None:  # else what was chosen before the command's name stays
        logs.configure("text" if value == "text" else "json")
    return value


def _usage(command: str, said: str) -> str:
    if "\n" in said:  # without any arguments: the help
        return said
    end = "" if said.endswith((".", "?")) else "."
    return f"{command}: {said}{end} See --help"

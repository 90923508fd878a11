"""The command `efact-bridge`: runs the gateway, and shows how it is.

Options, errors and exit codes are those of both commands: see `command_line`.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge import command_line, commands
from bridge import status as status_views
from bridge.command_line import Config, LogFormat
from bridge.doctor import Verdict
from bridge.every_account import AccountRound
from bridge.running.unbanning import still_banned
from bridge.status.lesson import lesson_lines
from bridge.status.words import safe

COMMAND = "efact-bridge"

app = command_line.made(COMMAND, "Serves the e-FACT hub's REST API as the old FTP mailbox.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

_NOT_RIGHT = (
    "what FAILED may have been changed by somebody, or by a disk that breaks: copy data_dir away "
    "as it is now, then compare with the last backup, whose files may be put back"
)

answering = partial(command_line.answering, COMMAND)


@app.command(short_help="Write example settings and a secret file.")
def init(
    directory: Annotated[
        Path, typer.Option("--directory", metavar="DIR", help="Where to write; created if missing.")
    ] = Path(),
) -> None:
    """Write a commented efact-bridge.toml and an empty secret file."""
    with answering():
        for line in commands.init(directory):
            typer.echo(line)


@app.command(short_help="Look whether everything is right.")
def check(
    config: Config,
    end_pause: Annotated[
        bool,
        typer.Option(
            "--end-pause", help="If the hub answers, end the pause that it asked for (Retry-After)."
        ),
    ] = False,
    log_format: LogFormat = None,
) -> None:
    """Look whether everything is right: settings, secret, hub, clock, ports, disk, keys."""
    with answering():
        right = True
        for finding in commands.check(config, end_pause=end_pause):
            typer.echo(f"{finding.verdict:<8}{finding.what}: {finding.said}")
            right &= finding.verdict is not Verdict.FAILED
    raise typer.Exit(0 if right else 1)


@app.command(short_help="Run everything until it is stopped.")
def serve(config: Config, log_format: LogFormat = None) -> None:
    """Run everything until it is stopped; prints `ready` when all doors are open."""
    with answering():
        commands.run(config)


@app.command(short_help="Fetch what the hub has; fill the mailbox.")
def pull(config: Config, log_format: LogFormat = None) -> None:
    """Do one round of inbound: fetch what the hub has, and fill the mailbox."""
    _rounds(commands.pull, config)


@app.command(short_help="Take in the state files; send them.")
def push(config: Config, log_format: LogFormat = None) -> None:
    """Do one round of outbound: take in the state files, send what is due."""
    _rounds(commands.push, config)


def _rounds(do: Callable[[Path], Iterator[AccountRound]], config: Path) -> None:
    with answering():
        worst = command_line.tell_rounds(COMMAND, do(config))
    raise typer.Exit(worst)


@app.command(short_help="Say how things stand.")
def status(
    config: Config,
    some_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="An invoice's or an update's id.")
    ] = None,
    as_json: AsJson = False,
    log_format: LogFormat = None,
) -> None:
    """Say how things stand; with an ID, tell the whole life of an invoice or an update."""
    with answering():
        found = commands.look(config, some_id)
        if as_json:
            typer.echo(json.dumps(status_views.as_json(found)))
        else:
            text = status_views.as_rich(found, config=str(config))
            Console(soft_wrap=True, highlight=False).print(text, end="")


@app.command(short_help="Check ledger, events and archive.")
def verify(
    config: Config,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Write the evidence there, for an auditor."),
    ] = None,
    log_format: LogFormat = None,
) -> None:
    """Check ledger, chain of events, journal and archive against each other."""
    with answering():
        right = True
        for checked in commands.verify(config, export):
            verdict = "ok" if checked.right else "FAILED"
            typer.echo(f"{verdict:<8}{checked.account} {checked.what}: {checked.said}")
            right &= checked.right
        if not right:
            typer.echo(f"efact-bridge: {_NOT_RIGHT}", err=True)
    raise typer.Exit(0 if right else 1)


@app.command(short_help="Queue refused updates again.")
def retry(
    config: Config,
    update_ids: Annotated[
        list[int] | None, typer.Argument(metavar="[UPDATE_ID…]", help="As `status` shows them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were refused.")] = False,
    log_format: LogFormat = None,
) -> None:
    """Queue refused updates again."""
    if bool(update_ids) == everything:
        typer.echo("efact-bridge: give the ids of refused updates, or --all", err=True)
        raise typer.Exit(2)
    with answering():
        result = commands.retry(config, update_ids or None)
    for problem in result.problems:
        typer.echo(f"efact-bridge: {problem}", err=True)
    typer.echo(f"{result.queued} queued again, {result.refused} refused again")
    raise typer.Exit(1 if result.problems or result.refused else 0)


@app.command(short_help="Let banned users and addresses in again.")
def unban(
    config: Config,
    who: Annotated[
        list[str] | None,
        typer.Argument(metavar="[USER|ADDRESS…]", help="As `status` shows them."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are banned.")] = False,
    log_format: LogFormat = None,
) -> None:
    """Let users and addresses in again that were banned after too many failed logins."""
    if bool(who) == everything:
        typer.echo("efact-bridge: give a user or an address, or --all", err=True)
        raise typer.Exit(2)
    with answering():
        result = commands.unban(config, who or None)
    for subject in result.lifted:
        typer.echo(f"{safe(subject)}: may come in again")
    for subject in result.unknown:
        typer.echo(f"efact-bridge: {safe(subject)} is not banned: see `status`", err=True)
    if left := still_banned(result.left):
        typer.echo(f"still banned: {safe(left)}")
    elif not result.lifted and not result.unknown:
        typer.echo("nobody is banned")
    raise typer.Exit(1 if result.unknown else 0)


@app.command(short_help="Learn from old mailbox files.")
def learn(
    config: Config,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Of any depth; never changed.")],
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="NAME", help="Whose files they are, if there are more."),
    ] = None,
    not_collected: Annotated[
        bool,
        typer.Option("--not-collected", help="The software is still to get these invoices."),
    ] = False,
    log_format: LogFormat = None,
) -> None:
    """Learn from a folder of old mailbox files: what the software has had is not served again."""
    with answering():
        lesson = commands.learn(config, folder, account, collected=not not_collected)
        for line in lesson_lines(lesson):
            typer.echo(line)
        for problem in lesson.problems:
            typer.echo(f"efact-bridge: {safe(problem)}", err=True)
        if not lesson.invoices:
            typer.echo(f"efact-bridge: {folder}: no invoice with a hub id was found", err=True)
    raise typer.Exit(0 if lesson.complete else 1)


@app.command("hash-password", short_help="Turn a password into its hash.")
def hash_password() -> None:
    """Read a password, print its hash for `password_hash`."""
    with answering():
        typer.echo(commands.hash_password())


@app.command(short_help="Run a pretend hub and old mailbox.")
def sandbox(
    *,
    port: Annotated[
        int,
        typer.Option("--port", metavar="N", min=0, max=65535, help="0 picks a free one."),
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Same seed, same invoices.")] = 1,
    invoices: Annotated[int, typer.Option("--invoices", metavar="N", min=0)] = 12,
    facturae: Annotated[
        Path | None,
        typer.Option("--facturae", metavar="DIR", help="Real Facturae files to deliver instead."),
    ] = None,
    faults: Annotated[
        str, typer.Option("--faults", metavar="SPEC", help="What goes wrong, see above.")
    ] = "",
    mix: Annotated[
        str,
        typer.Option("--mix", metavar="SPEC", help="How the two feeds differ, see above."),
    ] = "",
    log_format: LogFormat = None,
) -> None:
    """Run a pretend hub on loopback, with the old mailbox beside it.

    SPEC makes the hub fail, the same way each time for the same --seed: NAME, NAME:CHANCE or
    NAME:CHANCE:SECONDS, several separated by commas, such as 500:0.1,reset:0.05. CHANCE is from 0
    to 1 (0.05 unless given). NAME is one of 500, html, 429, hang, drip, reset, cut, lost (a write
    is applied, the answer is lost), repeat, reorder, extra, missing, strange-state, strange-code.
    Also clock:SECONDS (the hub's clock is that far ahead, or behind if negative) and poison:N (N
    invoices that draw 9999 for ever). Two sets have names: rough and drift.

    --mix makes invoices that the REST API and the old mailbox give differently, so that there is
    something to reconcile: KIND:NUMBER, several separated by commas, such as
    identical:20,different:2. KIND is one of identical, equivalent, different, only-legacy,
    only-rest, in-flight, duplicate, unreadable, receipt.
    """
    from bridge.sandbox.command import run_sandbox  # noqa: PLC0415  (only this command needs it)

    with answering():
        run_sandbox(
            port=port, seed=seed, invoices=invoices, facturae=facturae, faults=faults, mix=mix
        )


@app.command(short_help="Show the whole round on this machine.")
def demo(
    facturae: Annotated[
        Path | None,
        typer.Option("--facturae", metavar="DIR", help="Real Facturae files to deliver instead."),
    ] = None,
) -> None:
    """Show the whole round: a hub, the bridge, and an old client, all on this machine."""
    from bridge.sandbox.demo import run_demo  # noqa: PLC0415  (only this command needs it)

    with answering():
        agreed = run_demo(facturae)
    raise typer.Exit(0 if agreed else 1)


def main() -> None:
    """Run the command line."""
    command_line.run(app, COMMAND)

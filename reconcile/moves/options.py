"""The options of `cutover` and `rollback`."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.command_line import Config, LogFormat
from reconcile.command_line import AccountName, Language, answering, whoever
from reconcile.moves.command import Wanted, cut_over, rehearse_both, roll_back
from reconcile.moves.rules import OldMailboxMode
from reconcile.moves.way import Way
from reconcile.opening import opened

_Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this, only plan it.")]
_Plan = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        help="Write the plan there; with --apply, refuse where it no longer holds.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Plan or balance as JSON.")]
_Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="The balance as an HTML page, to print."),
]
_Has = Annotated[
    list[str] | None,
    typer.Option("--has", metavar="HUB_ID", help="You say: the software has this invoice."),
]
_Lacks = Annotated[
    list[str] | None,
    typer.Option("--lacks", metavar="HUB_ID", help="You say: the software lacks this invoice."),
]
_Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Move although the report is not ready, or the old mailbox is out of reach, which "
        "then counts as closed for good, or the folder of the last rollback is gone, which then "
        "counts as imported; it is recorded. On a finished cutover: an old mailbox that is out of "
        "reach counts as closed in this balance.",
    ),
]
_OldMailbox = Annotated[
    OldMailboxMode,
    typer.Option(
        "--old-mailbox",
        help="What the software has leaves the old mailbox: moved aside there, deleted, or only "
        "listed.",
    ),
]
_Target = Annotated[
    Path | None,
    typer.Option(
        "--target",
        metavar="DIR",
        help="What is still to be imported goes into this new folder, in the old form.",
    ),
]
_InsteadOf = Annotated[
    Path | None,
    typer.Option(
        "--instead-of",
        metavar="LOST_DIR",
        help="You say: this folder of the last rollback is lost, and nothing was imported from it; "
        "all that went into it goes into --target DIR.",
    ),
]
_Patience = Annotated[
    float,
    typer.Option(
        "--patience",
        metavar="SECONDS",
        min=0,
        help="How long to wait for software that is just taking invoices, with --target.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Give a command line the moves."""
    app.command(short_help="Move an account from the old mailbox to REST.")(cutover)
    app.command(short_help="Move an account back to the old mailbox, or into a folder.")(rollback)
    app.command(short_help="Do both moves on a copy: there and back.")(rehearse)


def cutover(
    *,
    config: Config,
    account: AccountName = None,
    apply: _Apply = False,
    force: _Force = False,
    plan: _Plan = None,
    as_json: _Json = False,
    output: _Output = None,
    lang: Language = "en",
    has: _Has = None,
    lacks: _Lacks = None,
    log_format: LogFormat = None,
) -> None:
    """Move an account from the old mailbox to REST: the plan, and with --apply the move.

    Ends with 0 where every invoice is in exactly one place, with 1 where somebody must look, with 3
    where the hub or the old mailbox is out of reach. Run again after it was broken off, it goes on;
    run again after that, it looks at all places once more and changes nothing.
    """
    wanted = Wanted(
        by=whoever(),
        apply=apply,
        force=force,
        plan_file=plan,
        as_json=as_json,
        output=output,
        lang=lang,
        has=tuple(has or ()),
        lacks=tuple(lacks or ()),
    )
    with answering(), opened(config, account) as chosen:
        code = cut_over(chosen, wanted)
    raise typer.Exit(code)


def rollback(
    *,
    config: Config,
    account: AccountName = None,
    apply: _Apply = False,
    old_mailbox: _OldMailbox = OldMailboxMode.MOVE,
    target: _Target = None,
    instead_of: _InsteadOf = None,
    patience: _Patience = 30,
    plan: _Plan = None,
    as_json: _Json = False,
    output: _Output = None,
    lang: Language = "en",
    has: _Has = None,
    lacks: _Lacks = None,
    log_format: LogFormat = None,
) -> None:
    """Move an account back: the plan, and with --apply the move.

    To the old mailbox, which then serves again; with --target into a folder that has what is still
    to be imported, in the form of the old mailbox. Ends with 0 where every invoice is in exactly
    one place, with 1 where somebody must look, with 3 where the hub or the old mailbox is out of
    reach. Run again after it was broken off, it goes on; run again after that, it looks at all
    places once more and changes nothing.
    """
    wanted = Wanted(
        by=whoever(),
        apply=apply,
        plan_file=plan,
        as_json=as_json,
        output=output,
        lang=lang,
        has=tuple(has or ()),
        lacks=tuple(lacks or ()),
    )
    way = Way(mode=old_mailbox, target=target, instead_of=instead_of, patience=patience)
    with answering(), opened(config, account) as chosen:
        code = roll_back(chosen, way, wanted)
    raise typer.Exit(code)


def rehearse(
    *,
    config: Config,
    account: AccountName = None,
    as_json: _Json = False,
    lang: Language = "en",
    log_format: LogFormat = None,
) -> None:
    """Do both moves, there and back, on a copy of ledger and mailbox, and print both balances.

    The old mailbox is a folder made of what was recorded, the hub answers out of what was recorded:
    nobody else is asked or told anything, and nothing is changed. With --json, one document for
    each move, one after the other.
    """
    wanted = Wanted(by=whoever(), as_json=as_json, lang=lang)
    with answering(), opened(config, account) as chosen:
        code = rehearse_both(chosen, wanted)
    raise typer.Exit(code)

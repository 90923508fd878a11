"""`cutover` and `rollback`: what they do, without their options."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from bridge.account import Account
from bridge.durable import storage, write_file
from bridge.errors import LocalError, SettingsError
from bridge.ledger.moves import MoveKind
from reconcile.language import Language, Message, language
from reconcile.moves import cutover, rollback, switching
from reconcile.moves.balance import IN_HANDS, Balance, Outcome
from reconcile.moves.documents import balance_as_json, written_again_as_json
from reconcile.moves.elsewhere import (
    end_with_lost,
    lead_elsewhere,
    leave_lost,
    refuse_lost,
    to_be_written_again,
)
from reconcile.moves.late import clear_up
from reconcile.moves.looking import decided
from reconcile.moves.page import balance_as_html
from reconcile.moves.plan import Plan, as_json, moved_away, read_plan
from reconcile.moves.reach import telling_how_far
from reconcile.moves.readiness import Readiness, readiness
from reconcile.moves.rehearsal import rehearse
from reconcile.moves.serving import done_line
from reconcile.moves.text import LONGEST, UNREAD, balance_as_text, plan_as_text
from reconcile.moves.verifying import finish_folder, look_at_balance
from reconcile.moves.way import Way
from reconcile.moves.words import MOVES
from reconcile.rendering.inert import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked of a move."""

    by: str
    apply: bool = False
    force: bool = False
    plan_file: Path | None = None
    as_json: bool = False
    output: Path | None = None
    lang: str = "en"
    has: Sequence[str] = ()
    lacks: Sequence[str] = ()

    @property
    def language(self) -> Language:
        """The language to say it in."""
        return language(self.lang)


def cut_over(account: Account, wanted: Wanted) -> int:
    """Plan a cutover, or do it; return the exit code."""
    _refuse_page(wanted.output)
    with switching.alone(account):
        if wanted.apply:
            switching.call_off_rollback(account)
        if wanted.apply and wanted.force:
            end_with_lost(account)
        switching.refuse_another(account, MoveKind.CUTOVER)
        _note_said(account, wanted)
        if cutover.is_done(account):
            _refuse_other_plan(account, MoveKind.CUTOVER, wanted.plan_file)
            return _was_done(account, MoveKind.CUTOVER, wanted)
        left = leave_lost(account, forced=wanted.force)
        ready = _asked_before(account) or readiness(account, wanted.language)
        seen, plan = cutover.plan(account, forced=wanted.force, lacking=wanted.lacks)
        plan = replace(plan, remarks=(*plan.remarks, *left))
        if not wanted.apply:
            return _show_plan(plan, wanted, ready)
        _refuse(plan, wanted, ready)
        consent = cutover.Consent(by=wanted.by, forced=wanted.force, verdict=ready.verdict)
        with telling_how_far(account):
            cutover.apply(account, seen, consent)
        done = look_at_balance(account, MoveKind.CUTOVER, remarks=left, closed=wanted.force)
        return _show_balance(done, MoveKind.CUTOVER, wanted)


def roll_back(account: Account, way: Way, wanted: Wanted) -> int:
    """Plan a rollback, or do it; return the exit code."""
    _refuse_page(wanted.output)
    with switching.alone(account):
        switching.refuse_another(account, MoveKind.ROLLBACK)
        _note_said(account, wanted)
        count = to_be_written_again(account, way) if way.instead_of is not None else None
        if count is not None and not wanted.apply:
            return _tell_written_again(account, count, way, wanted)
        if count is not None:
            lead_elsewhere(account, way, by=wanted.by)
        if wanted.apply:
            refuse_lost(account, way)
        if rollback.is_done(account):
            return _was_rolled_back(account, way, wanted)
        seen, plan = rollback.plan(account, way)
        if not wanted.apply:
            return _show_plan(plan, wanted, _NOT_ASKED)
        _refuse(plan, wanted, _NOT_ASKED)
        with telling_how_far(account):
            troubles, open_files = rollback.apply(account, seen, way, by=wanted.by)
            done = look_at_balance(account, MoveKind.ROLLBACK, remarks=troubles)
            if way.target is not None:
                done = finish_folder(account, way.target, open_files, done, lang=wanted.lang)
        if done.feeds.serve is not None or not _can_go_on(done):
            rollback.end(account)  # a folder may be imported from: it is not read back again
        return _show_balance(done, MoveKind.ROLLBACK, wanted)


def _was_rolled_back(account: Account, way: Way, wanted: Wanted) -> int:
    """Clear up what came late, where a rollback was done; return the exit code."""
    _refuse_other_plan(account, MoveKind.ROLLBACK, wanted.plan_file)
    rollback.refuse_other_folder(account, way)
    late = wanted.apply and switching.last_move(account, MoveKind.ROLLBACK) is not None
    remarks = clear_up(account, way) if late else []
    remarks += rollback.done_otherwise(account, way)
    return _was_done(account, MoveKind.ROLLBACK, wanted, remarks=remarks)


def _refuse_page(output: Path | None) -> None:
    """Raise SettingsError where the page cannot be written, before anything is done."""
    if output is None or (os.access(output.parent, os.W_OK) and not output.is_dir()):
        return
    raise SettingsError(
        f"-o {output}: no file can be written there, so nothing was done; name another one"
    )


def _note_said(account: Account, wanted: Wanted) -> None:
    by, now = wanted.by, account.clock()
    for said in decided(account, has=wanted.has, lacks=wanted.lacks, by=by, at=now):
        typer.echo(said, err=True)


def _can_go_on(done: Balance) -> bool:
    """Tell whether a rollback into a folder can do more of what is left, given again."""
    return bool(done.lost or done.twice or any(it.said is IN_HANDS for it in done.people))


def _tell_written_again(account: Account, count: int, way: Way, wanted: Wanted) -> int:
    said = wanted.language.say(
        Message(
            "{count} invoice that went into {lost} will be written into {target}.",
            "{count} invoices that went into {lost} will be written into {target}.",
        ),
        count=count,
        lost=str(way.instead_of),
        target=str(way.target),
    )
    if wanted.as_json:
        sys.stdout.write(written_again_as_json(account.name, count, way))
    typer.echo(said, err=wanted.as_json)
    typer.echo(wanted.language.say("To do it: the same command with --apply"), err=wanted.as_json)
    return 0


def rehearse_both(account: Account, wanted: Wanted) -> int:
    """Do both moves on a copy, and show both balances; return the exit code."""
    worst = 0
    for done in rehearse(account):
        if not wanted.as_json:
            say = wanted.language.say
            kind = say(MOVES[done.kind])
            typer.echo(say("Rehearsal on a copy, nothing was changed: {move}", move=kind))
        worst = max(worst, _show_balance(done.balance, done.kind, wanted))
        if not wanted.as_json:
            typer.echo("")
    return worst


_NOT_ASKED = Readiness(ready=True, verdict="")
"""A way back is asked no report."""


def _asked_before(account: Account) -> Readiness | None:
    """Return what the report said when the move that was broken off began."""
    last = switching.last_move(account)
    if last is None or not last.is_open:
        return None
    return Readiness(ready=True, verdict=str(last.options.get("verdict", "")))


def _was_done(
    account: Account, kind: MoveKind, wanted: Wanted, *, remarks: Sequence[str] = ()
) -> int:
    last = switching.last_move(account, kind)
    closed = wanted.force and kind is MoveKind.CUTOVER
    done = look_at_balance(account, kind, remarks=remarks, closed=closed)
    typer.echo(done_line(done, last, wanted.language), err=wanted.as_json)
    return _show_balance(done, kind, wanted)


def _refuse_other_plan(account: Account, kind: MoveKind, path: Path | None) -> None:
    """See that a plan of a move that was done is one of this move; one that is not there is none.

    Whether it still holds is not asked: what it says has been done.
    """
    if path is None or not path.exists():
        return
    planned = _read_plan(path)
    if (planned["move"], planned["account"]) != (kind, account.name):
        raise SettingsError(
            f"{path} is a plan of a {planned['move']} of {planned['account']}, not of a {kind} of "
            f"{account.name}: nothing was done"
        )


def _read_plan(path: Path) -> Mapping[str, Any]:
    with storage(f"plan {path}"):
        content = path.read_bytes()
    return read_plan(content, where=str(path))


def _refuse(plan: Plan, wanted: Wanted, ready: Readiness) -> None:
    if not ready.ready and not wanted.force:
        raise LocalError(
            wanted.language.say(
                "account {account}: the report is {verdict}, nothing was moved: {reasons} See "
                "efact-reconcile report; --force moves all the same, and is recorded",
                account=plan.account,
                verdict=ready.verdict,
                reasons=" ".join(ready.reasons),
            )
        )
    if wanted.plan_file is None:
        return
    differences = moved_away(_read_plan(wanted.plan_file), plan)
    if differences:
        raise LocalError(
            f"account {plan.account}: things are no longer as {wanted.plan_file} says, nothing was "
            f"moved: {'; '.join(differences)}. Make a new plan and read it first"
        )


def _show_plan(plan: Plan, wanted: Wanted, ready: Readiness) -> int:
    text = as_json(plan)
    if wanted.plan_file is not None:
        with storage(f"plan {wanted.plan_file}"):
            wanted.plan_file.write_text(text, encoding="utf-8")
    sys.stdout.write(text if wanted.as_json else plan_as_text(plan, wanted.language))
    if not ready.ready:
        said = wanted.language.say(
            "The report is {verdict}, --apply needs --force: {reasons}",
            verdict=ready.verdict,
            reasons=" ".join(ready.reasons),
        )
        typer.echo(said, err=True)
    elif not wanted.as_json:
        typer.echo("\n" + wanted.language.say("To do it: the same command with --apply"))
    return 0 if ready.ready and not plan.needing_a_person else 1


def _show_balance(done: Balance, kind: MoveKind, wanted: Wanted) -> int:
    if wanted.as_json:
        sys.stdout.write(balance_as_json(done, move=kind))
    else:
        sys.stdout.write(balance_as_text(done, wanted.language))
    if wanted.output is not None:
        page = balance_as_html(done, kind, wanted.language)
        with storage(f"page {wanted.output}"):
            wanted.output.unlink(missing_ok=True)
            write_file(wanted.output, page)
    for it in done.unread:
        said = wanted.language.say(UNREAD[it.place])
        typer.echo(f"{done.account}: {said}: {visible(it.why, longest=LONGEST)}", err=True)
    return _code(done)


def _code(done: Balance) -> int:
    """Return the exit code: 3 where nothing is known to be wrong, and a place was out of reach."""
    if done.outcome is Outcome.NOT_READ_BACK and all(it.is_away for it in done.unread):
        return 3
    return 0 if done.is_zero else 1

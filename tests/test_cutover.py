"""Cutover: REST fills the mailbox, and what the software has it never sees again.

The old mailbox is a folder that the old hub fills; the software takes from our folders.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.ledger import handing
from bridge.model import FeedName, State, StateUpdate
from bridge.recording import FeedRecorder
from bridge.rounds import push_round
from bridge.sandbox.server import Sandbox
from reconcile.language import language
from reconcile.moves import cutover
from reconcile.moves.balance import Balance
from reconcile.moves.command import Wanted, cut_over
from reconcile.moves.readiness import readiness
from reconcile.moves.rules import Place
from tests.accounts import Office, Offices, annotated, failing, pull, state_file
from tests.moving import OldHub, balanced, collect, faults, moved, names, out_of
from tests.small_disk import small_disk

FORCED = cutover.Consent(by="test", forced=True)


@pytest.fixture
def old(sandbox: Sandbox, tmp_path: Path) -> OldHub:
    return OldHub(sandbox.book, tmp_path / "old")


@pytest.fixture
def town(open_account: Offices, old: OldHub) -> Office:
    return old.open(open_account)


def cut(town: Office) -> Balance:
    seen, _ = cutover.plan(town.account)
    cutover.apply(town.account, seen, FORCED)
    return balanced(town)


def test_what_was_collected_through_the_old_feed_is_not_offered_again(
    town: Office, old: OldHub
) -> None:
    had = old.both(town)
    pull(town)
    collect(town)
    waiting = old.both(town)
    balance = cut(town)
    assert out_of(town, had) == []
    assert len(out_of(town, waiting)) == 1
    assert balance.is_zero
    assert balance.places[Place.SOFTWARE] == 1
    assert balance.places[Place.MAILBOX] == 1
    assert faults(town) == []


def test_what_was_collected_is_acknowledged_at_the_hub(town: Office, old: OldHub) -> None:
    had = old.both(town)
    pull(town)
    collect(town)
    cut(town)
    assert town.states(had)[-1] == "DELIVERED"


def test_the_policy_never_tells_the_hub_nothing(open_account: Offices, old: OldHub) -> None:
    town = old.open(open_account, acknowledge="never")
    had = old.both(town)
    pull(town)
    collect(town)
    cut(town)
    assert town.patches(had) == []


def test_what_waits_in_the_mailbox_stays_under_its_one_name(town: Office, old: OldHub) -> None:
    waiting = old.both(town)
    pull(town)
    before = names(town)
    cut(town)
    pull(town)
    assert names(town) == before
    collect(town)
    pull(town)
    assert names(town) == []
    assert out_of(town, waiting) == []


def test_what_was_taken_in_the_old_mailbox_itself_counts_as_collected(
    town: Office, old: OldHub
) -> None:
    had, waiting = old.both(town), old.both(town)
    look_once(town)
    for path in old.root.glob(f"*/*{had}*"):
        path.unlink()
    balance = cut(town)
    assert out_of(town, had) == []
    assert len(out_of(town, waiting)) == 1
    assert balance.is_zero


def look_once(town: Office) -> None:
    cutover.plan(town.account)


def test_what_only_the_hub_has_is_brought_by_rest(town: Office, old: OldHub) -> None:
    (only,) = old.rest(town)
    balance = cut(town)
    assert len(out_of(town, only)) == 1
    assert balance.is_zero


def test_updates_that_are_due_go_to_the_old_hub_first(town: Office, old: OldHub) -> None:
    had = old.both(town)
    pull(town)
    collect(town)
    town.drop("a.XML", state_file(annotated(had)))
    cut(town)
    old.work()
    push_round(town.account, only_due=False)
    assert town.states(had).count("ANNOTATED") == 1
    assert town.open_updates() == []


def test_it_is_held_back_where_nobody_can_tell(town: Office, old: OldHub) -> None:
    (strange,) = old.rest(town)
    pull_shadow(town)
    town.sandbox.book.update(strange, StateUpdate(state=State.DELIVERED))
    balance = cut(town)
    pull(town)
    assert out_of(town, strange) == []
    assert [it.hub_id for it in balance.people] == [strange]
    with town.account.ledger.write() as connection:
        handing.record(
            connection, "town", handing.LACKING, [strange], at=town.clock(), actor="test"
        )
    pull(town)
    assert len(out_of(town, strange)) == 1


def pull_shadow(town: Office) -> None:
    FeedRecorder(town.account).round(FeedName.REST, only_due=False)


def test_a_second_run_changes_nothing(
    town: Office, old: OldHub, capsys: pytest.CaptureFixture[str]
) -> None:
    old.both(town)
    wanted = Wanted(by="test", apply=True, force=True)
    assert cut_over(town.account, wanted) == 0
    before = moved(town)
    capsys.readouterr()
    assert cut_over(town.account, wanted) == 0
    assert "Nothing is left to be done" in capsys.readouterr().out
    assert moved(town) == before


def test_it_is_refused_while_the_report_is_not_ready(town: Office, old: OldHub) -> None:
    town.add()
    error = failing(lambda: cut_over(town.account, Wanted(by="test", apply=True)))
    assert error is not None
    assert "--force" in str(error)
    assert town.account.feeds().serve is FeedName.LEGACY


def test_a_plan_changes_nothing(town: Office, old: OldHub) -> None:
    old.both(town)
    before = names(town)
    cut_over(town.account, Wanted(by="test"))
    assert names(town) == before
    assert town.account.feeds().serve is FeedName.LEGACY


def test_a_plan_that_no_longer_holds_is_refused(town: Office, old: OldHub, tmp_path: Path) -> None:
    (strange,) = old.rest(town)
    pull_shadow(town)
    plan = tmp_path / "plan.json"
    cut_over(town.account, Wanted(by="test", force=True, plan_file=plan))
    town.sandbox.book.update(strange, StateUpdate(state=State.DELIVERED))
    wanted = Wanted(by="test", apply=True, force=True, plan_file=plan)
    error = failing(lambda: cut_over(town.account, wanted))
    assert error is not None
    assert strange in str(error)
    assert town.account.feeds().serve is FeedName.LEGACY


def test_a_plan_holds_when_an_invoice_has_only_gone_on(
    town: Office, old: OldHub, tmp_path: Path
) -> None:
    old.both(town)
    pull(town)
    plan = tmp_path / "plan.json"
    cut_over(town.account, Wanted(by="test", force=True, plan_file=plan))
    collect(town)
    old.both(town)
    wanted = Wanted(by="test", apply=True, force=True, plan_file=plan)
    assert cut_over(town.account, wanted) == 0


def test_what_came_since_the_report_began_is_in_flight(town: Office, old: OldHub) -> None:
    old.both(town)
    pull(town)
    pull_shadow(town)
    long_ago = town.sandbox.book.now() - timedelta(days=30)
    town.sandbox.book.add_invoice(registered_at=long_ago)
    assert readiness(town.account, language("en")).ready


def test_the_plan_says_in_its_language_why_the_report_is_not_ready(
    town: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    town.add()
    assert cut_over(town.account, Wanted(by="test", lang="ca")) == 1
    assert "L'informe diu not-ready" in capsys.readouterr().err


def test_an_old_mailbox_that_takes_nothing_does_not_keep_an_account_from_moving(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        old = OldHub(sandbox.book, disk.root / "old")
        town = old.open(open_account)
        had = old.both(town)
        pull(town)
        pull_shadow(town)
        collect(town)
        with disk.read_only():
            assert cut_over(town.account, Wanted(by="test", apply=True)) == 0
    assert town.account.feeds().serve is FeedName.REST
    assert out_of(town, had) == []

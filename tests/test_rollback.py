"""Rollback: the old mailbox serves again, or a folder has what came; nothing is lost or twice.

The old mailbox is a folder that the old hub fills; the software takes from our folders.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import OldMailboxUnwritableError, SettingsError, StorageError
from bridge.flood import Happening
from bridge.ledger import events
from bridge.model import FeedName
from bridge.recording import FeedRecorder
from bridge.rounds import push_round
from bridge.sandbox.server import Sandbox
from bridge.status.looking import look
from bridge.status.text import as_text
from reconcile.asked import Asked
from reconcile.model import Outcome
from reconcile.moves import rollback
from reconcile.moves.balance import Balance
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.folder import Target
from reconcile.moves.readiness import Silent
from reconcile.moves.rules import Action, OldMailboxMode, Place
from reconcile.moves.way import Way
from reconcile.reporting import make_report
from tests.accounts import Office, Offices, annotated, failing, pull, state_file
from tests.breaking_off import broken_off_after
from tests.moving import OldHub, balanced, collect, faults, moved, names, names_in, out_of
from tests.small_disk import small_disk

APPLY = Wanted(by="test", apply=True, force=True)
LISTED = Way(mode=OldMailboxMode.LIST)


@pytest.fixture
def old(sandbox: Sandbox, tmp_path: Path) -> OldHub:
    return OldHub(sandbox.book, tmp_path / "old")


@pytest.fixture
def town(open_account: Offices, old: OldHub) -> Office:
    """Give an account that has cut over."""
    office = old.open(open_account)
    assert cut_over(office.account, APPLY) == 0
    return office


@pytest.fixture
def alone(open_account: Offices) -> Office:
    """Give an account without an old mailbox."""
    return open_account()


def push(town: Office) -> None:
    push_round(town.account, only_due=False)


def back(town: Office, **way: Any) -> Balance:
    assert roll_back(town.account, Way(patience=0, **way), APPLY) in (0, 1, 3)
    return balanced(town)


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


# -- to the old mailbox ----------------------------------------------------------------------------


def test_what_was_collected_through_rest_leaves_the_old_mailbox(town: Office, old: OldHub) -> None:
    had = old.both(town, attachments=1)
    pull(town)
    collect(town)
    balance = back(town)
    assert old.names() == []
    aside = names_in(old.root / "collected-by-rest")
    assert len(aside) == 3
    assert any(f"@{had}" in name for name in aside)
    assert balance.is_zero
    assert balance.places[Place.SOFTWARE] == 1
    assert faults(town) == []


def test_what_the_old_hub_delivers_late_leaves_it_when_the_rollback_is_run_again(
    town: Office, old: OldHub
) -> None:
    (had,) = old.rest(town)
    pull(town)
    collect(town)
    back(town)
    old.deliver(had)
    pull(town)
    assert out_of(town, had) == []
    balance = back(town)
    assert old.names() == []
    assert balance.is_zero
    assert faults(town) == []


def test_it_is_deleted_there_where_that_is_asked_for(town: Office, old: OldHub) -> None:
    old.both(town)
    pull(town)
    collect(town)
    back(town, mode=OldMailboxMode.DELETE)
    assert old.names() == []
    assert not (old.root / "collected-by-rest").exists()


def test_it_is_only_listed_where_that_is_asked_for(town: Office, old: OldHub) -> None:
    had = old.both(town)
    pull(town)
    collect(town)
    balance = back(town, mode=OldMailboxMode.LIST)
    assert len(old.has(had)) == 1
    assert [it.hub_id for it in balance.twice] == [had]


def test_what_is_only_listed_is_named_file_by_file(
    town: Office, old: OldHub, capsys: pytest.CaptureFixture[str]
) -> None:
    old.both(town, attachments=1)
    pull(town)
    collect(town)
    assert roll_back(town.account, LISTED, APPLY) == 1
    _, _, printed = capsys.readouterr().out.partition("Take these files away")
    assert [line.strip() for line in printed.splitlines() if "@" in line] == old.names()


def test_while_what_is_listed_lies_there_a_second_run_changes_nothing(
    town: Office, old: OldHub
) -> None:
    old.both(town)
    pull(town)
    collect(town)
    assert roll_back(town.account, LISTED, APPLY) == 1
    before = moved(town), old.names()
    assert roll_back(town.account, LISTED, APPLY) == 1
    assert (moved(town), old.names()) == before


def test_once_what_is_listed_has_been_taken_away_the_second_run_ends_with_0(
    town: Office, old: OldHub
) -> None:
    had = old.both(town)
    pull(town)
    collect(town)
    assert roll_back(town.account, LISTED, APPLY) == 1
    for folder in ("out", "statout"):
        for name in old.has(had, folder=folder):
            (old.root / folder / name).unlink()
    assert roll_back(town.account, LISTED, APPLY) == 0


def taken_from_ours(open_account: Offices, old: OldHub, **own: Any) -> tuple[Office, str]:
    """Have the old mailbox fill ours before a cutover, and the software take it after."""
    town = old.open(open_account, **own)
    had = old.both(town)
    pull(town)
    assert cut_over(town.account, APPLY) == 0
    collect(town)
    return town, had


def planned(town: Office, action: Action) -> list[str]:
    seen, plan = rollback.plan(town.account, LISTED)
    assert seen.old_said is None
    return list(plan.of(action))


def test_what_the_old_mailbox_had_put_into_ours_is_removed_there_with_list_too_as_planned(
    open_account: Offices, old: OldHub
) -> None:
    town, had = taken_from_ours(open_account, old)
    assert planned(town, Action.REMOVE) == [had]
    assert planned(town, Action.LIST) == []
    assert roll_back(town.account, LISTED, APPLY) == 0
    assert old.names() == []
    assert balanced(town).places[Place.SOFTWARE] == 1
    assert faults(town) == []


def test_with_acknowledge_never_it_stays_there_with_list_as_planned(
    open_account: Offices, old: OldHub, capsys: pytest.CaptureFixture[str]
) -> None:
    town, had = taken_from_ours(open_account, old, acknowledge="never")
    assert planned(town, Action.KEEP) == [had]
    assert roll_back(town.account, LISTED, APPLY) == 0
    assert len(old.has(had)) == 1
    assert balanced(town).leaving == (had,)
    assert 'stays in the old one, as acknowledge = "never"' in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_second_file_of_it_is_no_part_of_what_was_collected_and_is_listed(
    open_account: Offices, old: OldHub
) -> None:
    town, had = taken_from_ours(open_account, old)
    (name,) = old.has(had)
    second = old.root / "out" / f"{name.rpartition('.')[0]}.xsig"
    second.write_bytes((old.root / "out" / name).read_bytes() + b"<!-- two -->")
    assert planned(town, Action.LIST) == [had]
    assert roll_back(town.account, LISTED, APPLY) == 1
    assert balanced(town).to_take_away == (f"out/{second.name}",)


def test_with_list_an_old_mailbox_that_may_only_be_read_still_has_it_and_the_balance_says_so(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        old = OldHub(sandbox.book, disk.root / "old")
        town, had = taken_from_ours(open_account, old)
        with disk.read_only():
            assert planned(town, Action.REMOVE) == []
            assert planned(town, Action.KEEP) == [had]
            assert roll_back(town.account, LISTED, APPLY) == 0
            assert balanced(town).leaving == (had,)
        push(town)
        assert old.names() == []


def test_of_an_old_mailbox_that_may_only_be_read_the_plan_lists_what_it_would_offer_again(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        old = OldHub(sandbox.book, disk.root / "old")
        town = old.open(open_account)
        cut_over(town.account, APPLY)
        had = old.both(town)
        pull(town)
        collect(town)
        way = Way(target=tmp_path / "target", patience=0)
        with disk.read_only():
            _, plan = rollback.plan(town.account, way)
            assert plan.of(Action.TAKE_AWAY) == []
            assert plan.of(Action.LIST) == [had]
            assert roll_back(town.account, way, APPLY) == 1
        assert roll_back(town.account, way, APPLY) == 0
        assert old.names() == []


def test_what_was_listed_is_taken_away_by_a_second_run_that_is_told_to(
    town: Office, old: OldHub
) -> None:
    old.both(town)
    pull(town)
    collect(town)
    assert roll_back(town.account, LISTED, APPLY) == 1
    assert roll_back(town.account, Way(), APPLY) == 0
    assert old.names() == []


def test_the_balance_says_how_what_comes_late_leaves_the_old_mailbox(
    town: Office, old: OldHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert roll_back(town.account, Way(), replace(APPLY, lang="es")) == 0
    assert "--old-mailbox move" in capsys.readouterr().out


def test_a_plan_of_another_move_is_refused_when_this_one_was_done(
    town: Office, old: OldHub, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    assert roll_back(town.account, Way(), replace(APPLY, apply=False, plan_file=plan)) == 0
    assert roll_back(town.account, Way(), replace(APPLY, plan_file=plan)) == 0
    assert roll_back(town.account, Way(), replace(APPLY, plan_file=plan)) == 0
    assert cut_over(town.account, APPLY) == 0
    error = failing(lambda: cut_over(town.account, replace(APPLY, plan_file=plan)))
    assert isinstance(error, SettingsError)
    assert "is a plan of a rollback" in str(error)


def test_what_waits_in_the_old_mailbox_is_left_there_and_collected_once(
    town: Office, old: OldHub
) -> None:
    waiting = old.both(town)
    pull(town)
    before = names(town)
    balance = back(town)
    assert len(old.has(waiting)) == 1
    assert names(town) == before
    assert balance.is_zero
    assert len(collect(town)) == 1
    push(town)
    pull(town)
    push(town)
    assert old.names() == []
    assert collect(town) == []
    assert faults(town) == []


def test_what_the_old_mailbox_lacks_is_put_there_in_its_form(town: Office, old: OldHub) -> None:
    (waiting,) = old.rest(town, attachments=1)
    pull(town)
    before = names(town)
    balance = back(town)
    assert old.names() == before
    assert balance.is_zero
    assert len(collect(town)) == 1
    push(town)
    pull(town)
    push(town)
    assert old.names() == []
    assert out_of(town, waiting) == []


def test_what_is_taken_in_the_old_mailbox_leaves_ours(town: Office, old: OldHub) -> None:
    (waiting,) = old.rest(town)
    old.both(town)
    pull(town)
    back(town)
    for name in old.names():
        if f"@{waiting}" in name:
            (old.root / name).unlink()
    pull(town)
    pull(town)
    assert out_of(town, waiting) == []
    assert len(collect(town)) == 1


@pytest.mark.parametrize("looks", [0, 2])
def test_what_left_the_old_mailbox_while_rest_served_waits_and_is_put_there_again(
    town: Office, old: OldHub, looks: int
) -> None:
    tidied, other = old.both(town), old.both(town)
    pull(town)
    back(town)
    assert cut_over(town.account, APPLY) == 0
    for name in old.names():
        if f"@{tidied}" in name:
            (old.root / name).unlink()
    for _ in range(looks):
        FeedRecorder(town.account).round(FeedName.LEGACY, only_due=False)
    assert back(town).is_zero
    assert len(old.has(tidied)) == len(old.has(other)) == 1
    pull(town)
    pull(town)
    assert len(collect(town)) == 2
    push(town)
    pull(town)
    assert collect(town) == []
    assert faults(town) == []


def test_what_left_the_old_mailbox_while_a_rollback_was_broken_off_waits_and_is_put_there_again(
    town: Office, old: OldHub
) -> None:
    tidied = old.both(town)
    old.both(town)
    pull(town)
    back(town)
    assert cut_over(town.account, APPLY) == 0
    with broken_off_after(6):  # it has begun, and the other feed does not serve
        back(town)
    assert town.account.feeds().serve is FeedName.REST
    for name in old.has(tidied):
        (old.root / "out" / name).unlink()
    assert back(town).is_zero
    assert len(old.has(tidied)) == 1
    pull(town)
    pull(town)
    assert len(collect(town)) == 2
    push(town)
    pull(town)
    assert collect(town) == []
    assert faults(town) == []


def test_what_the_hub_only_lists_is_fetched_first(town: Office, old: OldHub) -> None:
    (waiting,) = old.rest(town)
    balance = back(town)
    assert len(old.has(waiting)) == 1
    assert balance.is_zero


def test_open_updates_go_to_the_old_hub_as_they_were_written(
    town: Office, old: OldHub, sandbox: Sandbox
) -> None:
    had = old.both(town)
    pull(town)
    collect(town)
    content = state_file(annotated(had))
    with away(town):
        town.drop("a.XML", content)
        failing(lambda: push(town))
        back(town)
    assert roll_back(town.account, Way(), APPLY) == 0
    old.work()
    assert old.taken == [("a.XML", content)]
    assert town.states(had)[-1] == "ANNOTATED"
    assert town.open_updates() == []
    assert faults(town) == []


def test_of_a_file_that_is_half_told_only_the_rest_goes_to_the_old_hub(
    town: Office, old: OldHub
) -> None:
    told, open_one = old.both(town), old.both(town)
    pull(town)
    collect(town)
    push(town)
    town.drop("a.XML", state_file(annotated(told), annotated(open_one, "R-2")))
    with away(town, operation="update", hub_id=open_one):
        failing(lambda: push(town))
        back(town)
    old.work()
    assert [name for name, _ in old.taken] == ["a-1.XML"]
    assert open_one in old.taken[0][1].decode()
    assert told not in old.taken[0][1].decode()
    assert faults(town) == []


def test_a_second_run_changes_nothing(town: Office, old: OldHub) -> None:
    old.both(town)
    old.rest(town)
    pull(town)
    assert roll_back(town.account, Way(), APPLY) == 0
    before = moved(town), old.names()
    assert roll_back(town.account, Way(), APPLY) == 0
    assert (moved(town), old.names()) == before


def test_an_old_mailbox_that_cannot_be_written_to_asks_for_a_folder(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        old = OldHub(sandbox.book, disk.root / "old")
        town = old.open(open_account)
        cut_over(town.account, APPLY)
        old.rest(town)
        pull(town)
        with disk.read_only():
            error = failing(lambda: roll_back(town.account, Way(), APPLY))
        assert isinstance(error, OldMailboxUnwritableError)
    assert "--target" in str(error)
    assert town.account.feeds().serve is FeedName.REST


def test_the_plan_says_that_a_folder_may_only_be_read(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        old = OldHub(sandbox.book, disk.root / "old")
        town = old.open(open_account)
        cut_over(town.account, APPLY)
        with disk.read_only():
            _, plan = rollback.plan(town.account, Way(target=tmp_path / "target"))
        assert rollback.READ_ONLY in plan.remarks
        _, plan = rollback.plan(town.account, Way(target=tmp_path / "target"))
        assert rollback.READ_ONLY not in plan.remarks


def test_where_an_old_mailbox_could_not_be_written_to_the_same_rollback_takes_a_folder(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        old = OldHub(sandbox.book, disk.root / "old")
        town = old.open(open_account)
        cut_over(town.account, APPLY)
        had = old.both(town)
        pull(town)
        collect(town)
        (waiting,) = old.rest(town)
        pull(town)
        with disk.read_only():
            error = failing(lambda: roll_back(town.account, Way(), APPLY))
            assert "--target" in str(error)
            target = tmp_path / "target"
            balance = back(town, target=target)
        assert [
            it["hub_id"] for it in manifest(target)["files"] if it["path"].startswith("out/")
        ] == [waiting]
        assert [it.hub_id for it in balance.twice] == [had]
        assert back(town, target=target).is_zero
        assert old.has(had) == []


def test_there_and_back_and_there_again_nothing_is_offered_twice(town: Office, old: OldHub) -> None:
    imported: list[str] = []
    for _ in range(2):
        old.both(town)
        old.rest(town)
        pull(town)
        imported += collect(town)[:1]
        old.both(town)
        assert roll_back(town.account, Way(), APPLY) == 0
        imported += collect(town)
        push(town)
        old.both(town)
        pull(town)
        assert cut_over(town.account, APPLY) == 0
    pull(town)
    imported += collect(town)
    hub_ids = [name.rpartition("@")[2] for name in imported]
    assert len(set(hub_ids)) == len(hub_ids)
    assert balanced(town).is_zero
    assert faults(town) == []


def test_files_that_nobody_knows_are_left_alone_and_listed(town: Office, old: OldHub) -> None:
    (old.root / "out" / "notes.txt").write_bytes(b"what is this")
    balance = back(town)
    assert (old.root / "out" / "notes.txt").exists()
    assert balance.unknown_files == ("out/notes.txt",)


# -- into a folder ---------------------------------------------------------------------------------


def test_without_an_old_mailbox_a_folder_is_asked_for(alone: Office) -> None:
    assert isinstance(failing(lambda: rollback.plan(alone.account, Way())), SettingsError)


def test_what_waits_leaves_our_mailbox_for_the_folder(alone: Office, tmp_path: Path) -> None:
    had, waiting = alone.served(2)
    alone.collect(had)
    folder = tmp_path / "target"
    balance = back(alone, target=folder)
    assert out_of(alone, waiting) == []
    rows = manifest(folder)["files"]
    outcomes = {row["hub_id"]: row["outcome"] for row in rows if row["kind"] == "invoice"}
    assert outcomes == {had: "already-collected", waiting: "to-import"}
    assert balance.is_zero
    assert balance.places[Place.FOLDER] == 1
    assert faults(alone) == []


def test_the_manifest_tells_every_file_of_the_folder(alone: Office, tmp_path: Path) -> None:
    had, _ = alone.served(2)
    alone.collect(had)
    folder = tmp_path / "target"
    back(alone, target=folder)
    rows = manifest(folder)["files"]
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.parent != folder
    }
    assert {row["path"] for row in rows} == there
    for row in rows:
        content = (folder / row["path"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["size"] == len(content)
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_the_reconciler_reads_the_folder_back_and_finds_everything_identical(
    alone: Office, tmp_path: Path
) -> None:
    for number in range(2):
        hub_id = alone.add()[0]
        alone.sandbox.book.add_attachment(hub_id, "a.pdf", b"%%PDF %d" % number)
    alone.pull()
    alone.collect(hub_id)
    back(alone, target=tmp_path / "target")
    asked = Asked(grace=timedelta(), legacy=str(tmp_path / "target"))
    report = make_report(alone.account, asked, Silent()).report
    assert {outcome: count for outcome, count in report.counts.items() if count} == {
        Outcome.IDENTICAL: 2
    }


def test_what_went_into_a_folder_leaves_an_old_mailbox_that_is_there_again_with_the_next_rollback(
    open_account: Offices, old: OldHub, tmp_path: Path
) -> None:
    town = old.open(open_account)
    handed = old.both(town)
    pull(town)
    assert cut_over(town.account, APPLY) == 0
    gone = old.root.rename(tmp_path / "gone")
    assert roll_back(town.account, Way(target=tmp_path / "target", patience=0), APPLY) == 0
    assert cut_over(town.account, APPLY) == 0
    gone.rename(old.root)
    assert planned(town, Action.LIST) == [handed]
    assert roll_back(town.account, Way(), APPLY) == 0
    assert old.names() == []
    assert balanced(town).places[Place.FOLDER] == 1
    assert faults(town) == []


def test_afterwards_the_mailbox_is_not_filled_until_the_next_cutover(
    alone: Office, tmp_path: Path
) -> None:
    (handed,) = alone.served(1)
    back(alone, target=tmp_path / "target")
    alone.add()
    pull(alone)
    assert names(alone) == []
    assert cut_over(alone.account, APPLY) == 0
    assert len(collect(alone)) == 1
    assert out_of(alone, handed) == []


def test_open_updates_are_in_the_statin_of_the_folder(alone: Office, tmp_path: Path) -> None:
    (had,) = alone.served(1)
    collect(alone)
    content = state_file(annotated(had))
    with away(alone):
        alone.drop("a.XML", content)
        failing(lambda: push(alone))
        back(alone, target=tmp_path / "target")
    assert (tmp_path / "target" / "statin" / "a.XML").read_bytes() == content


def test_status_tells_what_a_folder_took_from_what_was_collected(
    alone: Office, tmp_path: Path
) -> None:
    had, _ = alone.served(2)
    alone.collect(had)
    back(alone, target=tmp_path / "target")
    account = alone.account
    status = look(account.settings, account.ledger, now=alone.clock())
    assert "1 invoice of those counted as collected: a rollback" in " ".join(
        as_text(status).split()
    )


def test_what_the_software_is_just_taking_is_left_to_it(alone: Office, tmp_path: Path) -> None:
    fetched, waiting = alone.served(2)
    note_fetched(alone, fetched)
    folder = tmp_path / "target"
    balance = back(alone, target=folder)
    assert [it.hub_id for it in balance.people] == [fetched]
    assert len(out_of(alone, fetched)) == 1
    assert out_of(alone, waiting) == []
    collect(alone)
    assert roll_back(alone.account, Way(target=folder), APPLY) == 0
    rows = manifest(folder)["files"]
    outcomes = {row["hub_id"]: row["outcome"] for row in rows if row["kind"] == "invoice"}
    assert outcomes == {fetched: "already-collected", waiting: "to-import"}


def test_a_folder_that_is_not_empty_is_refused(alone: Office, tmp_path: Path) -> None:
    alone.served(1)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "x").touch()
    way = Way(target=tmp_path / "target")
    assert isinstance(failing(lambda: roll_back(alone.account, way, APPLY)), SettingsError)
    assert len(collect(alone)) == 1


def test_a_folder_that_is_not_empty_is_refused_with_the_plan(alone: Office, tmp_path: Path) -> None:
    alone.served(1)
    (tmp_path / "target" / "out").mkdir(parents=True)
    (tmp_path / "target" / "out" / "x").touch()
    way = Way(target=tmp_path / "target")
    assert isinstance(failing(lambda: rollback.plan(alone.account, way)), SettingsError)


def test_a_mailbox_of_empty_folders_is_no_new_folder(alone: Office, tmp_path: Path) -> None:
    alone.served(1)
    (tmp_path / "target" / "out").mkdir(parents=True)
    way = Way(target=tmp_path / "target")
    assert isinstance(failing(lambda: roll_back(alone.account, way, APPLY)), SettingsError)


def test_the_empty_folders_of_a_rollback_that_was_killed_are_taken(
    alone: Office, tmp_path: Path
) -> None:
    alone.served(1)
    Target(alone.account, tmp_path / "target").prepare()
    assert back(alone, target=tmp_path / "target").is_zero


def test_a_folder_in_the_mailbox_is_refused(alone: Office) -> None:
    alone.served(1)
    way = Way(target=alone.account.mailbox.root / "out" / "target")
    assert isinstance(failing(lambda: roll_back(alone.account, way, APPLY)), SettingsError)


def test_a_folder_that_cannot_be_made_leaves_the_choice_of_another(
    alone: Office, tmp_path: Path
) -> None:
    alone.served(1)
    (tmp_path / "file").touch()
    way = Way(target=tmp_path / "file" / "target")
    assert isinstance(failing(lambda: roll_back(alone.account, way, APPLY)), StorageError)
    assert back(alone, target=tmp_path / "target").is_zero


def test_a_second_run_into_a_folder_changes_nothing(alone: Office, tmp_path: Path) -> None:
    alone.served(1)
    way = Way(target=tmp_path / "target")
    assert roll_back(alone.account, way, APPLY) == 0
    for path in (tmp_path / "target" / "out").iterdir():
        path.unlink()  # imported
    assert roll_back(alone.account, way, APPLY) == 0
    assert list((tmp_path / "target" / "out").iterdir()) == []


# -- what the tests need ---------------------------------------------------------------------------


def note_fetched(town: Office, hub_id: str) -> None:
    """Let the ledger know that the software has fetched an invoice through a door."""
    (name,) = out_of(town, hub_id)
    with town.account.ledger.write() as connection:
        events.record(
            connection,
            "town",
            str(Happening.FETCH),
            at=town.clock(),
            hub_id=hub_id,  # type: ignore[arg-type]
            folder="out",
            name=name.removeprefix("out/"),
        )


@contextmanager
def away(town: Office, **which: Any) -> Iterator[None]:
    """Let the hub fail while the block runs, as if it were away."""
    town.sandbox.book.faults.fail(**({"status": 503, "times": None} | which))
    try:
        yield
    finally:
        town.sandbox.book.faults.clear()
        town.account.circuit.close()

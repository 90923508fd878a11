"""An old mailbox that is not mounted for a while: an empty folder stands where it was.

Its files have not gone, though no look finds them; what is put into the empty folder meanwhile has
not been taken by anybody when the real one is back.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.model import FeedName, HubId
from bridge.recording import FeedRecorder
from bridge.sandbox.server import Sandbox
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.way import Way
from tests.accounts import Office, Offices, failing, pull
from tests.moving import OldHub, collect, faults

APPLY = Wanted(by="test", apply=True, force=True)


@pytest.fixture
def old(sandbox: Sandbox, tmp_path: Path) -> OldHub:
    return OldHub(sandbox.book, tmp_path / "old")


@pytest.fixture
def town(open_account: Offices, old: OldHub) -> Office:
    """Give an account that REST serves, beside an old mailbox that is a folder."""
    town = old.open(open_account)
    assert cut_over(town.account, APPLY) == 0
    return town


def listen(town: Office) -> None:
    """Listen to the old mailbox, as `serve` does while REST serves."""
    FeedRecorder(town.account).round(FeedName.LEGACY, only_due=False)


def waiting(town: Office, old: OldHub, count: int) -> None:
    """Let so many invoices wait in both mailboxes."""
    for _ in range(count):
        old.both(town)
    pull(town)
    listen(town)


def unmount(old: OldHub) -> Path:
    """Take the old mailbox away, and leave the empty folders that lay below it."""
    away = old.root.rename(old.root.with_name("not-mounted"))
    OldHub(old.book, old.root)
    return away


def mount(old: OldHub, away: Path) -> None:
    shutil.rmtree(old.root)
    away.rename(old.root)


@pytest.mark.parametrize("looks", [0, 1, 2])
@pytest.mark.parametrize("delivered", [0, 1])
def test_what_a_rollback_put_where_the_old_mailbox_was_not_mounted_still_waits_when_it_is_back(
    looks: int, delivered: int, town: Office, old: OldHub
) -> None:
    waiting(town, old, 4)
    away = unmount(old)
    for _ in range(looks):
        listen(town)
    roll_back(town.account, Way(), APPLY)
    mount(old, away)
    for _ in range(delivered):
        old.both(town)
    for _ in range(3):
        pull(town)
    assert len(collect(town)) == 4 + delivered
    pull(town)
    assert collect(town) == []
    assert faults(town) == []


def test_nor_does_it_count_as_taken_where_both_folders_have_files_of_the_same_names(
    town: Office, old: OldHub
) -> None:
    same = [old.both(town) for _ in range(2)]
    alone = old.rest(town, 2)
    pull(town)
    for path in (town.account.mailbox.root / "out").iterdir():
        for hub_id in same:
            if f"@{hub_id}." in path.name:  # as the old hub calls it, too
                (name,) = old.has(hub_id)
                (old.root / "out" / name).rename(old.root / "out" / path.name)
    listen(town)
    away = unmount(old)
    listen(town)
    listen(town)
    assert roll_back(town.account, Way(), APPLY) == 0
    pull(town)
    mount(old, away)
    old.both(town)
    for _ in range(3):
        pull(town)
    assert len(collect(town)) == len(same) + len(alone) + 1
    assert faults(town) == []


def recorded_while_no_feed_serves(town: Office, old: OldHub, tmp_path: Path) -> list[HubId]:
    """Let three invoices come to the old mailbox after a rollback into a folder."""
    waiting(town, old, 1)
    hidden, way = old.root.rename(tmp_path / "hidden"), Way(target=tmp_path / "target", patience=0)
    assert roll_back(town.account, way, APPLY) == 0
    hidden.rename(old.root)
    came = [old.both(town) for _ in range(3)]
    assert roll_back(town.account, way, APPLY) == 0  # its balance has seen them there
    return came


def test_a_cutover_holds_back_what_went_with_all_of_the_old_mailbox_while_no_feed_served(
    town: Office, old: OldHub, tmp_path: Path
) -> None:
    came = recorded_while_no_feed_serves(town, old, tmp_path)
    away = unmount(old)
    assert cut_over(town.account, APPLY) == 1
    mount(old, away)
    assert [town.states(hub_id)[-1] for hub_id in came] == ["REGISTERED"] * 3
    assert cut_over(town.account, replace(APPLY, lacks=came)) == 0
    pull(town)
    assert len(collect(town)) == 3
    assert faults(town) == []


def test_what_a_person_says_with_the_cutover_that_finds_the_old_mailbox_empty_counts(
    town: Office, old: OldHub, tmp_path: Path
) -> None:
    had, *lacked = recorded_while_no_feed_serves(town, old, tmp_path)
    unmount(old)
    assert cut_over(town.account, replace(APPLY, has=[had], lacks=lacked)) == 0
    assert len(collect(town)) == len(lacked)
    assert faults(town) == []


@pytest.mark.parametrize("looks", [0, 1, 2, 3])
def test_a_rollback_is_refused_once_where_the_old_mailbox_was_emptied_at_once_whoever_saw_it_first(
    looks: int, town: Office, old: OldHub
) -> None:
    waiting(town, old, 5)
    away = unmount(old)
    for _ in range(looks):
        listen(town)
    error = failing(lambda: roll_back(town.account, Way(), APPLY))
    assert "Look whether it is the right mailbox" in str(error)
    assert town.account.feeds().serve is FeedName.REST
    mount(old, away)
    assert roll_back(town.account, Way(), APPLY) == 0
    assert len(collect(town)) == 5
    assert faults(town) == []


def test_a_rollback_goes_on_where_a_person_was_told_that_the_old_mailbox_was_emptied(
    town: Office, old: OldHub
) -> None:
    waiting(town, old, 5)
    unmount(old)
    listen(town)
    listen(town)
    failing(lambda: roll_back(town.account, Way(), replace(APPLY, apply=False)))
    assert roll_back(town.account, Way(), APPLY) == 0
    assert len(collect(town)) == 5


def test_an_old_mailbox_that_was_emptied_and_is_back_keeps_no_rollback(
    town: Office, old: OldHub
) -> None:
    waiting(town, old, 5)
    away = unmount(old)
    listen(town)
    listen(town)
    mount(old, away)
    listen(town)
    assert roll_back(town.account, Way(), APPLY) == 0
    assert len(collect(town)) == 5

"""A rehearsal: both moves on a copy; nobody else hears of it, and nothing is changed."""

import hashlib
from pathlib import Path

import pytest

from bridge.model import FeedName
from bridge.recording import FeedRecorder
from bridge.rounds import pull_round
from bridge.sandbox.server import Sandbox
from reconcile.moves.command import Wanted, cut_over, rehearse_both
from reconcile.moves.rehearsal import rehearse
from tests.accounts import Office, Offices
from tests.moving import OldHub, collect, names


@pytest.fixture
def old(sandbox: Sandbox, tmp_path: Path) -> OldHub:
    return OldHub(sandbox.book, tmp_path / "old")


@pytest.fixture
def town(open_account: Offices, old: OldHub) -> Office:
    """Give an account that its old mailbox serves, with everything in it."""
    office = old.open(open_account)
    old.both(office, attachments=1)
    pull_round(office.inbound, only_due=False)
    collect(office)
    old.both(office)
    old.rest(office)
    pull_round(office.inbound, only_due=False)
    FeedRecorder(office.account).round(FeedName.REST, only_due=False)
    return office


def everything(folder: Path) -> dict[str, str]:
    """Every file below a folder, by what it holds; of the database what it says."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("ledger.db") and "locks" not in path.parts
    }


def test_both_moves_end_with_a_balance_of_zero(town: Office) -> None:
    done = list(rehearse(town.account))
    assert [str(it.kind) for it in done] == ["cutover", "rollback"]
    assert [(it.balance.people, it.balance.lost, it.balance.twice) for it in done] == [
        ((), (), ())
    ] * 2


def test_nothing_of_the_originals_is_changed(town: Office, old: OldHub) -> None:
    data = town.account.settings.data_dir
    before = everything(data), everything(old.root), names(town)
    asked = len(town.sandbox.book.journal)
    assert rehearse_both(town.account, Wanted(by="test")) == 0
    assert (everything(data), everything(old.root), names(town)) == before
    assert len(town.sandbox.book.journal) == asked
    assert town.account.feeds().serve is FeedName.LEGACY


def test_after_a_cutover_the_way_back_comes_first(town: Office) -> None:
    cut_over(town.account, Wanted(by="test", apply=True, force=True))
    assert [str(it.kind) for it in rehearse(town.account)] == ["rollback", "cutover"]


def test_without_an_old_mailbox_it_goes_into_a_folder(open_account: Offices) -> None:
    alone = open_account()
    alone.served(2)
    done = list(rehearse(alone.account))
    assert all(it.balance.is_zero for it in done)

"""What a person gives a move that cannot be meant, and where a move must not leave a person stuck.

Nothing is done then, or the line that is printed says how it goes on, and that way is open.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import LocalError, SettingsError
from bridge.inbound.preparing import prepare
from bridge.ledger.moves import MoveKind
from bridge.model import FeedName, State
from bridge.recording import FeedRecorder
from bridge.rounds import pull_round, push_round
from bridge.sandbox.server import Sandbox
from bridge.status.looking import look
from bridge.status.text import as_text
from bridge.upkeep.repair import put_right
from reconcile.moves import switching
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.way import Way
from tests.accounts import Office, Offices, failing
from tests.breaking_off import broken_off_after
from tests.moving import OldHub, balanced, collect, faults, names

APPLY = Wanted(by="test", apply=True)
FORCED = replace(APPLY, force=True)


@pytest.fixture
def old(sandbox: Sandbox, tmp_path: Path) -> OldHub:
    return OldHub(sandbox.book, tmp_path / "old")


@pytest.fixture
def town(open_account: Offices, old: OldHub) -> Office:
    """Give an account that has cut over, with one invoice that waits in both mailboxes."""
    office = old.open(open_account)
    old.both(office)
    assert cut(office) == 0
    return office


def cut(town: Office, wanted: Wanted = FORCED) -> int:
    return cut_over(town.account, wanted)


def back(town: Office, target: Path | None = None, wanted: Wanted = APPLY, **way: Any) -> int:
    return roll_back(town.account, Way(target=target, patience=0, **way), wanted)


@contextmanager
def away(old: OldHub) -> Iterator[None]:
    """Let the old mailbox be out of reach while the block runs."""
    hidden = old.root.rename(old.root.with_name("hidden"))
    try:
        yield
    finally:
        hidden.rename(old.root)


def in_words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


# -- a folder that was not written ----------------------------------------------------------------


@pytest.mark.parametrize("apply", [True, False])
def test_a_rollback_that_went_into_one_folder_is_not_done_for_another(
    apply: bool, town: Office, old: OldHub, tmp_path: Path
) -> None:
    with away(old):
        assert back(town, tmp_path / "one") == 0
        error = failing(lambda: back(town, tmp_path / "two", replace(APPLY, apply=apply)))
    assert isinstance(error, SettingsError)
    assert f"the last rollback went into {tmp_path / 'one'}" in str(error)
    assert not (tmp_path / "two").exists()


def test_once_the_old_mailbox_serves_nothing_is_said_to_be_done_of_a_folder(
    town: Office, old: OldHub, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    assert back(town) == 0
    error = failing(lambda: back(town, target))
    assert isinstance(error, SettingsError)
    assert "cut over with --force" in str(error)
    with away(old):
        assert cut(town) == 0
        assert back(town, target) == 0
    assert len(list((target / "out").iterdir())) == 1
    assert names(town) == []


def test_a_rollback_without_a_folder_after_one_into_a_folder_says_that_the_old_mailbox_serves_not(
    town: Office, old: OldHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with away(old):
        assert back(town, tmp_path / "target") == 0
    capsys.readouterr()
    assert back(town) == 0
    assert "so the old mailbox does not serve. For it to serve again, cut over" in in_words(capsys)
    assert cut(town) == 0
    assert back(town) == 0
    assert town.account.feeds().serve is FeedName.LEGACY


@pytest.mark.parametrize("where", ["data/archive/x", "data/mailboxes/other/in", "old/out/x"])
def test_a_folder_that_lies_where_others_look_is_refused(
    where: str, town: Office, tmp_path: Path
) -> None:
    data = town.account.settings.data_dir
    target = data / where.removeprefix("data/") if "data/" in where else tmp_path / where
    error = failing(lambda: back(town, target))
    assert isinstance(error, SettingsError)
    assert "name a folder elsewhere" in str(error)
    assert not target.exists()


# -- a folder that is lost ------------------------------------------------------------------------


@pytest.mark.parametrize("apply", [True, False])
def test_a_cutover_after_a_rollback_whose_folder_is_gone_needs_a_person_who_says_that_all_was_had(
    apply: bool, town: Office, old: OldHub, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    with away(old):
        assert back(town, target) == 0
    shutil.rmtree(target)
    error = failing(lambda: cut(town, replace(APPLY, apply=apply)))
    assert isinstance(error, LocalError)
    assert f"--instead-of {target}" in str(error)
    assert town.account.feeds().serve is None
    assert back(town, tmp_path / "other", instead_of=target) == 0
    assert cut(town, APPLY) == 0


@pytest.mark.parametrize("apply", [True, False])
def test_who_has_imported_all_of_a_folder_that_is_gone_cuts_over_with_force_and_is_told_so(
    apply: bool, town: Office, old: OldHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with away(old):
        assert back(town, tmp_path / "target") == 0
    shutil.rmtree(tmp_path / "target")
    capsys.readouterr()
    assert cut(town, replace(FORCED, apply=apply)) == 0
    assert "With --force all of it counts as imported" in in_words(capsys)


def test_while_its_folder_is_gone_nobody_is_told_to_take_the_same_away_in_the_old_mailbox(
    town: Office, old: OldHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with away(old):
        assert back(town, tmp_path / "target") == 0
    shutil.rmtree(tmp_path / "target")
    capsys.readouterr()
    assert back(town, tmp_path / "target") == 1
    said = in_words(capsys)
    assert "the old mailbox offers it" in said
    assert "Take these files away" not in said
    assert len(old.names()) == 2


# -- nobody is left stuck -------------------------------------------------------------------------


def test_a_cutover_is_open_where_the_balance_of_a_rollback_into_a_folder_says_to_cut_over(
    town: Office, old: OldHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (stuck,) = old.rest(town)
    town.sandbox.book.faults.fail(status=500, times=None, operation="facturae", hub_id=stuck)
    with away(old):
        assert back(town, tmp_path / "target") == 1
    assert "Only the hub has it, and REST does not serve any more" in in_words(capsys)
    town.sandbox.book.faults.clear()
    assert cut(town) == 0
    pull_round(town.inbound, only_due=False)
    assert [name.rpartition("@")[2] for name in collect(town)] == [f"{stuck}.XML"]
    assert faults(town) == []


def test_what_only_the_hub_has_since_the_old_mailbox_was_tidied_is_brought_by_the_next_cutover(
    town: Office, old: OldHub, capsys: pytest.CaptureFixture[str]
) -> None:
    stuck = old.both(town)
    town.sandbox.book.faults.fail(status=500, times=None, operation="facturae", hub_id=stuck)
    FeedRecorder(town.account).round(FeedName.LEGACY, only_due=False)
    (old.root / "out" / old.has(stuck)[0]).unlink()
    assert back(town) == 1
    assert "or cut over again" in in_words(capsys)
    town.sandbox.book.faults.clear()
    assert cut(town) == 0
    pull_round(town.inbound, only_due=False)
    assert f"{stuck}.XML" in [name.rpartition("@")[2] for name in collect(town)]
    assert faults(town) == []


def test_what_lies_in_the_old_mailbox_alone_while_no_feed_serves_is_said_to_lie_there(
    town: Office, old: OldHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with away(old):
        assert back(town, tmp_path / "target") == 0
    alone = old.both(town)
    town.sandbox.book.set_state(alone, State.DELIVERED)
    capsys.readouterr()
    assert back(town, tmp_path / "target") == 1
    said = in_words(capsys)
    assert "It lies in the old mailbox, which does not serve." in said
    assert "none of the places" not in said
    assert back(town, tmp_path / "target", replace(APPLY, has=[alone])) == 0
    assert old.has(alone) == []


@pytest.mark.parametrize("steps", [9, 16, 23, 30])
def test_who_cannot_roll_back_after_all_stays_with_rest_and_may_do_it_later(
    steps: int, town: Office, old: OldHub, open_account: Offices
) -> None:
    delivered = [*old.rest(town, 2, attachments=1), old.both(town)]
    pull_round(town.inbound, only_due=False)
    with broken_off_after(steps):
        back(town)
    town = old.open(open_account)
    put_right(town.account)
    prepare(town.account)
    assert town.account.feeds().serve is FeedName.REST
    error = failing(lambda: cut(town, replace(APPLY, apply=False)))
    assert "or cut over with --apply, to stay with REST" in str(error)
    assert cut(town, APPLY) == 0
    town.collect(delivered[0])
    assert back(town) == 0
    assert len(old.has(delivered[0])) == 0
    assert len(collect(town)) == 3
    push_round(town.account, only_due=False)
    assert old.names() == []
    assert faults(town) == []


def test_status_says_that_a_move_was_begun_and_has_not_ended_and_which_feed_serves(
    town: Office, old: OldHub
) -> None:
    account = town.account

    def said() -> str:
        status = look(account.settings, account.ledger, now=account.clock())
        return " ".join(as_text(status).split())

    switching.begin(account, MoveKind.ROLLBACK, Way().options, by="test", note={})
    assert "The rollback that was begun" in said()
    assert "has not ended; rest serves now" in said()
    assert "give its command again, with the same options" in said()
    assert back(town) == 0
    assert "has not ended" not in said()


# -- wrong options --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x80", b"[1]", b"", b"\x00" * 9])
def test_a_plan_that_is_none_is_refused_whatever_bytes_it_has(
    content: bytes, town: Office, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    wanted = replace(APPLY, plan_file=path)
    for move in (lambda: back(town, wanted=wanted), lambda: cut(town, wanted)):
        error = failing(move)
        assert isinstance(error, SettingsError)
        assert "is no plan of a move" in str(error)


def test_a_plan_for_one_folder_is_refused_with_another(town: Office, tmp_path: Path) -> None:
    wanted = replace(APPLY, plan_file=tmp_path / "plan.json")
    assert back(town, tmp_path / "a", wanted=replace(wanted, apply=False)) == 0
    error = failing(lambda: back(town, tmp_path / "b", wanted=wanted))
    assert f"the plan says {tmp_path / 'a'}, and it is {tmp_path / 'b'}" in str(error)
    assert not (tmp_path / "b").exists()
    assert back(town, tmp_path / "a", wanted=wanted) == 0


@pytest.mark.parametrize("move", [cut, back])
def test_a_page_that_cannot_be_written_is_refused_before_anything_is_moved(
    move: Any, town: Office, old: OldHub, tmp_path: Path
) -> None:
    if move is cut:
        assert back(town) == 0
    before = town.account.feeds()
    for page in (tmp_path, tmp_path / "missing" / "balance.html"):
        error = failing(lambda page=page: move(town, wanted=replace(FORCED, output=page)))
        assert isinstance(error, SettingsError)
        assert "nothing was done" in str(error)
    assert town.account.feeds() == before


def test_who_says_that_the_software_lacks_what_it_took_is_told_where_its_file_is(
    town: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (town.account.mailbox.root / "out").iterdir()
    content, hub_id = path.read_bytes(), path.stem.rpartition("@")[2]
    collect(town)
    pull_round(town.inbound, only_due=False)
    assert cut(town, replace(APPLY, lacks=[hub_id])) == 0
    said = capsys.readouterr().err
    assert f"{hub_id}: --lacks changes nothing" in said
    assert Path(said.rpartition(": ")[2].strip()).read_bytes() == content


def test_who_says_both_of_one_invoice_is_asked_which(town: Office, old: OldHub) -> None:
    (hub_id,) = (name.rpartition("@")[2].removesuffix(".XML") for name in names(town)[:1])
    error = failing(lambda: cut(town, replace(APPLY, has=[hub_id], lacks=[hub_id])))
    assert isinstance(error, SettingsError)
    assert balanced(town).is_zero
    assert len(names(town)) == 2

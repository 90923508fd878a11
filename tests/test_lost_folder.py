"""A rollback's folder that was lost before anything was imported: another takes its place."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import LocalError, SettingsError
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.elsewhere import lead_elsewhere
from reconcile.moves.way import Way
from tests.accounts import Office, Offices, annotated, failing, state_file
from tests.moving import faults, names, out_of
from tests.test_rollback import note_fetched

APPLY = Wanted(by="test", apply=True)


@pytest.fixture
def alone(open_account: Offices) -> Office:
    """Give an account without an old mailbox, with three invoices: one is collected, two wait."""
    office = open_account()
    had, *_ = office.served(3, attachments=True)
    office.collect(had)
    return office


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    return tmp_path / "lost"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return tmp_path / "other"


def into(town: Office, target: Path, *, instead_of: Path | None = None) -> int:
    return roll_back(town.account, Way(target=target, instead_of=instead_of, patience=0), APPLY)


def in_hands(town: Office) -> str:
    """Let the software have fetched one of what waits, so that a rollback is not ended yet."""
    name = next(name for name in names(town) if name.startswith("out/"))
    hub_id = name.rpartition("@")[2].partition(".")[0]
    note_fetched(town, hub_id)
    return hub_id


def as_it_was(folder: Path) -> dict[str, str]:
    """What the manifest names, each file read back; by path."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    for it in files:
        content = (folder / it["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == it["sha256"]
    return {it["path"]: it["sha256"] for it in files}


def test_all_that_went_into_a_lost_folder_goes_into_another_one(
    alone: Office, lost: Path, other: Path
) -> None:
    alone.drop("a.XML", state_file(annotated(alone.add()[0])))
    assert into(alone, lost) == 0
    before = as_it_was(lost)
    shutil.rmtree(lost)
    assert into(alone, other, instead_of=lost) == 0
    assert as_it_was(other) == before
    assert faults(alone) == []


def test_it_may_be_written_again_at_the_same_place(alone: Office, lost: Path) -> None:
    assert into(alone, lost) == 0
    before = as_it_was(lost)
    shutil.rmtree(lost)
    lost.mkdir()
    assert into(alone, lost, instead_of=lost) == 0
    assert as_it_was(lost) == before


def test_a_second_run_changes_nothing_also_when_it_was_imported(
    alone: Office, lost: Path, other: Path
) -> None:
    assert into(alone, lost) == 0
    shutil.rmtree(lost)
    assert into(alone, other, instead_of=lost) == 0
    for path in (other / "out").iterdir():
        path.unlink()  # imported
    assert into(alone, other, instead_of=lost) == 0
    assert into(alone, other) == 0
    assert list((other / "out").iterdir()) == []


def test_a_rollback_that_goes_on_says_that_its_folder_is_gone_and_makes_no_half_one(
    alone: Office, lost: Path, other: Path
) -> None:
    held = in_hands(alone)
    assert into(alone, lost) == 1
    shutil.rmtree(lost)
    error = failing(lambda: into(alone, lost))
    assert isinstance(error, SettingsError)
    assert f"--instead-of {lost}" in str(error)
    assert not lost.exists()
    error = failing(lambda: into(alone, other))
    assert isinstance(error, SettingsError)
    assert "--instead-of" in str(error)
    assert into(alone, other, instead_of=lost) == 1
    alone.collect(held)
    assert into(alone, other) == 0
    assert len(list((other / "out").iterdir())) == 1
    assert out_of(alone, held) == []
    assert any(f"@{held}." in path for path in as_it_was(other) if path.startswith("collected/"))
    assert faults(alone) == []


def test_an_ended_rollback_given_again_says_that_its_folder_is_gone_and_proves_nothing(
    alone: Office, lost: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert into(alone, lost) == 0
    shutil.rmtree(lost)
    capsys.readouterr()
    assert into(alone, lost) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Not read back: the folder" in said
    assert "2 invoices went into it" in said
    assert f"--instead-of {lost}" in said
    assert "Every invoice is in exactly one place" not in said
    lost.mkdir()  # the place for its disk, which is not there
    assert into(alone, lost) == 1
    assert into(alone, other, instead_of=lost) == 0
    assert into(alone, other) == 0


def test_one_invoice_that_went_into_a_folder_that_is_gone_is_told_as_one(
    open_account: Offices, lost: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    town = open_account()
    town.served(1)
    assert into(town, lost) == 0
    shutil.rmtree(lost)
    assert into(town, lost) == 1
    assert "and 1 invoice went into it" in " ".join(capsys.readouterr().out.split())


def test_a_folder_of_which_all_was_taken_is_still_there(alone: Office, lost: Path) -> None:
    assert into(alone, lost) == 0
    for name in ("out", "adjout", "statout", "statin", "collected"):
        shutil.rmtree(lost / name)
    assert into(alone, lost) == 0


def test_one_that_was_broken_off_right_after_it_was_led_elsewhere_goes_on(
    alone: Office, lost: Path, other: Path
) -> None:
    assert into(alone, lost) == 0
    before = as_it_was(lost)
    shutil.rmtree(lost)
    way = Way(target=other, instead_of=lost, patience=0)
    lead_elsewhere(alone.account, way, by="test")
    assert roll_back(alone.account, way, APPLY) == 0
    assert as_it_was(other) == before


def test_a_folder_that_is_still_there_is_not_lost(alone: Office, lost: Path, other: Path) -> None:
    assert into(alone, lost) == 0
    error = failing(lambda: into(alone, other, instead_of=lost))
    assert isinstance(error, SettingsError)
    assert "still there" in str(error)
    assert not other.exists()


def test_who_imported_all_of_a_folder_before_its_rollback_ended_cuts_over_with_force(
    alone: Office, lost: Path
) -> None:
    hub_id = in_hands(alone)
    assert into(alone, lost) == 1
    shutil.rmtree(lost)
    assert "If all of it was imported, cut over with --force" in str(
        failing(lambda: into(alone, lost))
    )
    assert isinstance(failing(lambda: cut_over(alone.account, APPLY)), LocalError)
    assert cut_over(alone.account, replace(APPLY, force=True)) == 0
    assert [name.rpartition("@")[2] for name in names(alone) if "out/" in name[:4]] == [
        f"{hub_id}.XML"
    ]
    assert faults(alone) == []


def test_of_a_folder_that_is_not_finished_nobody_is_told_to_import(
    alone: Office, lost: Path, other: Path
) -> None:
    in_hands(alone)
    assert into(alone, lost) == 1
    said = str(failing(lambda: into(alone, other, instead_of=lost)))
    assert f"Give the command with --target {lost} until it has ended" in said
    assert "Import from it" not in said


def test_a_folder_that_no_rollback_went_into_is_not_lost(
    alone: Office, lost: Path, other: Path, tmp_path: Path
) -> None:
    assert isinstance(failing(lambda: into(alone, other, instead_of=lost)), SettingsError)
    assert into(alone, lost) == 0
    error = failing(lambda: into(alone, other, instead_of=tmp_path / "strange"))
    assert isinstance(error, SettingsError)
    assert str(lost) in str(error)


def test_without_apply_it_only_says_how_many_will_be_written(
    alone: Office, lost: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert into(alone, lost) == 0
    shutil.rmtree(lost)
    capsys.readouterr()
    way = Way(target=other, instead_of=lost)
    assert roll_back(alone.account, way, replace(APPLY, apply=False)) == 0
    assert "2 invoices" in capsys.readouterr().out
    assert not other.exists()


def test_as_json_it_says_so_too(
    alone: Office, lost: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert into(alone, lost) == 0
    shutil.rmtree(lost)
    capsys.readouterr()
    way, wanted = Way(target=other, instead_of=lost), replace(APPLY, apply=False, as_json=True)
    assert roll_back(alone.account, way, wanted) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["to_be_written_again"] == 2
    assert (document["instead_of"], document["target"]) == (str(lost), str(other))

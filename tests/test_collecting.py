"""Collected is what the software deleted: not what it renamed, and never a second time."""

import shutil
from collections.abc import Callable

import pytest

from bridge.ledger import histories
from bridge.mailbox import PLACE_AGAIN
from bridge.model import HubId
from tests.accounts import Office, failing

Open = Callable[..., Office]


def kinds(office: Office, hub_id: HubId) -> list[str]:
    with office.account.ledger.read() as connection:
        return [event.kind for event in histories.events(connection, hub_id)]


def test_a_renamed_file_is_collected_once_it_has_gone(office: Office) -> None:
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    renamed = path.rename(path.with_suffix(".imported"))
    office.push()
    office.pull()
    assert office.delivery(hub_id).state == "placed"
    assert office.states(hub_id)[-1] == "REGISTERED"
    assert not office.out_of(hub_id)
    renamed.unlink()
    office.push()
    assert office.delivery(hub_id).state == "acknowledged"
    office.pull()
    assert not office.out_of(hub_id)


def test_in_a_mailbox_that_was_copied_a_renamed_file_is_not_collected_either(
    office: Office,
) -> None:
    """`cp -r` makes files of their own: none is the archived one any more."""
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    renamed = path.with_suffix(".imported")
    shutil.copy(path, renamed)
    path.unlink()
    office.push()
    assert office.delivery(hub_id).state == "placed"
    renamed.unlink()
    office.push()
    assert office.delivery(hub_id).state == "acknowledged"


def test_a_file_of_the_same_size_is_not_taken_for_a_renamed_one(office: Office) -> None:
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    path.with_suffix(".note").write_bytes(b"x" * path.stat().st_size)
    path.unlink()
    office.push()
    assert office.delivery(hub_id).state == "acknowledged"


def test_a_file_with_the_bytes_of_another_is_not_taken_for_it(office: Office) -> None:
    """Two invoices enclose the same file: the archive holds it once."""
    one, two = office.add(2)
    for hub_id in (one, two):
        office.sandbox.book.add_attachment(hub_id, "a.pdf", b"%PDF-1.4 the same")
    office.pull()
    (collected,) = office.folder("adjout").glob(f"*@{one}@*")
    collected.unlink()
    office.push()
    assert kinds(office, one).count("attachment collected") == 1
    assert kinds(office, two).count("attachment collected") == 0


def test_a_collected_file_that_comes_back_is_taken_away(office: Office) -> None:
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    backup = shutil.copy(path, office.account.settings.data_dir)
    path.unlink()
    office.push()
    shutil.copy(backup, path)
    office.push()
    assert not office.out_of(hub_id)
    assert kinds(office, hub_id)[-1] == "file taken away: collected before"
    assert office.patches(hub_id) == ["DELIVERED"]


def test_what_comes_back_after_it_left_the_archive_is_archived_again(office: Office) -> None:
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    content, kept = path.read_bytes(), office.account.mailbox.archive.path(office.digest(hub_id))
    path.unlink()
    office.push()
    kept.unlink()
    path.write_bytes(content)
    office.push()
    assert not office.out_of(hub_id)
    assert kept.read_bytes() == content


def test_another_file_under_a_collected_name_is_left_alone(office: Office) -> None:
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    path.unlink()
    office.push()
    path.write_bytes(b"a note of somebody's")
    office.push()
    assert path.read_bytes() == b"a note of somebody's"


@pytest.mark.parametrize("folder", ["statout", "adjout"])
def test_deleting_what_lies_beside_an_invoice_does_not_collect_it(
    office: Office, folder: str
) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"%PDF-1.4")
    office.pull()
    for path in office.folder(folder).iterdir():
        path.unlink()
    office.push()
    assert office.delivery(hub_id).state == "placed"
    assert office.states(hub_id)[-1] == "REGISTERED"
    office.pull()
    assert office.names(folder) == []
    office.collect(hub_id)
    office.push()
    assert office.delivery(hub_id).state == "acknowledged"


def test_what_went_with_its_folder_is_placed_again_where_a_person_says_so(
    office: Office,
) -> None:
    """An older copy of the mailbox was put back: what came since is missing in it."""
    (old,) = office.served()
    office.push()
    copy = shutil.copytree(office.folder("out"), office.account.settings.data_dir / "copy")
    (new,) = office.served()
    office.push()
    shutil.rmtree(office.folder("out"))
    copy.rename(office.folder("out"))
    error = failing(office.push)
    assert PLACE_AGAIN in str(error)
    (office.account.mailbox.root / PLACE_AGAIN).touch()
    office.push()
    assert office.out_of(old)
    assert office.out_of(new)
    assert office.delivery(new).state == "placed"
    assert office.states(new)[-1] == "REGISTERED"

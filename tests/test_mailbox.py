"""The mailbox and its archive: atomic steps, each safe to repeat."""

import os
from pathlib import Path

import pytest

from bridge.durable import lock, write_file
from bridge.errors import StorageError
from bridge.mailbox import MARK, Mailbox, MailboxGoneError, NameTakenError
from bridge.model import Digest
from bridge.naming import Folder, parse_profile
from bridge.settings import read_profile
from tests.accounts import failing


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    made = Mailbox(tmp_path, "town", parse_profile(read_profile("efact")))
    made.prepare(None)
    return made


def ready(mailbox: Mailbox, name: str, content: bytes) -> Digest:
    digest = mailbox.keep_bytes(content, purpose="fetch")
    mailbox.make_ready([(Folder.OUT, name, digest)])
    return digest


def out(mailbox: Mailbox) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in mailbox.folder(Folder.OUT).iterdir()}


# -- the archive -------------------------------------------------------------------------------


def test_bytes_are_kept_once_by_digest(mailbox: Mailbox) -> None:
    first = mailbox.keep_bytes(b"same", purpose="fetch")
    inode = mailbox.archive.path(first).stat().st_ino
    assert mailbox.keep_bytes(b"same", purpose="take") == first
    assert mailbox.archive.path(first).stat().st_ino == inode
    assert mailbox.archive.read(first) == b"same"


def test_keeping_again_after_a_crash_in_the_middle_ends_the_same(mailbox: Mailbox) -> None:
    """The link was made, the staged name was not yet removed."""
    staged = mailbox.staged("fetch")
    digest = write_file(staged, b"x")
    kept = mailbox.archive.path(digest)
    kept.parent.mkdir(parents=True, exist_ok=True)
    os.link(staged, kept)
    mailbox.archive.keep(staged, digest)
    assert not staged.exists()
    assert mailbox.archive.read(digest) == b"x"


def test_bytes_that_are_not_in_the_archive_are_a_fault(mailbox: Mailbox) -> None:
    with pytest.raises(StorageError, match="archive"):
        mailbox.archive.read(Digest("0" * 64))


# -- becoming visible --------------------------------------------------------------------------


def test_what_is_ready_is_not_visible(mailbox: Mailbox) -> None:
    ready(mailbox, "a.XML", b"x")
    assert out(mailbox) == {}


def test_a_file_becomes_visible_in_one_step_and_without_a_copy(mailbox: Mailbox) -> None:
    digest = ready(mailbox, "a.XML", b"x")
    assert mailbox.show(Folder.OUT, "a.XML")
    assert out(mailbox) == {"a.XML": b"x"}
    assert mailbox.archive.path(digest).samefile(mailbox.folder(Folder.OUT) / "a.XML")


def test_showing_twice_is_one_effect(mailbox: Mailbox) -> None:
    ready(mailbox, "a.XML", b"x")
    mailbox.show(Folder.OUT, "a.XML")
    assert mailbox.show(Folder.OUT, "a.XML")
    assert out(mailbox) == {"a.XML": b"x"}


def test_showing_what_was_collected_shows_nothing_and_says_so(mailbox: Mailbox) -> None:
    ready(mailbox, "a.XML", b"x")
    mailbox.show(Folder.OUT, "a.XML")
    (mailbox.folder(Folder.OUT) / "a.XML").unlink()
    assert not mailbox.show(Folder.OUT, "a.XML")
    assert out(mailbox) == {}


def test_a_foreign_file_is_never_replaced(mailbox: Mailbox) -> None:
    (mailbox.folder(Folder.OUT) / "a.XML").write_bytes(b"foreign")
    ready(mailbox, "a.XML", b"x")
    with pytest.raises(NameTakenError, match=r"a\.XML.*move it away"):
        mailbox.show(Folder.OUT, "a.XML")
    assert out(mailbox) == {"a.XML": b"foreign"}


def test_making_ready_again_ends_the_same(mailbox: Mailbox) -> None:
    ready(mailbox, "a.XML", b"old")
    ready(mailbox, "a.XML", b"new")
    mailbox.show(Folder.OUT, "a.XML")
    assert out(mailbox) == {"a.XML": b"new"}


def test_the_same_name_in_two_folders_is_two_files(mailbox: Mailbox) -> None:
    one = mailbox.keep_bytes(b"1", purpose="fetch")
    two = mailbox.keep_bytes(b"2", purpose="fetch")
    mailbox.make_ready([(Folder.OUT, "a", one), (Folder.ADJOUT, "a", two)])
    mailbox.show(Folder.ADJOUT, "a")
    mailbox.show(Folder.OUT, "a")
    assert (mailbox.folder(Folder.ADJOUT) / "a").read_bytes() == b"2"
    assert (mailbox.folder(Folder.OUT) / "a").read_bytes() == b"1"


# -- the mark ----------------------------------------------------------------------------------


def test_the_folders_of_the_profile_are_made(mailbox: Mailbox) -> None:
    assert all(mailbox.folder(role).is_dir() for role in Folder)


def test_a_mailbox_is_recognised_by_its_mark(mailbox: Mailbox) -> None:
    mark = (mailbox.root / MARK).read_text().strip()
    assert mailbox.prepare(mark) == mark
    with pytest.raises(MailboxGoneError, match="not mounted"):
        mailbox.prepare("another")


def test_a_mark_that_a_crash_left_empty_is_written_again(tmp_path: Path) -> None:
    made = Mailbox(tmp_path, "town", parse_profile(read_profile("efact")))
    made.root.mkdir(parents=True)
    (made.root / MARK).touch()
    mark = made.prepare(None)
    assert mark
    (made.root / MARK).unlink()
    assert isinstance(failing(lambda: made.prepare(mark)), MailboxGoneError)


def test_a_statin_that_is_missing_is_made_again(mailbox: Mailbox) -> None:
    mark = (mailbox.root / MARK).read_text().strip()
    mailbox.folder(Folder.STATIN).rmdir()
    mailbox.prepare(mark)
    assert mailbox.folder(Folder.STATIN).is_dir()


@pytest.mark.parametrize("role", [Folder.OUT, Folder.ADJOUT, Folder.STATOUT])
def test_a_folder_that_was_filled_and_is_missing_is_a_fault(mailbox: Mailbox, role: Folder) -> None:
    mark = (mailbox.root / MARK).read_text().strip()
    mailbox.folder(role).rmdir()
    with pytest.raises(MailboxGoneError):
        mailbox.prepare(mark)


# -- locks -------------------------------------------------------------------------------------


def test_two_rounds_of_one_direction_do_not_meet(mailbox: Mailbox) -> None:
    with (
        mailbox.turn("inbound"),
        pytest.raises(StorageError, match="another efact-bridge"),
        mailbox.turn("inbound", wait=0),
    ):
        pass


def test_the_two_directions_do_not_wait_for_each_other(mailbox: Mailbox) -> None:
    with mailbox.turn("inbound"), mailbox.turn("outbound", wait=0):
        pass


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    with lock(tmp_path / "it", wait=0):
        pass
    with lock(tmp_path / "it", wait=0):
        pass

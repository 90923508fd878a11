"""The sandbox's old mailbox behind its door: there to be read, emptied, written to and sorted."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.doctor import Finding, Verdict, examine
from bridge.feeds.legacy import Contents, OldMailboxWriter, open_reader, open_writer
from bridge.naming import Folder, parse_profile
from bridge.sandbox.old_mailbox import OldMailbox
from bridge.sandbox.server import Sandbox
from bridge.settings import AccountSettings, LegacySettings, Settings, read_profile
from tests.old_mailboxes import secret
from tests.test_sandbox_old_mailbox import client_of

PROFILE = parse_profile(read_profile("efact"))


@pytest.fixture
def old() -> Iterator[OldMailbox]:
    with Sandbox(invoices=4, old_mailbox=True) as running:
        assert running.old_mailbox is not None
        yield running.old_mailbox


@pytest.fixture
def legacy(old: OldMailbox, tmp_path: Path) -> LegacySettings:
    password = secret(tmp_path / "password", old.password)
    return LegacySettings(url=old.url, password_file=password, host_key=old.host_key)


@pytest.fixture
def mailbox(legacy: LegacySettings) -> Iterator[OldMailboxWriter]:
    with open_writer(legacy, PROFILE) as mailbox:
        yield mailbox


def test_what_the_old_hub_delivered_is_listed_and_read(
    old: OldMailbox, legacy: LegacySettings
) -> None:
    with open_reader(legacy, PROFILE) as mailbox:
        read = {entry.path: mailbox.read(entry) for entry in mailbox.entries()}
    assert len(read) >= 8
    for path, what in read.items():
        assert isinstance(what, Contents)
        assert what.content == (old.root / path).read_bytes()


def test_what_was_collected_can_be_deleted_there(
    old: OldMailbox, mailbox: OldMailboxWriter
) -> None:
    entries = list(mailbox.entries({Folder.OUT}))
    assert all(mailbox.delete(entry) for entry in entries)
    assert not any(old.folder(Folder.OUT).iterdir())


def test_what_was_collected_can_be_moved_aside_into_a_new_folder(
    old: OldMailbox, mailbox: OldMailboxWriter
) -> None:
    entry, *_ = mailbox.entries({Folder.OUT})
    content = (old.root / entry.path).read_bytes()
    moved = mailbox.move(entry, "collected-by-rest/out")
    assert moved == f"collected-by-rest/{entry.path}"
    assert (old.root / moved).read_bytes() == content
    assert not (old.root / entry.path).exists()


@pytest.mark.parametrize("folder", [Folder.OUT, Folder.ADJOUT, Folder.STATOUT])
def test_what_is_put_into_a_folder_that_the_hub_fills_stands_there_whole(
    old: OldMailbox, mailbox: OldMailboxWriter, folder: Folder
) -> None:
    mailbox.lay_ready(folder, "a@b@c@1.XML", b"<a/>")
    assert not (old.folder(folder) / "a@b@c@1.XML").exists()
    assert mailbox.show_ready(folder, "a@b@c@1.XML")
    assert mailbox.put(folder, "a@b@c@2.XML", b"<a/>") == f"{folder}/a@b@c@2.XML"
    there = [path for path in old.folder(folder).iterdir() if path.read_bytes() == b"<a/>"]
    assert sorted(path.name for path in there) == ["a@b@c@1.XML", "a@b@c@2.XML"]


def test_a_client_sees_the_folders_that_were_made_and_what_lies_in_them(
    old: OldMailbox, mailbox: OldMailboxWriter
) -> None:
    entry, *_ = mailbox.entries({Folder.OUT})
    mailbox.move(entry, "collected-by-rest/out")
    with client_of(old) as sftp:
        assert "collected-by-rest" in sftp.listdir("/")
        assert sftp.listdir("/collected-by-rest") == ["out"]
        (row,) = sftp.listdir_attr("/COLLECTED-BY-REST/../collected-by-rest/out")
        assert f"out/{row.filename}" == entry.path
        sftp.rename(f"/collected-by-rest/out/{row.filename}", f"/out/{row.filename}")
        with pytest.raises(OSError, match="exists"):
            sftp.rename(f"/out/{row.filename}", f"/out/{row.filename}")
        with pytest.raises(FileNotFoundError):
            sftp.mkdir("/nowhere/within")
    assert (old.root / entry.path).is_file()


def test_a_state_file_that_is_taken_at_once_was_put(mailbox: OldMailboxWriter) -> None:
    for number in range(20):
        mailbox.put(Folder.STATIN, f"a@b@{number}.XML", b"<no-feedback/>")


def examined(tmp_path: Path, legacy: LegacySettings) -> list[Finding]:
    account = AccountSettings(
        name="town",
        issuer="hub_0012",
        secret_file=secret(tmp_path / "secret", ""),
        shadow="legacy",
        legacy=legacy,
    )
    settings = Settings(data_dir=tmp_path / "data", account=(account,))
    return [it for it in examine(settings) if it.what == "account town: old mailbox"]


def test_check_tells_what_the_old_mailbox_holds(
    old: OldMailbox, legacy: LegacySettings, tmp_path: Path
) -> None:
    (finding,) = examined(tmp_path, legacy)
    assert finding.verdict is Verdict.OK
    held = Counter(path.parent.name for path in old.root.rglob("*") if path.is_file())
    assert f"{held['out']} in out, " in finding.said
    assert "folders: adjin, adjout, in, out, statin, statout" in finding.said


def test_check_tells_a_wrong_host_key(legacy: LegacySettings, tmp_path: Path) -> None:
    other = legacy.model_copy(update={"host_key": "SHA256:" + "A" * 43})
    (finding,) = examined(tmp_path, other)
    assert finding.verdict is Verdict.FAILED
    assert "not the server that host_key names" in finding.said


def test_check_looks_into_a_folder_of_old_files(tmp_path: Path) -> None:
    (tmp_path / "old" / "2024" / "OUT").mkdir(parents=True)
    (tmp_path / "old" / "2024" / "OUT" / "a.XML").touch()
    (tmp_path / "old" / "b.pdf").touch()
    (finding,) = examined(tmp_path, LegacySettings(url=f"file://{tmp_path}/old"))
    assert finding.said.endswith("/old can be read; files: 1 in out, 1 elsewhere")


def test_check_warns_of_a_password_in_the_clear(tmp_path: Path) -> None:
    warning, failed = examined(tmp_path, LegacySettings(url="ftp://town@old-mailbox.invalid/"))
    assert (warning.verdict, failed.verdict) == (Verdict.WARNING, Verdict.FAILED)

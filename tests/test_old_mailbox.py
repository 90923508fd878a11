"""The old mailbox as the legacy feed sees it: one contract for every kind of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.feeds.legacy import (
    Contents,
    OldMailboxReader,
    OldMailboxWriter,
    open_reader,
    open_writer,
)
from bridge.naming import Folder, parse_profile
from bridge.sandbox.server import Sandbox
from bridge.settings import LegacySettings, read_profile

PROFILE = parse_profile(read_profile("efact"))
WRITES = {"put", "delete", "move"}


def test_a_reader_has_no_method_that_writes() -> None:
    assert not WRITES & set(dir(OldMailboxReader))
    assert set(dir(OldMailboxWriter)) >= WRITES


@pytest.fixture
def legacy(tmp_path: Path) -> Iterator[LegacySettings]:
    with Sandbox(invoices=4, old_mailbox=True) as sandbox:
        old = sandbox.old_mailbox
        assert old is not None
        password = tmp_path / "password"
        password.touch(mode=0o600)
        password.write_text(old.password)
        yield LegacySettings(url=old.url, password_file=password, host_key=old.host_key)


def test_what_the_old_hub_delivered_is_listed_and_read(legacy: LegacySettings) -> None:
    with open_reader(legacy, PROFILE) as mailbox:
        entries = list(mailbox.entries())
        assert {entry.role for entry in entries} >= {Folder.OUT, Folder.STATOUT}
        assert all(isinstance(mailbox.read(entry), Contents) for entry in entries)


def test_what_is_put_can_be_moved_and_deleted(legacy: LegacySettings) -> None:
    with open_writer(legacy, PROFILE) as mailbox:
        path = mailbox.put(Folder.STATIN, "a@b@c.part", b"<x/>")
        entry = mailbox.look(path)
        assert entry is not None
        assert mailbox.delete(entry)
        assert not mailbox.delete(entry)


def test_a_folder_is_a_mailbox_too(tmp_path: Path) -> None:
    (tmp_path / "2024" / "OUT").mkdir(parents=True)
    (tmp_path / "2024" / "OUT" / "a.XML").write_bytes(b"<x/>")
    with open_writer(LegacySettings(url=f"file://{tmp_path}"), PROFILE) as mailbox:
        (entry,) = mailbox.entries()
        assert entry.role is Folder.OUT
        assert mailbox.move(entry, "collected-by-rest/out") == "collected-by-rest/out/a.XML"
        assert mailbox.move(entry, "collected-by-rest/out") == "collected-by-rest/out/a.XML"
        assert mailbox.put(Folder.ADJOUT, "b.pdf", b"%PDF") == "adjout/b.pdf"

"""The old mailbox as the legacy feed sees it: one contract for every kind of it."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.errors import (
    OldMailboxAwayError,
    OldMailboxFileError,
    OldMailboxUnwritableError,
)
from bridge.feeds.legacy import (
    Contents,
    Entry,
    NotRead,
    OldMailboxReader,
    OldMailboxWriter,
    Why,
    open_reader,
    open_writer,
)
from bridge.feeds.legacy.folder import WritableFolderLine
from bridge.feeds.legacy.troubles import BrokenLineError
from bridge.filename import raw_of
from bridge.naming import Folder, parse_profile
from bridge.settings import LegacySettings, read_profile
from tests.old_mailboxes import KINDS, LIVE, OldServer, Servers, old_server
from tests.small_disk import small_disk

PROFILE = parse_profile(read_profile("efact"))
WRITES = {"put", "delete", "move"}


@pytest.fixture(params=KINDS)
def old(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> OldServer:
    """Give an empty mailbox of each kind."""
    return servers(request.param).mailbox(tmp_path.name)


@pytest.fixture(params=LIVE)
def live(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> OldServer:
    """Give an empty mailbox behind each kind of server."""
    return servers(request.param).mailbox(tmp_path.name)


def entries_of(legacy: LegacySettings) -> list[Entry]:
    with open_reader(legacy, PROFILE) as mailbox:
        return list(mailbox.entries())


def paths_of(legacy: LegacySettings) -> list[str]:
    return sorted(entry.path for entry in entries_of(legacy))


def files_in(root: Path) -> dict[str, bytes]:
    """Return all files below a folder, hidden ones too."""
    found = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def found(mailbox: OldMailboxReader, path: str) -> Entry:
    entry = mailbox.look(path)
    assert entry is not None
    return entry


def test_a_reader_has_no_method_that_writes() -> None:
    assert not WRITES & set(dir(OldMailboxReader))
    assert set(dir(OldMailboxWriter)) >= WRITES


def test_what_a_reader_reads_through_has_no_method_that_writes(old: OldServer) -> None:
    with open_reader(old.legacy, PROFILE) as mailbox:
        assert not {"write", "rename", "remove", "make_folder"} & set(dir(mailbox._line))


def test_a_listing_tells_path_role_size_and_name(old: OldServer) -> None:
    (old.base / "out" / "A@B@1@77.XML").write_bytes(b"<a/>")
    (old.base / "statout" / "B@A@1@m 1.XML").write_bytes(b"<bc/>")
    listed = [(it.path, it.role, it.name, it.size) for it in entries_of(old.legacy)]
    assert sorted(listed) == [
        ("out/A@B@1@77.XML", Folder.OUT, "A@B@1@77.XML", 4),
        ("statout/B@A@1@m 1.XML", Folder.STATOUT, "B@A@1@m 1.XML", 5),
    ]


def test_only_the_roles_that_are_asked_for_are_listed(old: OldServer) -> None:
    (old.base / "out" / "a.XML").write_bytes(b"1")
    (old.base / "statin" / "b.XML").write_bytes(b"2")
    with open_reader(old.legacy, PROFILE) as mailbox:
        assert [it.path for it in mailbox.entries({Folder.STATIN})] == ["statin/b.XML"]


def test_an_empty_mailbox_has_no_entries(old: OldServer) -> None:
    assert entries_of(old.legacy) == []


def test_a_file_is_read_with_its_digest_and_time(old: OldServer) -> None:
    content = bytes(range(256)) * 1000 + b"\r\n\n"
    path = old.base / "out" / "ñ é.XML"
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    with open_reader(old.legacy, PROFILE) as mailbox:
        (entry,) = mailbox.entries()
        read = mailbox.read(entry)
    assert read == Contents(
        content=content,
        digest=hashlib.sha256(content).hexdigest(),  # type: ignore[arg-type]
        modified=datetime.fromtimestamp(1_700_000_000, UTC),
    )


def test_an_empty_file_is_read_as_empty(old: OldServer) -> None:
    (old.base / "out" / "a.XML").touch()
    with open_reader(old.legacy, PROFILE) as mailbox:
        (entry,) = mailbox.entries()
        read = mailbox.read(entry)
    assert isinstance(read, Contents)
    assert read.content == b""


def test_a_name_of_odd_bytes_leads_to_its_file(old: OldServer) -> None:
    (old.base / "out" / os.fsdecode(b"fa\xe7ana.XML")).write_bytes(b"latin")
    (old.base / "out" / "façana.XML").write_bytes(b"utf-8")
    with open_reader(old.legacy, PROFILE) as mailbox:
        entries = list(mailbox.entries())
        assert {it.name for it in entries} == {"façana.XML"}
        assert {raw_of(it.path): contents(mailbox, it) for it in entries} == {
            b"out/fa\xe7ana.XML": b"latin",
            "out/façana.XML".encode(): b"utf-8",
        }


def contents(mailbox: OldMailboxReader, entry: Entry) -> bytes:
    read = mailbox.read(entry)
    assert isinstance(read, Contents), read
    return read.content


def test_every_path_can_be_stored_as_text(old: OldServer) -> None:
    (old.base / "out" / os.fsdecode(b"\xff\xe7.XML")).touch()
    (entry,) = entries_of(old.legacy)
    assert entry.path.encode()


@pytest.mark.parametrize("name", ["OUT", "Out"])
def test_folders_are_known_whatever_the_case_of_their_names(
    servers: Servers, tmp_path: Path, name: str
) -> None:
    for kind in KINDS:
        old = servers(kind).mailbox(f"{tmp_path.name}-{kind}", folders=(name, "STATOUT"))
        (old.base / name / "a.XML").touch()
        (entry,) = entries_of(old.legacy)
        assert (entry.path, entry.role) == (f"{name}/a.XML", Folder.OUT)


def test_folders_inside_a_folder_of_a_live_mailbox_are_passed_over(live: OldServer) -> None:
    (live.base / "out" / "sub").mkdir()
    (live.base / "out" / "sub" / "a.XML").touch()
    (live.base / "elsewhere").mkdir()
    (live.base / "elsewhere" / "b.XML").touch()
    assert entries_of(live.legacy) == []


def test_an_archive_is_listed_at_any_depth(servers: Servers, tmp_path: Path) -> None:
    old = servers("folder").mailbox(tmp_path.name, folders=())
    for path in ("2024/OUT/a.XML", "b.XML", "out/x/Statout/y/c.XML"):
        (old.base / path).parent.mkdir(parents=True, exist_ok=True)
        (old.base / path).touch()
    assert {it.path: it.role for it in entries_of(old.legacy)} == {
        "2024/OUT/a.XML": Folder.OUT,
        "b.XML": None,
        "out/x/Statout/y/c.XML": Folder.STATOUT,
    }


def test_a_live_mailbox_without_out_is_a_fault(servers: Servers, tmp_path: Path) -> None:
    for kind in LIVE:
        old = servers(kind).mailbox(f"{tmp_path.name}-{kind}", folders=("statout",))
        with pytest.raises(OldMailboxAwayError, match="no folder 'out'"):
            entries_of(old.legacy)


def test_a_mailbox_that_is_not_there_is_a_fault(old: OldServer) -> None:
    with pytest.raises(OldMailboxAwayError):
        entries_of(old.changed(url=f"{old.url}/nowhere/"))


def test_a_link_is_told_and_not_followed(servers: Servers, tmp_path: Path) -> None:
    # pyftpdlib hides what is behind a link; the others show it.
    for kind in ("folder", "sftp", "ftps"):
        old = servers(kind).mailbox(f"{tmp_path.name}-{kind}")
        (old.base / "out" / "a.XML").symlink_to("/etc/passwd")
        with open_reader(old.legacy, PROFILE) as mailbox:
            (entry,) = mailbox.entries()
            read = mailbox.read(entry)
        assert isinstance(read, NotRead)
        assert (read.why, read.reason) == (Why.UNREADABLE, "a link, which is not followed")


def test_a_file_that_vanishes_before_it_is_read_is_gone(old: OldServer) -> None:
    (old.base / "out" / "a.XML").touch()
    (old.base / "out" / "b.XML").write_bytes(b"b")
    with open_reader(old.legacy, PROFILE) as mailbox:
        first, second = mailbox.entries()
        (old.base / "out" / "a.XML").unlink()
        read = mailbox.read(first)
        assert isinstance(read, NotRead)
        assert read.why is Why.GONE
        assert contents(mailbox, second) == b"b"


def test_a_file_that_grew_after_the_listing_is_read_as_it_is(old: OldServer) -> None:
    path = old.base / "out" / "a.XML"
    path.write_bytes(b"half")
    with open_reader(old.legacy, PROFILE) as mailbox:
        (entry,) = mailbox.entries()
        path.write_bytes(b"half and half")
        assert contents(mailbox, entry) == b"half and half"


def test_a_file_that_is_too_large_is_not_read(
    old: OldServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("bridge.feeds.legacy.reader", "bridge.old_files.folder"):
        monkeypatch.setattr(f"{module}.MAX_BYTES", 100_000)
    path = old.base / "out" / "a.XML"
    path.write_bytes(b"x" * 100_001)
    (old.base / "out" / "b.XML").write_bytes(b"b")
    with open_reader(old.legacy, PROFILE) as mailbox:
        large, small = mailbox.entries()
        path.write_bytes(b"x" * 5_000_000)
        for entry in (large, found(mailbox, "out/a.XML"), grown(large)):
            read = mailbox.read(entry)
            assert isinstance(read, NotRead)
            assert read.why is Why.TOO_LARGE
        assert contents(mailbox, small) == b"b"


def grown(entry: Entry) -> Entry:
    """Return an entry whose listing knew no size."""
    return Entry(path=entry.path, name=entry.name, role=entry.role)


def test_out_is_listed_first_and_each_folder_by_name(live: OldServer) -> None:
    for path in ("adjout/a.pdf", "statout/a.XML", "out/b.XML", "out/a.XML"):
        (live.base / path).touch()
    listed = [it.path for it in entries_of(live.legacy)]
    assert listed == ["out/a.XML", "out/b.XML", "adjout/a.pdf", "statout/a.XML"]


def test_five_thousand_files_are_listed(servers: Servers) -> None:
    old = servers("folder").mailbox("large")
    for number in range(5000):
        (old.base / "out" / f"{number:04}@a@b@{number}.XML").touch()
    for kind in KINDS:
        server = servers(kind)
        assert len(entries_of(server.changed(url=f"{server.url}/large"))) == 5000


def test_what_is_put_appears_whole_and_nothing_else(old: OldServer) -> None:
    content = b"<x>\r\n\xff</x>" * 9000
    with open_writer(old.legacy, PROFILE) as mailbox:
        assert mailbox.put(Folder.STATIN, "B@A@ñ.XML", content) == "statin/B@A@ñ.XML"
    assert files_in(old.base) == {"statin/B@A@ñ.XML": content}


def test_to_put_the_same_again_changes_nothing(old: OldServer) -> None:
    with open_writer(old.legacy, PROFILE) as mailbox:
        mailbox.put(Folder.OUT, "a.XML", b"a")
        before = (old.base / "out" / "a.XML").stat()
        mailbox.put(Folder.OUT, "a.XML", b"a")
    assert (old.base / "out" / "a.XML").stat().st_ino == before.st_ino


def test_other_bytes_are_never_written_over(old: OldServer) -> None:
    (old.base / "out" / "a.XML").write_bytes(b"theirs")
    with (
        open_writer(old.legacy, PROFILE) as mailbox,
        pytest.raises(OldMailboxFileError, match="other bytes"),
    ):
        mailbox.put(Folder.OUT, "a.XML", b"ours")
    assert files_in(old.base) == {"out/a.XML": b"theirs"}


def test_what_a_crash_left_half_written_is_not_seen_and_is_finished(old: OldServer) -> None:
    from bridge.feeds.legacy.entries import our_temporary

    (old.base / "out" / our_temporary(b"a.XML").decode()).write_bytes(b"<ha")
    assert entries_of(old.legacy) == []
    with open_writer(old.legacy, PROFILE) as mailbox:
        mailbox.put(Folder.OUT, "a.XML", b"<half/>")
    assert files_in(old.base) == {"out/a.XML": b"<half/>"}


def test_what_is_put_goes_into_the_folder_that_is_there(servers: Servers, tmp_path: Path) -> None:
    for kind in KINDS:
        old = servers(kind).mailbox(f"{tmp_path.name}-{kind}", folders=("OUT", "STATIN"))
        with open_writer(old.legacy, PROFILE) as mailbox:
            assert mailbox.put(Folder.STATIN, "a.XML", b"a") == "STATIN/a.XML"
            assert mailbox.put(Folder.ADJOUT, "b.pdf", b"b") == "adjout/b.pdf"
        assert files_in(old.base) == {"STATIN/a.XML": b"a", "adjout/b.pdf": b"b"}


@pytest.mark.parametrize("name", ["../a.XML", "a/b.XML", "", "..", "a\0b"])
def test_a_name_that_leaves_its_folder_is_refused(
    servers: Servers, tmp_path: Path, name: str
) -> None:
    old = servers("folder").mailbox(tmp_path.name)
    with open_writer(old.legacy, PROFILE) as mailbox, pytest.raises(OldMailboxFileError):
        mailbox.put(Folder.OUT, name, b"a")


def test_a_deleted_file_is_gone_and_deleting_it_again_is_no_error(old: OldServer) -> None:
    (old.base / "out" / "a.XML").write_bytes(b"a")
    with open_writer(old.legacy, PROFILE) as mailbox:
        (entry,) = mailbox.entries()
        assert mailbox.delete(entry)
        assert not mailbox.delete(entry)
    assert files_in(old.base) == {}


def test_a_file_that_changed_is_not_deleted(old: OldServer) -> None:
    (old.base / "out" / "a.XML").write_bytes(b"a")
    with open_writer(old.legacy, PROFILE) as mailbox:
        (entry,) = mailbox.entries()
        read = mailbox.read(entry)
        assert isinstance(read, Contents)
        (old.base / "out" / "a.XML").write_bytes(b"b")
        with pytest.raises(OldMailboxFileError, match="other bytes"):
            mailbox.delete(entry, digest=read.digest)
    assert files_in(old.base) == {"out/a.XML": b"b"}


SIDE = "collected-by-rest/out"


def test_a_file_is_moved_into_a_folder_that_is_made(old: OldServer) -> None:
    (old.base / "out" / "a b.XML").write_bytes(b"a")
    with open_writer(old.legacy, PROFILE) as mailbox:
        entry = found(mailbox, "out/a b.XML")
        assert mailbox.move(entry, SIDE) == f"{SIDE}/a b.XML"
        assert mailbox.move(entry, SIDE) == f"{SIDE}/a b.XML"
    assert files_in(old.base) == {f"{SIDE}/a b.XML": b"a"}


def test_a_move_that_a_crash_cut_short_is_finished(old: OldServer) -> None:
    (old.base / SIDE).mkdir(parents=True)
    for folder in ("out", SIDE):
        (old.base / folder / "a.XML").write_bytes(b"a")
    with open_writer(old.legacy, PROFILE) as mailbox:
        assert mailbox.move(found(mailbox, "out/a.XML"), SIDE) == f"{SIDE}/a.XML"
    assert files_in(old.base) == {f"{SIDE}/a.XML": b"a"}


def test_a_file_in_the_way_of_a_folder_is_told_as_that(old: OldServer) -> None:
    (old.base / "out" / "a.XML").write_bytes(b"a")
    (old.base / "collected-by-rest").write_bytes(b"")
    with (
        open_writer(old.legacy, PROFILE) as mailbox,
        pytest.raises(OldMailboxFileError, match="collected-by-rest: a file stands where a folder"),
    ):
        mailbox.move(found(mailbox, "out/a.XML"), SIDE)
    assert (old.base / "out" / "a.XML").exists()


def test_a_move_never_writes_over_another_file(old: OldServer) -> None:
    (old.base / SIDE).mkdir(parents=True)
    (old.base / "out" / "a.XML").write_bytes(b"new")
    (old.base / SIDE / "a.XML").write_bytes(b"old")
    with open_writer(old.legacy, PROFILE) as mailbox, pytest.raises(OldMailboxFileError):
        mailbox.move(found(mailbox, "out/a.XML"), SIDE)
    assert files_in(old.base) == {"out/a.XML": b"new", f"{SIDE}/a.XML": b"old"}


def test_a_file_that_is_nowhere_cannot_be_moved(old: OldServer) -> None:
    gone = Entry(path="out/a.XML", name="a.XML", role=Folder.OUT)
    with open_writer(old.legacy, PROFILE) as mailbox:
        assert mailbox.move(gone, SIDE) is None


def test_a_mailbox_that_may_only_be_read_says_so(servers: Servers, tmp_path: Path) -> None:
    for kind in LIVE:
        old = servers(kind, read_only=True).mailbox(f"{tmp_path.name}-{kind}")
        (old.base / "out" / "a.XML").write_bytes(b"a")
        with open_writer(old.legacy, PROFILE) as mailbox:
            (entry,) = mailbox.entries()
            with pytest.raises(OldMailboxUnwritableError):
                mailbox.put(Folder.OUT, "b.XML", b"b")
            with pytest.raises(OldMailboxUnwritableError):
                mailbox.delete(entry)
            with pytest.raises(OldMailboxUnwritableError):
                mailbox.move(entry, SIDE)
            assert contents(mailbox, entry) == b"a"
        assert files_in(old.base) == {"out/a.XML": b"a"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_said_and_leaves_nothing_half_written(kind: str, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        old_server(kind, tmp_path / "server", disk.root) as server,
    ):
        old = server.mailbox("mailbox")
        with open_writer(old.legacy, PROFILE) as mailbox:
            disk.fill()
            # pyftpdlib answers 426, as it would to a connection that broke.
            with pytest.raises(OldMailboxAwayError if kind == "ftp" else OldMailboxUnwritableError):
                mailbox.put(Folder.OUT, "a.XML", b"x" * 1_000_000)
            assert files_in(old.base) == {}
            disk.make_room()
            mailbox.put(Folder.OUT, "a.XML", b"x" * 1_000_000)
        assert files_in(old.base) == {"out/a.XML": b"x" * 1_000_000}


def test_a_folder_that_may_only_be_read_says_so(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        old_server("folder", tmp_path / "server", disk.root) as server,
    ):
        old = server.mailbox("mailbox")
        (old.base / "out" / "a.XML").write_bytes(b"a")
        with disk.read_only(), open_writer(old.legacy, PROFILE) as mailbox:
            (entry,) = mailbox.entries()
            with pytest.raises(OldMailboxUnwritableError):
                mailbox.put(Folder.OUT, "b.XML", b"b")
            with pytest.raises(OldMailboxUnwritableError):
                mailbox.delete(entry)
            assert contents(mailbox, entry) == b"a"


class _LosesAnAnswer(WritableFolderLine):
    """A line that breaks when a file just got its name, and whoever reads there takes the file."""

    renamed = 0

    def rename(self, old: bytes, new: bytes) -> None:
        super().rename(old, new)
        self._path(new).unlink()
        self.renamed += 1
        if self.renamed == 1:
            raise BrokenLineError("the line broke")


def test_a_file_that_was_taken_while_the_line_broke_is_not_put_again(tmp_path: Path) -> None:
    line = _LosesAnAnswer(tmp_path)
    mailbox = OldMailboxWriter(line, PROFILE)
    mailbox.put(Folder.STATIN, "a.XML", b"a")
    assert line.renamed == 1
    mailbox.put(Folder.STATIN, "a.XML", b"a")
    assert line.renamed == 2


def test_nothing_is_written_by_a_reader(old: OldServer) -> None:
    path = old.base / "out" / "a.XML"
    path.write_bytes(b"a")
    before = path.stat().st_mtime_ns, old.base.stat().st_mtime_ns
    with open_reader(old.legacy, PROFILE) as mailbox:
        for entry in mailbox.entries():
            mailbox.read(entry)
    assert (path.stat().st_mtime_ns, old.base.stat().st_mtime_ns) == before

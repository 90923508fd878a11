"""What a client may do, and what it may not, the same through both doors."""

import ftplib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest

from bridge.facade.events import LogEvents, Session
from bridge.facade.folders import DoorMailbox
from bridge.facade.refusals import DoorError
from bridge.facade.tree import Visit
from bridge.facade.uploads import Start, Upload
from tests.door_clients import FtplibClient, ParamikoClient
from tests.door_rig import FOLDERS, XML, Rig

REFUSED = (OSError, ftplib.error_perm)


class Sftp:
    """Single steps over one SFTP session."""

    def __init__(self, sftp: paramiko.SFTPClient) -> None:
        self.sftp = sftp
        self.names = sftp.listdir
        self.delete = sftp.remove
        self.rename = sftp.posix_rename
        self.mkdir = sftp.mkdir
        self.rmdir = sftp.rmdir

    def fetch(self, path: str) -> bytes:
        with self.sftp.open(path) as file:
            return file.read()

    def put(self, path: str, data: bytes = XML) -> None:
        with self.sftp.open(path, "wb") as file:
            file.write(data)

    def size(self, path: str) -> int | None:
        return self.sftp.stat(path).st_size


class Ftp:
    """Single steps over one FTP session."""

    def __init__(self, ftp: ftplib.FTP) -> None:
        self.ftp = ftp
        self.delete = ftp.delete
        self.rename = ftp.rename
        self.mkdir = ftp.mkd
        self.rmdir = ftp.rmd
        self.size = ftp.size

    def names(self, folder: str) -> list[str]:
        return self.ftp.nlst(folder)

    def fetch(self, path: str) -> bytes:
        data = io.BytesIO()
        self.ftp.retrbinary(f"RETR {path}", data.write)
        return data.getvalue()

    def put(self, path: str, data: bytes = XML) -> None:
        self.ftp.storbinary(f"STOR {path}", io.BytesIO(data))


@contextmanager
def step(rig: Rig, over: str) -> Any:
    if over == "sftp":
        with ParamikoClient("sftp", rig.port("sftp")).session() as sftp:
            yield Sftp(sftp)
    else:
        with FtplibClient("ftp", rig.port("ftp")).session() as ftp:
            yield Ftp(ftp)


@pytest.fixture(params=["sftp", "ftp"])
def client(request: pytest.FixtureRequest, rig: Rig) -> Iterator[Any]:
    with step(rig, request.param) as client:
        yield client


def test_the_root_holds_the_six_folders_and_nothing_else(rig: Rig, client: Any) -> None:
    (rig.root / ".hidden").mkdir()
    (rig.root / "other").mkdir()
    (rig.root / "file").write_bytes(b"")
    assert sorted(client.names("/")) == sorted(FOLDERS)


@pytest.mark.parametrize(
    "path", ["/out/a", "out/a", "//out/a", "/OUT/a", "/Out/../oUt/./a", "/../../out/a", "/out//a"]
)
def test_all_ways_to_write_a_path_lead_to_the_file(rig: Rig, client: Any, path: str) -> None:
    rig.place("out", "a")
    assert client.fetch(path) == XML


def test_a_name_in_another_case_is_found_when_only_one_fits(rig: Rig, client: Any) -> None:
    rig.place("out", "Factura.XML", b"1")
    rig.place("out", "two.xml", b"2")
    rig.place("out", "TWO.XML", b"3")
    assert client.fetch("/out/factura.xml") == b"1"
    assert client.fetch("/out/TWO.XML") == b"3"
    with pytest.raises(REFUSED):
        client.fetch("/out/Two.xml")


@pytest.mark.parametrize("folder", ["out", "adjout", "statout"])
def test_download_folders_are_not_written_to(rig: Rig, client: Any, folder: str) -> None:
    rig.place(folder, "a")
    with pytest.raises(REFUSED):
        client.put(f"/{folder}/b")
    with pytest.raises(REFUSED):
        client.put(f"/{folder}/a", b"other")
    with pytest.raises(REFUSED):
        client.rename(f"/{folder}/a", f"/{folder}/b")
    assert rig.names(folder) == ["a"]
    assert (rig.root / folder / "a").read_bytes() == XML


@pytest.mark.parametrize("folder", ["statin", "in", "adjin"])
def test_upload_folders_are_written_to(rig: Rig, client: Any, folder: str) -> None:
    client.put(f"/{folder}/a")
    client.rename(f"/{folder}/a", f"/{folder}/b")
    assert client.size(f"/{folder}/b") == len(XML)
    assert client.fetch(f"/{folder}/b") == XML
    client.delete(f"/{folder}/b")
    assert rig.names(folder) == []


def test_renaming_over_a_file_overwrites_it(rig: Rig, client: Any) -> None:
    rig.place("statin", "old", b"old")
    client.put("/statin/new")
    client.rename("/statin/new", "/statin/old")
    assert rig.names("statin") == ["old"]
    assert (rig.root / "statin" / "old").read_bytes() == XML


@pytest.mark.parametrize("to", ["/in/a", "/out/a", "/a", "/statin", "/nowhere/a", "/statin/x/a"])
def test_a_file_stays_in_its_folder(rig: Rig, client: Any, to: str) -> None:
    rig.place("statin", "a")
    with pytest.raises(REFUSED):
        client.rename("/statin/a", to)
    assert rig.names("statin") == ["a"]


@pytest.mark.parametrize("path", ["/new", "/out/new", "/statin/new"])
def test_folders_cannot_be_made(client: Any, rig: Rig, path: str) -> None:
    with pytest.raises(REFUSED):
        client.mkdir(path)


@pytest.mark.parametrize("path", ["/out", "/statin", "/"])
def test_folders_cannot_be_removed(client: Any, rig: Rig, path: str) -> None:
    for way in (client.rmdir, client.delete):
        with pytest.raises(REFUSED):
            way(path)
    assert (rig.root / path.strip("/")).is_dir()


def test_folders_cannot_be_renamed(client: Any, rig: Rig) -> None:
    with pytest.raises(REFUSED):
        client.rename("/statin", "/other")


@pytest.mark.parametrize("path", ["/../secret", "/out/../../secret", "/secret", "/out/../secret"])
def test_there_is_no_way_out(rig: Rig, client: Any, path: str) -> None:
    (rig.root.parent / "secret").write_bytes(b"secret")
    (rig.root / "secret").write_bytes(b"secret")
    with pytest.raises(REFUSED):
        client.fetch(path)
    with pytest.raises(REFUSED):
        client.put(path)
    with pytest.raises(REFUSED):
        client.delete(path)
    assert (rig.root.parent / "secret").read_bytes() == b"secret"


def test_links_do_not_exist(rig: Rig, client: Any) -> None:
    secret = rig.root.parent / "secret"
    secret.write_bytes(b"secret")
    for folder in ("out", "statin"):
        (rig.root / folder / "link").symlink_to(secret)
        assert client.names(f"/{folder}") == []
        with pytest.raises(REFUSED):
            client.fetch(f"/{folder}/link")
        with pytest.raises(REFUSED):
            client.delete(f"/{folder}/link")
        with pytest.raises(REFUSED):
            client.put(f"/{folder}/link")
    assert secret.read_bytes() == b"secret"


def test_a_folder_that_became_a_link_is_not_followed(rig: Rig, client: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "secret").write_bytes(b"secret")
    (rig.root / "out").rmdir()
    (rig.root / "out").symlink_to(other)
    with pytest.raises(REFUSED):
        client.fetch("/out/secret")


def test_pipes_and_folders_in_a_folder_do_not_exist(rig: Rig, client: Any) -> None:
    os.mkfifo(rig.root / "out" / "pipe")
    (rig.root / "out" / "folder").mkdir()
    assert client.names("/out") == []
    with pytest.raises(REFUSED):
        client.fetch("/out/pipe")
    with pytest.raises(REFUSED):
        client.names("/out/folder")


def test_what_is_being_placed_does_not_exist_yet(rig: Rig, client: Any) -> None:
    rig.place("out", ".a.XML.placing")
    assert client.names("/out") == []
    with pytest.raises(REFUSED):
        client.fetch("/out/.a.XML.placing")
    with pytest.raises(REFUSED):
        client.delete("/out/.a.XML.placing")


def test_a_hidden_temporary_name_in_an_upload_folder_is_the_clients_own(
    rig: Rig, client: Any
) -> None:
    client.put("/statin/.a.XML.part")
    assert client.names("/statin") == [".a.XML.part"]
    client.rename("/statin/.a.XML.part", "/statin/a.XML")
    assert rig.names("statin") == ["a.XML"]


@pytest.mark.parametrize("name", ["x" * 256, "ñ" * 128, "x" * 1500])
def test_an_over_long_name_is_refused(rig: Rig, client: Any, name: str) -> None:
    with pytest.raises(REFUSED):
        client.put(f"/statin/{name}")
    with pytest.raises(REFUSED):
        client.fetch(f"/statin/{name}")
    assert rig.names("statin") == []
    assert rig.leftovers() == []


def test_the_longest_name_and_strange_ones_are_stored(rig: Rig, client: Any) -> None:
    names = ["x" * 255, "ñ€😀 [x] * ?.XML", "-rf", "~a", "a;b|c&d", "con"]
    for name in names:
        client.put(f"/statin/{name}")
    assert rig.names("statin") == sorted(names)
    assert sorted(client.names("/statin")) == sorted(names)


def test_a_missing_file_is_told_as_missing(client: Any, rig: Rig) -> None:
    for way in (client.fetch, client.delete, client.size):
        with pytest.raises((FileNotFoundError, ftplib.error_perm)):
            way("/out/missing")


def test_two_clients_work_at_once(rig: Rig) -> None:
    with step(rig, "sftp") as one, step(rig, "ftp") as two:
        one.put("/statin/1")
        two.put("/statin/2")
        assert sorted(one.names("/statin")) == sorted(two.names("/statin")) == ["1", "2"]
        two.delete("/statin/1")
        with pytest.raises(FileNotFoundError):
            one.fetch("/statin/1")


@pytest.fixture
def visit(tmp_path: Path) -> Visit:
    mailbox = DoorMailbox(
        account="town", root=tmp_path / "m", folders=FOLDERS, staging=tmp_path / "s"
    )
    mailbox.prepare()
    session = Session(user="u", account="town", address="127.0.0.1", protocol="sftp")
    return Visit(mailbox, session, LogEvents())


def test_a_file_that_goes_while_it_is_listed_is_left_out(visit: Visit, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "m" / "out" / name).write_bytes(XML)
    names = visit.names("/out")
    (tmp_path / "m" / "out" / "a").unlink()
    assert [name for name, _ in visit.look_at("/out", names)] == ["b"]


def test_uploads_one_after_the_other_share_a_folder_and_those_at_once_do_not(visit: Visit) -> None:
    def begin(name: str) -> Upload:
        return visit.write(f"/statin/{name}", start=Start.EMPTY, create=True)

    first = begin("a")
    visit.finish(first)
    second, third = begin("a"), begin("a")
    assert first.path == second.path != third.path
    visit.uploads.cut_off(second)
    visit.finish(third)
    visit.end()
    assert not third.path.parent.exists()
    assert second.path.exists()


def test_an_upload_begins_where_somebody_tidied_up_staging(visit: Visit) -> None:
    for _ in range(2):
        upload = visit.write("/statin/a", start=Start.EMPTY, create=True)
        visit.finish(upload)
        upload.path.parent.rmdir()


def test_a_name_with_a_nul_or_a_control_character_is_refused(visit: Visit) -> None:
    for name in ("a\0b", "a\nb", "a\rb", "\x7f"):
        with pytest.raises(DoorError):
            visit.write(f"/statin/{name}", start=Start.EMPTY, create=True)

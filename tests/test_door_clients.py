"""The whole round of a legacy client, by every client that we know, through both doors.

What comes out of it stands in docs/clients.md: `make clients` writes it there. Each test that
takes a client is a column of that table, named in `tests/clients_table.py`.
"""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.door_clients import ROUNDS, Client, ClientError, ParamikoClient, make_client
from tests.door_rig import USER, XML, Rig, open_doors, tls_settings, wait_until

LARGE = b"<a>" + b"0123456789abcde\n" * 50_000 + b"</a>"


@pytest.fixture(params=ROUNDS)
def name(request: pytest.FixtureRequest) -> str:
    """The client's row in the table."""
    return request.param


@pytest.fixture
def rig(name: str, tmp_path: Path) -> Iterator[Rig]:
    tls = ROUNDS[name][0] == "ftps"
    with open_doors(tmp_path, ftp=tls_settings() if tls else None) as rig:
        yield rig


@pytest.fixture
def client(name: str, rig: Rig, tmp_path: Path) -> Client:
    own = tmp_path / "client"
    own.mkdir()
    return make_client(name, rig.port(ROUNDS[name][0]), own)


def test_a_client_logs_in_and_out(rig: Rig, client: Client) -> None:
    assert client.names("/statin") == []
    door = client.protocol.removesuffix("s") if client.protocol == "ftps" else client.protocol
    rig.told.wait_for("logged in", USER, door)
    rig.told.wait_for("logged out", USER, door)


@pytest.mark.parametrize("name", [name for name in ROUNDS if name != "OpenSSH"])
def test_a_wrong_password_is_refused_and_the_client_knows(rig: Rig, client: Client) -> None:
    client.password = "wrong"
    with pytest.raises(ClientError):
        client.names("/statin")
    assert "logged in" not in rig.told.kinds()


def test_the_files_of_a_folder_are_listed(rig: Rig, client: Client) -> None:
    rig.place("statout", "b@1.XML")
    rig.place("statout", "a@2.XML")
    rig.place("statout", ".being-placed")
    assert client.names("/statout") == ["a@2.XML", "b@1.XML"]


def test_a_file_is_fetched_byte_for_byte(rig: Rig, client: Client) -> None:
    data = bytes(range(256)) * 2000 + XML
    rig.place("out", "x@y@1.XML", data)
    assert client.fetch("/out/x@y@1.XML") == data
    rig.told.wait_for("fetched", "out", "x@y@1.XML", str(len(data)))


def test_a_deleted_file_is_gone_and_told(rig: Rig, client: Client) -> None:
    rig.place("out", "x.XML")
    client.delete("/out/x.XML")
    assert rig.names("out") == []
    rig.told.wait_for("deleted", "out", "x.XML")


def test_a_state_file_arrives_under_its_final_name(rig: Rig, client: Client) -> None:
    client.put("/statin/r@e@1.XML", XML)
    assert (rig.root / "statin" / "r@e@1.XML").read_bytes() == XML
    rig.told.wait_for("uploaded", "statin", "r@e@1.XML", str(len(XML)))
    assert rig.leftovers() == []


def test_a_state_file_arrives_under_a_temporary_name_and_is_renamed(
    rig: Rig, client: Client
) -> None:
    client.put_and_rename("/statin/r.XML.filepart", "/statin/r.XML", XML)
    assert rig.names("statin") == ["r.XML"]
    assert (rig.root / "statin" / "r.XML").read_bytes() == XML
    assert "cut off" not in rig.told.kinds()


def test_a_file_is_overwritten(rig: Rig, client: Client) -> None:
    rig.place("statin", "r.XML", b"<a>much longer than what comes now" + b"!" * 1000 + b"</a>")
    client.put("/statin/r.XML", XML)
    assert (rig.root / "statin" / "r.XML").read_bytes() == XML


def test_a_large_file_comes_in_whole(rig: Rig, client: Client) -> None:
    client.put("/in/large.xml", LARGE)
    assert (rig.root / "in" / "large.xml").read_bytes() == LARGE


def test_a_client_that_is_killed_while_it_uploads_leaves_nothing_and_comes_again(
    rig: Rig, client: Client
) -> None:
    process = client.cut_off("/statin/r.XML", LARGE)
    try:
        wait_until(lambda: any(path.stat().st_size for path in rig.leftovers()), "bytes came")
        assert rig.names("statin") == []
    finally:
        kill(process.pid)
        process.wait(30)
    rig.told.wait_for("cut off", "statin", "r.XML")
    assert rig.names("statin") == []
    assert LARGE.startswith((rig.told.archive / "r.XML").read_bytes())
    client.put("/statin/r.XML", XML)
    assert (rig.root / "statin" / "r.XML").read_bytes() == XML


def test_hundreds_of_files_are_listed(rig: Rig, client: Client) -> None:
    names = sorted(f"emissor@receptor@ref-{number}@{number}.XML" for number in range(300))
    for name in names:
        rig.place("out", name, b"<a/>")
    assert client.names("/out") == names


def test_folders_are_found_in_any_case(rig: Rig, client: Client) -> None:
    rig.place("statout", "s.XML")
    assert client.names("/STATOUT") == ["s.XML"]
    assert client.fetch("/StatOut/s.XML") == XML
    client.put("/STATIN/r.XML", XML)
    assert rig.names("statin") == ["r.XML"]


def test_a_name_with_letters_beyond_ascii_goes_both_ways(rig: Rig, client: Client) -> None:
    rig.place("out", "factura_nº_ñ€.XML")
    assert client.names("/out") == ["factura_nº_ñ€.XML"]
    assert client.fetch("/out/factura_nº_ñ€.XML") == XML
    client.put("/statin/recepció.XML", XML)
    assert rig.names("statin") == ["recepció.XML"]


@pytest.mark.parametrize("name", ["paramiko"])
def test_the_known_public_client_does_its_sequence(rig: Rig) -> None:
    for name in ("a@1.XML", "b@2.XML"):
        rig.place("statout", name)
    with ParamikoClient("sftp", rig.port("sftp")).session() as sftp:
        path = sftp.normalize(".")
        sftp.chdir(path + "/statout")
        rows = sorted(sftp.listdir_attr("."), key=lambda row: row.st_mtime)
        read = {}
        for row in rows:
            assert stat.S_ISREG(row.st_mode)
            with sftp.open(row.filename) as file:
                read[row.filename] = file.read()
        for row in rows:
            sftp.remove(row.filename)
    assert path == "/"
    assert read == {"a@1.XML": XML, "b@2.XML": XML}
    assert rig.names("statout") == []


def kill(pid: int) -> None:
    """Kill a client, and what it started, as a power cut would."""
    if os.getpgid(pid) == os.getpgid(0):
        os.kill(pid, signal.SIGKILL)
    else:
        os.killpg(pid, signal.SIGKILL)

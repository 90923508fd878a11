"""The FTP door alone: bytes as they are, data connections, times, listings, TLS."""

import ftplib
import io
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import PortTakenError, SettingsError
from bridge.facade.ftp import FtpDoor
from bridge.settings import FtpSettings
from tests.door_clients import FtplibClient
from tests.door_rig import (
    PASSWORD,
    USER,
    XML,
    Rig,
    certificate,
    open_doors,
    tls_settings,
    wait_until,
)

ENDS = b"unix\nwindows\r\nmac\rmixed\n\r\n\r" + bytes(range(256)) + b"\r"


@pytest.fixture
def ftp(rig: Rig) -> Iterator[ftplib.FTP]:
    with session(rig) as ftp:
        yield ftp


def session(rig: Rig) -> Any:
    return FtplibClient("ftp", rig.port("ftp")).session()


def fetch(ftp: ftplib.FTP, path: str) -> bytes:
    """Fetch without setting a type first, unlike ftplib."""
    with closing(ftp.transfercmd(f"RETR {path}")) as channel:
        data = b"".join(iter(lambda: channel.recv(65536), b""))
    ftp.voidresp()
    return data


def store(ftp: ftplib.FTP, path: str, data: bytes) -> None:
    with closing(ftp.transfercmd(f"STOR {path}")) as channel:
        channel.sendall(data)
    ftp.voidresp()


@pytest.mark.parametrize("kind", ["A", "I", "A N"])
def test_no_byte_is_changed_whatever_the_type(rig: Rig, ftp: ftplib.FTP, kind: str) -> None:
    ftp.voidcmd(f"TYPE {kind}")
    rig.place("out", "a", ENDS)
    assert fetch(ftp, "/out/a") == ENDS
    store(ftp, "/statin/a", ENDS)
    assert (rig.root / "statin" / "a").read_bytes() == ENDS


def test_sizes_and_restarts_work_in_ascii(rig: Rig, ftp: ftplib.FTP) -> None:
    rig.place("out", "a", ENDS)
    ftp.voidcmd("TYPE A")
    assert ftp.sendcmd("SIZE /out/a") == f"213 {len(ENDS)}"
    assert ftp.sendcmd("REST 5").startswith("350")
    assert fetch(ftp, "/out/a") == ENDS[5:]


def test_active_mode_works(rig: Rig, ftp: ftplib.FTP) -> None:
    rig.place("out", "a")
    ftp.set_pasv(False)
    assert fetch(ftp, "/out/a") == XML
    store(ftp, "/statin/a", XML)
    assert rig.names("statin") == ["a"]


@pytest.mark.parametrize("command", ["EPSV", "PASV"])
def test_passive_ports_stay_in_their_range(rig: Rig, ftp: ftplib.FTP, command: str) -> None:
    answer = ftp.sendcmd(command)
    port = ftplib.parse227(answer)[1] if command == "PASV" else int(answer.split("|")[3])
    assert 60000 <= port <= 60099


def test_a_passive_range_that_is_used_up_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = FtpSettings(port=0, passive_ports=f"{port}-{port}")
        with open_doors(tmp_path, ftp=settings) as rig, session(rig) as ftp:
            for _ in range(2):
                with pytest.raises(ftplib.error_temp, match="425"):
                    ftp.sendcmd("PASV")
            assert ftp.pwd() == "/"


def test_the_masquerade_address_is_told_to_clients(tmp_path: Path) -> None:
    settings = FtpSettings(port=0, masquerade_address="192.0.2.9")
    with open_doors(tmp_path, ftp=settings) as rig, session(rig) as ftp:
        assert ftplib.parse227(ftp.sendcmd("PASV"))[0] == "192.0.2.9"


def test_connections_to_others_are_refused(ftp: ftplib.FTP) -> None:
    with pytest.raises(ftplib.error_perm, match="501"):
        ftp.sendport("192.0.2.9", 5000)


def test_times_are_told_and_set_for_uploads(rig: Rig, ftp: ftplib.FTP) -> None:
    rig.place("statin", "a b")
    for command in (
        "MFMT 20200102030405 /statin/a b",
        "SITE UTIME 20200102030405 /statin/a b",
        "SITE UTIME /statin/a b 20200102030405 20200102030405 20200102030405 UTC",
    ):
        os.utime(rig.root / "statin" / "a b", (0, 0))
        assert ftp.sendcmd(command).startswith("213")
        assert ftp.sendcmd("MDTM /statin/a b") == "213 20200102030405"


def test_the_time_of_a_download_stays(rig: Rig, ftp: ftplib.FTP) -> None:
    path = rig.place("out", "a")
    before = path.stat().st_mtime
    assert ftp.sendcmd("MFMT 20200102030405 /out/a").startswith("213")
    assert ftp.sendcmd("SITE CHMOD 777 /out/a").startswith("200")
    assert path.stat().st_mtime == before


def test_listings_have_the_forms_that_clients_read(rig: Rig, ftp: ftplib.FTP) -> None:
    rig.place("out", "b c.XML", b"12345")
    lines: list[str] = []
    ftp.retrlines("LIST /out", lines.append)
    assert len(lines) == 1
    mode, _, _, _, size, _, _, _, name = lines[0].split(maxsplit=8)
    assert (mode[:3], size, name) == ("-rw", "5", "b c.XML")
    name, facts = next(iter(ftp.mlsd("/out")))
    assert (name, facts["type"], facts["size"]) == ("b c.XML", "file", "5")
    assert {name for name, facts in ftp.mlsd("/") if facts["type"] == "dir"} >= {"out", "statin"}


@pytest.mark.parametrize(
    "command", ["NLST -a", "NLST -1", "NLST -la /out", "NLST /out/*.XML", "NLST *.XML"]
)
def test_listings_take_options_and_patterns(rig: Rig, ftp: ftplib.FTP, command: str) -> None:
    rig.place("out", "a.XML")
    rig.place("out", "b.XML")
    ftp.cwd("OUT")
    lines: list[str] = []
    ftp.retrlines(command, lines.append)
    assert lines == ["a.XML", "b.XML"]


def test_a_name_in_latin_1_keeps_its_bytes(rig: Rig, ftp: ftplib.FTP) -> None:
    name = "factura_nº.XML"
    ftp.encoding = "latin-1"
    store(ftp, f"/statin/{name}", XML)
    assert [os.fsencode(stored) for stored in rig.names("statin")] == [name.encode("latin-1")]
    lines: list[str] = []
    ftp.retrlines("NLST /statin", lines.append)
    assert lines == [name]
    assert fetch(ftp, f"/statin/{name}") == XML
    ftp.rename(f"/statin/{name}", "/statin/b")
    assert rig.names("statin") == ["b"]


def test_the_working_folder_is_kept_and_named_in_its_one_form(ftp: ftplib.FTP, rig: Rig) -> None:
    assert ftp.pwd() == "/"
    ftp.cwd("//STATOUT")
    assert ftp.pwd() == "/statout"
    ftp.cwd("..")
    ftp.cwd("..")
    assert ftp.pwd() == "/"
    with pytest.raises(ftplib.error_perm):
        ftp.cwd("nowhere")


def test_what_writes_under_a_name_of_the_servers_choice_is_not_there(ftp: ftplib.FTP) -> None:
    with pytest.raises(ftplib.error_perm, match="500"):
        ftp.sendcmd("STOU")


def test_nothing_works_before_the_login(rig: Rig) -> None:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", rig.port("ftp"))
        for command in ("LIST", "RETR /out/a", "STOR /statin/a", "DELE /out/a", "CWD /", "PASV"):
            with pytest.raises(ftplib.error_perm, match="530"):
                ftp.sendcmd(command)


def test_the_password_is_in_no_attribute_of_the_session(rig: Rig, ftp: ftplib.FTP) -> None:
    assert rig.ftp._loop is not None
    for handler in rig.ftp._loop.socket_map.values():
        assert PASSWORD not in repr(vars(handler))


def test_quit_in_the_middle_of_a_transfer_lets_it_end(rig: Rig) -> None:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", rig.port("ftp"))
        ftp.login(USER, PASSWORD)
        channel = ftp.transfercmd("STOR /statin/a")
        channel.sendall(XML[:10])
        wait_until(lambda: sum(path.stat().st_size for path in rig.leftovers()) == 10, "it began")
        ftp.putcmd("QUIT")
        assert ftp.getresp().startswith("221")
        channel.sendall(XML[10:])
        channel.close()
        assert ftp.getresp().startswith("226")
        ftp.close()
    assert (rig.root / "statin" / "a").read_bytes() == XML


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"\[ftp\] 127.0.0.1:{port}"):
            FtpDoor(FtpSettings(port=port), access=None, mailboxes={}, events=None).start()  # type: ignore[arg-type]


# TLS


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Rig]:
    pytest.importorskip("OpenSSL", reason="the extra ftps")
    with open_doors(tmp_path, ftp=tls_settings()) as rig:
        yield rig


def test_over_tls_the_whole_round_works(tls: Rig) -> None:
    tls.place("out", "a")
    with ftplib.FTP_TLS() as ftp:
        ftp.connect("127.0.0.1", tls.port("ftp"), timeout=30)
        ftp.login(USER, PASSWORD)
        ftp.prot_p()
        data = io.BytesIO()
        ftp.retrbinary("RETR /out/a", data.write)
        assert data.getvalue() == XML
        ftp.storbinary("STOR /statin/a", io.BytesIO(XML))
        ftp.storbinary("STOR /statin/half", io.BytesIO(XML[:20]))
        ftp.delete("/out/a")
        assert ftp.nlst("/statin") == ["a", "half"]
    assert (tls.root / "statin" / "a").read_bytes() == XML
    tls.told.wait_for("logged out", USER, "ftp")


def test_without_tls_nobody_comes_in_where_it_is_required(tls: Rig) -> None:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", tls.port("ftp"), timeout=30)
        with pytest.raises(ftplib.error_perm, match="550"):
            ftp.login(USER, PASSWORD)


def test_over_tls_a_lost_client_leaves_nothing(tls: Rig) -> None:
    with ftplib.FTP_TLS() as ftp:
        ftp.connect("127.0.0.1", tls.port("ftp"), timeout=30)
        ftp.login(USER, PASSWORD)
        ftp.prot_p()
        channel = ftp.transfercmd("STOR /statin/a")
        channel.sendall(XML)
        wait_until(lambda: [path.stat().st_size for path in tls.leftovers()] == [len(XML)], "came")
        assert ftp.sock is not None
        ftp.sock.shutdown(socket.SHUT_RDWR)
        channel.close()
        tls.told.wait_for("cut off", "statin", "a")
    assert tls.names("statin") == []


def test_a_certificate_that_cannot_be_used_is_named() -> None:
    pytest.importorskip("OpenSSL", reason="the extra ftps")
    signed, _ = certificate()
    settings = FtpSettings(port=0, tls="required", certificate=signed, private_key=signed)
    with pytest.raises(SettingsError, match=r"certificate\.pem"):
        FtpDoor(settings, access=None, mailboxes={}, events=None).start()  # type: ignore[arg-type]

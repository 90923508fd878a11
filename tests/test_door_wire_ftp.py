"""The FTP door on the wire: the codes of vsftpd, and the forms that old clients read and send."""

import ftplib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from bridge.settings import FtpSettings
from tests.bench.processes import listens, running
from tests.door_libraries import FtplibClient
from tests.door_rig import XML, Rig, open_doors
from tests.ports import free_port
from tests.programs import miss, require_program


@pytest.fixture
def ftp(rig: Rig) -> Iterator[ftplib.FTP]:
    with FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        yield ftp


# Beside vsftpd


@contextmanager
def vsftpd(folder: Path) -> Iterator[ftplib.FTP]:
    """Log in to vsftpd over folders like those of a mailbox."""
    program = require_program("vsftpd", also="/usr/sbin")
    if os.geteuid() != 0:
        miss("only root can start this server")
    root, port = folder / "root", free_port()
    for name in ("out", "statin"):
        (root / name).mkdir(parents=True)
        (root / name).chmod(0o777)
    yes = ("listen", "anonymous_enable", "write_enable", "anon_upload_enable", "no_anon_password",
           "anon_other_write_enable", "anon_mkdir_write_enable", "mdtm_write")  # fmt: skip
    no = ("background", "anon_world_readable_only", "seccomp_sandbox", "xferlog_enable", "isolate",
          "isolate_network")  # fmt: skip
    lines = [f"{name}=YES" for name in yes] + [f"{name}=NO" for name in no]
    lines += [f"listen_port={port}", "listen_address=127.0.0.1", f"anon_root={root}"]
    lines += ["ftp_username=daemon"]
    lines += [f"secure_chroot_dir={folder}", f"vsftpd_log_file={folder}/log"]
    (folder / "conf").write_text("\n".join(lines) + "\n")
    with running([program, folder / "conf"], stdout=subprocess.DEVNULL) as process:
        assert listens(port, process), "vsftpd does not start"
        with ftplib.FTP() as client:
            client.connect("127.0.0.1", port, timeout=30)
            client.login()
            yield client


WORDS = (
    "SYST", "TYPE I", "TYPE A", "TYPE L8", "MODE S", "STRU F", "MODE Z", "STRU X", "NOOP",
    "PWD", "XPWD", "CWD out", "CDUP", "CWD /out", "XCUP", "CWD nowhere", "CWD /", "ALLO 10",
    "SIZE /out/a.XML", "SIZE /out/none", "SIZE /out", "MDTM /out/a.XML", "MDTM /out/none",
    "REST 0", "RNTO x", "RNFR /statin/none", "RNFR /statin/b.XML", "RNTO /statin/c.XML",
    "DELE /statin/c.XML", "DELE /statin/none", "XMKD /new", "MKD /out/x/y", "RMD /none",
    "MDTM 20200102030405 /statin/d.XML", "STAT", "STAT /out", "STAT -l /out", "FEAT", "HELP",
    "OPTS UTF8 ON", "OPTS NONSENSE", "SITE NONSENSE", "NONSENSE", "P@SW",
    "EPSV 9", "EPRT |9|127.0.0.1|5000|", "ABOR", "EPSV ALL", "EPSV",
)  # fmt: skip
TRANSFERS = (
    "LIST", "LIST -la /out", "NLST", "NLST -1", "NLST /out", "NLST *.XML", "NLST /statin/none*",
    "RETR /out/a.XML", "RETR /out/none", "RETR /out",
)  # fmt: skip
DIFFERENT = {
    "MODE Z": ("504", "501"),
    "STRU X": ("504", "501"),
    "MDTM 20200102030405 /statin/d.XML": ("550", "213"),  # its anonymous user may not
    "SITE NONSENSE": ("550", "500"),
    "P@SW": ("227", "500"),  # its second name for PASV, which no client is known to use
    "EPSV 9": ("522", "501"),
    "EPRT |9|127.0.0.1|5000|": ("500", "501"),
}
"""What vsftpd answers, and what we do."""


def code(ftp: ftplib.FTP, word: str) -> str:
    try:
        return ftp.sendcmd(word)[:3]
    except ftplib.Error as error:
        return str(error)[:3]


def codes(ftp: ftplib.FTP, word: str) -> str:
    """Return the codes before and after a transfer."""
    try:
        channel = ftp.transfercmd(word)
    except ftplib.Error as error:
        return str(error)[:3]
    with closing(channel):
        while channel.recv(65536):
            pass
    return f"{ftp.lastresp} {ftp.voidresp()[:3]}"


def test_the_codes_are_those_of_vsftpd(rig: Rig, ftp: ftplib.FTP, tmp_path: Path) -> None:
    (tmp_path / "vsftpd").mkdir()
    with vsftpd(tmp_path / "vsftpd") as theirs:
        for root in (rig.root, tmp_path / "vsftpd" / "root"):
            (root / "out" / "a.XML").write_bytes(XML)
            for name in ("b.XML", "d.XML"):
                (root / "statin" / name).write_bytes(XML)
        found = {
            word: (ask(theirs, word), ask(ftp, word))
            for words, ask in ((TRANSFERS, codes), (WORDS, code))
            for word in words
        }
    different = {word: both for word, both in found.items() if both[0] != both[1]}
    assert different == DIFFERENT


# REST


@pytest.fixture(params=["vsftpd", "ours"])
def either(
    request: pytest.FixtureRequest, rig: Rig, ftp: ftplib.FTP, tmp_path: Path
) -> Iterator[tuple[ftplib.FTP, Path]]:
    """Log in to vsftpd or to us; give the connection and the root of the folders."""
    if request.param == "ours":
        yield ftp, rig.root
        return
    (tmp_path / "vsftpd").mkdir()
    with vsftpd(tmp_path / "vsftpd") as theirs:
        yield theirs, tmp_path / "vsftpd" / "root"


def test_a_file_fetched_from_beyond_its_end_is_nothing(either: tuple[ftplib.FTP, Path]) -> None:
    ftp, root = either
    (root / "out" / "a.XML").write_bytes(XML)
    got = bytearray()
    assert ftp.retrbinary("RETR /out/a.XML", got.extend, rest=len(XML) + 1).startswith("226")
    assert got == b""


def test_an_upload_that_goes_on_beyond_the_end_has_zeros_before_it(
    either: tuple[ftplib.FTP, Path],
) -> None:
    ftp, root = either
    path = root / "statin" / "a.XML"
    path.write_bytes(b"<a/>")
    path.chmod(0o666)
    assert ftp.storbinary("STOR /statin/a.XML", BytesIO(b"<b/>"), rest=6).startswith("226")
    assert path.read_bytes() == b"<a/>\0\0<b/>"


def test_what_is_appended_goes_to_the_end_whatever_rest_said(
    either: tuple[ftplib.FTP, Path],
) -> None:
    ftp, root = either
    path = root / "statin" / "a.XML"
    path.write_bytes(b"<a>")
    path.chmod(0o666)
    assert ftp.storbinary("APPE /statin/a.XML", BytesIO(b"</a>"), rest=1).startswith("226")
    assert path.read_bytes() == b"<a></a>"


def test_what_cannot_go_on_is_refused_and_is_no_upload_that_was_cut_off(
    rig: Rig, ftp: ftplib.FTP
) -> None:
    rig.place("statin", "a.XML", b"<a/>")
    for path, rest in (("/statin/none.XML", 5), ("/statin/a.XML", 1 << 50)):
        with pytest.raises(ftplib.error_perm, match="550"):
            ftp.storbinary(f"STOR {path}", BytesIO(b"x"), rest=rest)
    assert "cut off" not in rig.told.kinds()
    assert rig.names("statin") == ["a.XML"]


# Forms


UNIX_LINE = re.compile(
    r"[-d](?:[r-][w-][x-]){3} +\d+ \S+ +\S+ +\d+ "
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d (?:\d\d:\d\d| \d{4}) (.+)"
)
"""A line of `ls -l`, as parsers of long ago want it: columns, English months, hour or year."""


def test_each_line_of_a_listing_has_the_form_of_ls(rig: Rig, ftp: ftplib.FTP) -> None:
    os.utime(rig.place("out", "new b.XML"))
    os.utime(rig.place("out", "old.XML"), (1_000_000_000, 1_000_000_000))
    for folder, names in (("/out", {"new b.XML", "old.XML"}), ("/", {"out", "statin"})):
        lines: list[str] = []
        ftp.retrlines(f"LIST {folder}", lines.append)
        found = [UNIX_LINE.fullmatch(line) for line in lines]
        assert all(found), lines
        assert {line[1] for line in found if line} >= names


@pytest.mark.parametrize("command", ["LIST", "NLST", "MLSD"])
def test_an_empty_folder_is_an_empty_listing_and_no_error(ftp: ftplib.FTP, command: str) -> None:
    assert codes(ftp, f"{command} /out").endswith("226")


def test_a_time_can_be_set_with_mdtm(rig: Rig, ftp: ftplib.FTP) -> None:
    path = rig.place("statin", "a b.XML")
    assert code(ftp, "MDTM 20200102030405 /statin/a b.XML") == "213"
    assert ftp.sendcmd("MDTM /statin/a b.XML") == "213 20200102030405"
    assert path.stat().st_mtime == 1_577_934_245


@pytest.mark.parametrize("name", ["factura_nº_ñ€.XML", "acció.XML"])
def test_with_utf8_off_names_are_windows_1252_both_ways(
    rig: Rig, ftp: ftplib.FTP, name: str
) -> None:
    rig.place("out", name)
    ftp.sendcmd("OPTS UTF8 OFF")
    ftp.encoding = "cp1252"
    assert ftp.nlst("/out") == [name]
    data = bytearray()
    ftp.retrbinary(f"RETR /out/{name}", data.extend)
    assert data == XML
    with closing(ftp.transfercmd(f"STOR /statin/{name}")) as channel:
        channel.sendall(XML)
    ftp.voidresp()
    assert rig.names("statin") == [name]
    ftp.sendcmd("OPTS UTF8 ON")
    ftp.encoding = "utf-8"
    assert ftp.nlst("/statin") == [name]


@pytest.mark.parametrize("command", ["LIST", "NLST", "MLSD"])
def test_with_utf8_off_a_name_that_does_not_fit_is_shown_all_the_same(
    rig: Rig, ftp: ftplib.FTP, command: str
) -> None:
    rig.place("out", "x😀.XML")
    ftp.sendcmd("OPTS UTF8 OFF")
    lines: list[str] = []
    ftp.retrlines(f"{command} /out", lines.append)
    assert [line[-6:] for line in lines] == ["x?.XML"]


def test_the_extended_active_mode_works(rig: Rig, ftp: ftplib.FTP) -> None:
    rig.place("out", "a")
    with socket.create_server(("127.0.0.1", 0)) as mine:
        ftp.sendcmd(f"EPRT |1|127.0.0.1|{mine.getsockname()[1]}|")
        ftp.sendcmd("RETR /out/a")
        channel, _ = mine.accept()
        with channel:
            assert channel.recv(4096) == XML
    ftp.voidresp()


def test_an_idle_session_is_told_before_it_is_closed(rig: Rig, ftp: ftplib.FTP) -> None:
    assert rig.ftp._server is not None
    rig.ftp._server.handler.timeout = 0.2  # instead of a quarter of an hour; for new sessions
    client = FtplibClient("ftp", rig.port("ftp"))
    with client.session() as idle, pytest.raises(ftplib.error_temp, match="421"):
        idle.getresp()
    assert ftp.pwd() == "/"


def test_behind_a_nat_the_address_and_the_ports_are_those_that_were_set(tmp_path: Path) -> None:
    port = free_port()
    settings = FtpSettings(port=0, masquerade_address="localhost", passive_ports=f"{port}-{port}")
    with open_doors(tmp_path, ftp=settings) as rig:
        rig.place("out", "a")
        with FtplibClient("ftp", rig.port("ftp")).session() as ftp:
            ftp.trust_server_pasv_ipv4_address = True
            assert ftplib.parse227(ftp.sendcmd("PASV")) == ("127.0.0.1", port)
            for _ in range(3):  # one port is enough for one transfer after the other
                data = bytearray()
                ftp.retrbinary("RETR /out/a", data.extend)
                assert data == XML

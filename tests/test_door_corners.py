"""What real clients do beside the round: resume, mirror, renew keys, keep alive, come often."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko
import pytest

from tests.door_clients import Curl, Lftp
from tests.door_clients.sftp_programs import Openssh, Psftp
from tests.door_libraries import PASSWORD, USER, FtplibClient, ParamikoClient
from tests.door_rig import XML, Rig

LARGE = b"<a>" + b"0123456789abcde\n" * 60_000 + b"</a>"
HALF = LARGE[: len(LARGE) // 2]


# Resuming


def by_openssh(rig: Rig, folder: Path, path: str) -> None:
    client = Openssh("sftp", rig.port("sftp"), folder)
    client.batch(f'reput "{client.local(LARGE)}" "{path}"')


def by_psftp(rig: Rig, folder: Path, path: str) -> None:
    client = Psftp("sftp", rig.port("sftp"), folder)
    client.batch(f'reput "{client.local(LARGE)}" "{path}"')


def by_lftp(rig: Rig, folder: Path, path: str, protocol: str = "sftp") -> None:
    client = Lftp(protocol, rig.port(protocol), folder)
    client.run(*client.command(f'put -c "{client.local(LARGE)}" -o "{path}"'))


def by_lftp_over_ftp(rig: Rig, folder: Path, path: str) -> None:
    by_lftp(rig, folder, path, "ftp")


def by_curl(rig: Rig, folder: Path, path: str) -> None:
    client = Curl("ftp", rig.port("ftp"), folder)
    client.run(*client.command("-C", "-", "-T", str(client.local(LARGE)), path=path))


def by_curl_appending(rig: Rig, folder: Path, path: str) -> None:
    client = Curl("ftp", rig.port("ftp"), folder)
    rest = client.local(LARGE[len(HALF) :])
    client.run(*client.command("--append", "-T", str(rest), path=path))


@pytest.mark.parametrize(
    "resume",
    [by_openssh, by_psftp, by_lftp, by_lftp_over_ftp, by_curl, by_curl_appending],
)
def test_a_client_goes_on_with_an_upload_where_it_ended(
    rig: Rig, tmp_path: Path, resume: Any
) -> None:
    path = rig.place("statin", "r.XML.part", HALF)
    (tmp_path / "client").mkdir()
    resume(rig, tmp_path / "client", "/statin/r.XML.part")
    assert path.read_bytes() == LARGE


@pytest.mark.parametrize("protocol", ["sftp", "ftp"])
def test_a_client_goes_on_with_a_download_where_it_ended(
    rig: Rig, tmp_path: Path, protocol: str
) -> None:
    rig.place("out", "x.XML", LARGE)
    client = Lftp(protocol, rig.port(protocol), tmp_path)
    local = client.local(HALF)
    client.run(*client.command(f'get -c /out/x.XML -o "{local}"'))
    assert local.read_bytes() == LARGE


# Mirrors


@pytest.mark.parametrize("protocol", ["sftp", "ftp"])
def test_a_folder_is_mirrored_by_several_connections_at_once(
    rig: Rig, tmp_path: Path, protocol: str
) -> None:
    for number in range(40):
        rig.place("out", f"{number}.XML", XML + b"<!--%d-->" % number)
    client = Lftp(protocol, rig.port(protocol), tmp_path)
    client.run(*client.command("mirror --parallel=4 --Remove-source-files /out mirrored"))
    found = {path.name: path.read_bytes() for path in (tmp_path / "mirrored").iterdir()}
    assert found == {f"{number}.XML": XML + b"<!--%d-->" % number for number in range(40)}
    assert rig.names("out") == []


# Long sessions


def test_a_client_renews_its_keys_again_and_again_in_one_transfer(rig: Rig, tmp_path: Path) -> None:
    rig.place("out", "x.XML", LARGE)
    client = Openssh("sftp", rig.port("sftp"), tmp_path)
    local = client.folder / "local file"
    command = client.command("-o", "RekeyLimit=100K", "-b", "-")
    lines = f'get /out/x.XML "{local}"\nput "{local}" /in/x.XML\n'
    client.run(*command, stdin=lines)
    assert (rig.root / "in" / "x.XML").read_bytes() == LARGE


def test_a_client_that_asks_whether_we_are_still_there_is_answered(rig: Rig) -> None:
    with ParamikoClient("sftp", rig.port("sftp")).session() as sftp:
        transport = sftp.get_channel().get_transport()
        for _ in range(3):
            transport.global_request("keepalive@openssh.com", wait=True)
        assert transport.is_active()
        assert "out" in sftp.listdir("/")


# Coming often


@pytest.mark.parametrize("kind", [ParamikoClient, FtplibClient])
def test_a_client_that_comes_again_all_the_time_is_served_each_time(rig: Rig, kind: Any) -> None:
    protocol = "sftp" if kind is ParamikoClient else "ftp"
    rig.place("out", "x.XML")

    def come(_: int) -> bytes:
        return kind(protocol, rig.port(protocol)).fetch("/out/x.XML")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(come, range(40))) == {XML}
    rig.told.wait_for("logged out", USER, protocol, count=40)
    assert rig.access._sessions.total() == 0


def test_many_files_are_open_at_once(rig: Rig) -> None:
    with ParamikoClient("sftp", rig.port("sftp")).session() as sftp:
        files = [sftp.open(f"/in/{number}", "wb") for number in range(100)]
        for file in files:
            file.write(XML)
        for file in files:
            file.close()
    assert len(rig.names("in")) == 100


def test_a_session_stays_open_while_its_client_does_nothing(rig: Rig) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.connect(username=USER, password=PASSWORD)
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        for other in range(20):  # what happens meanwhile is not its affair
            rig.place("out", str(other))
            ParamikoClient("sftp", rig.port("sftp")).delete(f"/out/{other}")
        assert sftp.listdir("/out") == []

"""Another server in front of the mailbox: the recipe of docs/other-servers.md as it stands."""

import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.model import State
from bridge.sandbox.server import Sandbox
from tests.door_clients import Client, ClientError, make_client
from tests.door_rig import FOLDERS, wait_until
from tests.gateway import Gateway, install
from tests.other_servers import GROUP, open_folders, openssh, vsftpd
from tests.test_door_offers import OFFERS, OldClient
from tests.test_round import answers, hub_id_of, state_file

BRIDGE = ["setpriv", f"--regid={GROUP}", "--clear-groups", "sh", "-c", 'umask 027; exec "$@"', "sh"]
"""As its unit runs it: in its own group, with nothing for others."""

SERVERS: dict[str, tuple[Callable[[Path, Path], AbstractContextManager[int]], str]] = {
    "OpenSSH": (openssh, "OpenSSH with a password"),
    "vsftpd": (vsftpd, "lftp over FTPS"),
}
"""Each server, and the client that comes to it."""


@dataclass(frozen=True, slots=True)
class Scene:
    sandbox: Sandbox
    gateway: Gateway
    client: Client

    def placed(self) -> list[str]:
        """Wait until all invoices are there."""
        wait_until(lambda: len(self.client.names("/out")) == 3, "the invoices are there")
        return self.client.names("/out")


@pytest.fixture(params=SERVERS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    server, client = SERVERS[request.param]
    for name in ("bridge", "server", "client"):
        (tmp_path / name).mkdir()
    with Sandbox(invoices=3) as sandbox:
        gateway = install(tmp_path / "bridge", sandbox)
        settings = gateway.config.read_text()
        for door in ("[sftp]", "[ftp]"):
            settings = settings.replace(door, f"{door}\nenabled = false")
        gateway.config.write_text(settings)
        with gateway.serving(within=BRIDGE):
            open_folders(gateway.mailbox)
            with server(tmp_path / "server", gateway.mailbox) as port:
                yield Scene(sandbox, gateway, make_client(client, port, tmp_path / "client"))


def test_a_client_does_its_whole_round(scene: Scene) -> None:
    book, client = scene.sandbox.book, scene.client
    first, second, third = scene.placed()
    assert client.fetch(f"/out/{first}") == book.held(hub_id_of(first)).facturae()

    client.delete(f"/out/{first}")
    wait_until(lambda: State.DELIVERED in book.states(hub_id_of(first)), "the hub is told")

    update = state_file(hub_id_of(second), status="ANNOTATED", rcf_register_number="R-7")
    client.put("/statin/annotated.XML", update)
    wait_until(lambda: State.ANNOTATED in book.states(hub_id_of(second)), "it is sent")

    update = state_file(hub_id_of(third), status="ANNOTATED", rcf_register_number="R-8")
    client.put_and_rename("/STATIN/next.XML.part", "/STATIN/next.XML", update)
    wait_until(lambda: State.ANNOTATED in book.states(hub_id_of(third)), "it is sent")
    assert client.names("/statin") == []


def test_half_a_file_is_answered_and_not_taken(scene: Scene) -> None:
    hub_id = hub_id_of(scene.placed()[0])
    update = state_file(hub_id, status="ANNOTATED", rcf_register_number="R-7")
    scene.client.put("/statin/half.XML", update[: len(update) // 2])
    wait_until(lambda: any("BR01" in text for text in answers(scene.client)), "it is answered")
    assert scene.client.names("/statin") == []
    assert scene.sandbox.book.requests(operation="update", hub_id=hub_id) == ()


def test_the_client_is_locked_in_and_the_group_can_read_what_it_drops(scene: Scene) -> None:
    client = scene.client
    assert [name.rstrip("/@") for name in client.names("/")] == sorted([*FOLDERS, "STATIN"])
    with pytest.raises(ClientError):
        client.fetch("/../../etc/passwd")
    with pytest.raises(ClientError):
        client.put("/new", b"")
    client.put("/in/invoice", b"<a/>")
    found = (scene.gateway.mailbox / "in" / "invoice").stat()
    assert (found.st_uid, found.st_gid) == (GROUP, GROUP)
    assert found.st_mode & stat.S_IRGRP


def test_openssh_takes_a_client_of_2008_that_the_doors_do_not(tmp_path: Path) -> None:
    mailbox = tmp_path / "mailbox"
    for folder in FOLDERS:
        (mailbox / folder).mkdir(parents=True)
    open_folders(mailbox)
    (tmp_path / "server").mkdir()
    for legacy in (False, True):
        with openssh(tmp_path / "server", mailbox, legacy=legacy) as port:
            client = OldClient("sftp", port, tmp_path)
            client.offer = OFFERS["of 2008"][:4]
            if legacy:
                assert client.names("/out") == []
            else:
                with pytest.raises(ClientError):
                    client.names("/out")

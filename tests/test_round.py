"""The whole round with `serve` as a process: hub, bridge and real clients in their own processes.

What the hub's journal and the client saw is what counts; nothing here looks into the ledger but
through `status`.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import feedback
from bridge.model import HubId, State
from bridge.sandbox.server import Sandbox
from tests.door_clients import ROUNDS, Client, ParamikoClient, make_client
from tests.door_rig import wait_until
from tests.gateway import PATIENCE, Gateway, install

CLIENTS = ("paramiko", "OpenSSH", "lftp over SFTP", "ftplib", "lftp over FTP", "curl over FTP")
"""Some of those that do the round at the doors alone, in `test_door_clients.py`."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=8) as sandbox:
        yield sandbox


@pytest.fixture
def gateway(tmp_path: Path, sandbox: Sandbox) -> Gateway:
    return install(tmp_path, sandbox)


def client_of(name: str, gateway: Gateway) -> Client:
    protocol, _ = ROUNDS[name]
    folder = gateway.folder / "client"
    folder.mkdir(exist_ok=True)
    return make_client(name, gateway.sftp if protocol == "sftp" else gateway.ftp, folder)


def state_file(hub_id: str, **details: str) -> bytes:
    return feedback.write(
        feedback.DeliveryFeedback(
            entries=(
                feedback.StatusFeedback(
                    hub=feedback.HubFeedback(hub_id=hub_id),
                    invoice=feedback.InvoiceFeedback(
                        invoice_id="1",
                        feedbacks=(feedback.Feedback(**details),),  # type: ignore[arg-type]
                    ),
                ),
            )
        )
    )


def hub_id_of(name: str) -> HubId:
    return HubId(name.rsplit("@", 1)[1].removesuffix(".XML"))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_does_its_whole_round(name: str, gateway: Gateway, sandbox: Sandbox) -> None:
    book = sandbox.book
    with gateway.serving():
        client = client_of(name, gateway)
        wait_until(lambda: len(client.names("out")) == 8, "all invoices are there")
        names = client.names("out")
        first, second = names[:2]

        for invoice in names:
            assert client.fetch(f"/out/{invoice}") == book.held(hub_id_of(invoice)).facturae()

        client.delete(f"/out/{first}")
        wait_until(lambda: State.DELIVERED in book.states(hub_id_of(first)), "the hub is told")

        update = state_file(hub_id_of(second), status="ANNOTATED", rcf_register_number="R-7")
        client.put("/statin/annotated.XML", update)
        wait_until(lambda: State.ANNOTATED in book.states(hub_id_of(second)), "it is sent")
        assert book.invoice(hub_id_of(second)).register_number == "R-7"

        bad = state_file(hub_id_of(second), status="ANNOTATED")
        client.put_and_rename("/statin/bad.XML.part", "/statin/bad.XML", bad)
        wait_until(lambda: any("BR05" in text for text in answers(client)), "it is answered")
        assert client.names("statin") == []
    assert len(book.requests(operation="update", hub_id=hub_id_of(second))) == 1


def answers(client: Client) -> list[str]:
    found = [client.fetch(f"/statout/{name}").decode() for name in client.names("statout")]
    return [text for text in found if "HubErrorCode" in text]


@pytest.mark.parametrize("name", ["paramiko", "ftplib"])
def test_an_upload_that_was_cut_off_is_neither_taken_nor_answered(
    name: str, gateway: Gateway, sandbox: Sandbox
) -> None:
    hub_id = sandbox.book.hub_ids[0]
    whole = state_file(hub_id, status="REJECTED", reason="x" * 200_000, reason_code="1")
    with gateway.serving():
        client = client_of(name, gateway)
        wait_until(lambda: len(client.names("out")) == 8, "all invoices are there")
        uploading = client.cut_off("/statin/half.XML", whole)
        wait_until(lambda: _partial(gateway), "the upload has begun")
        uploading.send_signal(signal.SIGKILL)
        uploading.wait()
        wait_until(lambda: not _partial(gateway), "the rest is put away")
        assert client.names("statin") == []
        assert answers(client) == []
    assert sandbox.book.requests(operation="update", hub_id=hub_id) == ()
    text = gateway.run("status").out
    assert "half.XML" in text


def _partial(gateway: Gateway) -> list[Path]:
    return [
        path
        for path in (gateway.folder / "data" / "staging" / "uploads").rglob("*")
        if path.is_file()
    ]


def test_nothing_is_lost_or_doubled_when_serve_is_killed_again_and_again(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    book = sandbox.book
    imported: list[str] = []
    for turn in range(6):
        process = gateway.start()
        client = ParamikoClient("sftp", gateway.sftp)
        book.add_invoices(3)
        wait_until(lambda client=client: client.names("out"), "an invoice is there")  # type: ignore[misc]
        for name in client.names("out"):
            client.fetch(f"/out/{name}")
            client.delete(f"/out/{name}")
            imported.append(hub_id_of(name))
            update = state_file(hub_id_of(name), status="ANNOTATED", rcf_register_number=f"R{turn}")
            client.put(f"/statin/{hub_id_of(name)}.XML", update)
        process.kill()
        process.wait()
    with gateway.serving():
        client = ParamikoClient("sftp", gateway.sftp)

        def rest() -> bool:
            for name in client.names("out"):
                client.fetch(f"/out/{name}")
                client.delete(f"/out/{name}")
                imported.append(hub_id_of(name))
            return len(imported) >= len(book.hub_ids) and not book.pending

        wait_until(rest, "everything is imported")
        wait_until(lambda: client.names("statin") == [], "the state files are taken")
    assert sorted(imported) == sorted(book.hub_ids)
    for hub_id in book.hub_ids:
        assert list(book.states(hub_id)).count(State.ANNOTATED) <= 1


def test_an_account_goes_on_by_itself_once_its_secret_is_mended(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    gateway = install(tmp_path, sandbox, secret="a wrong one, but long enough for a key of HS256")
    with gateway.serving():
        wait_until(lambda: gateway.status()["accounts"][0]["trouble"], "the hub says no")
        (gateway.folder / "ajuntament.secret").write_text(sandbox.secret)
        client = ParamikoClient("sftp", gateway.sftp)
        wait_until(lambda: len(client.names("out")) == 8, "all invoices are there")
        wait_until(lambda: not gateway.status()["accounts"][0]["trouble"], "all is well")


def test_push_says_that_the_hub_could_not_be_asked(gateway: Gateway, sandbox: Sandbox) -> None:
    assert gateway.run("pull").code == 0
    update = state_file(sandbox.book.hub_ids[0], status="ANNOTATED", rcf_register_number="R")
    (gateway.mailbox / "statin" / "a.XML").write_bytes(update)
    sandbox.book.faults.fail("html", status=503, times=None)
    result = gateway.run("push")
    assert result.code == 3
    assert "1 waiting" in result.out
    sandbox.book.faults.clear()
    assert gateway.run("push").code == 0
    assert State.ANNOTATED in sandbox.book.states(sandbox.book.hub_ids[0])


def test_a_look_at_the_status_makes_no_files(gateway: Gateway) -> None:
    gateway.forget()
    assert gateway.status()["accounts"][0]["deliveries"]["placed"] == 0
    assert not (gateway.folder / "data").exists()


def test_serve_ends_within_seconds_of_sigterm_even_when_the_hub_hangs(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    settings = gateway.config.read_text()
    gateway.config.write_text(settings.replace("timeout = 20", "timeout = 120"))
    sandbox.book.faults.fail("hang", operation="pending_invoices", seconds=120)
    process = gateway.start()
    wait_until(lambda: not sandbox.book.faults.waiting, "the hub is asked")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0

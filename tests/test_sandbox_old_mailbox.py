"""The old mailbox beside the pretend hub: the same invoices again, and state files taken."""

import base64
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from bridge import feedback
from bridge.errors import PortTakenError
from bridge.feedback import DeliveryFeedback, Feedback, HubFeedback, InvoiceFeedback, StatusFeedback
from bridge.model import State
from bridge.naming import Folder
from bridge.sandbox.old_files import addressing_code
from bridge.sandbox.old_mailbox import OldMailbox
from bridge.sandbox.server import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=4, old_mailbox=True) as sandbox:
        yield sandbox


@pytest.fixture
def old(sandbox: Sandbox) -> OldMailbox:
    assert sandbox.old_mailbox is not None
    return sandbox.old_mailbox


@contextmanager
def client_of(old: OldMailbox) -> Iterator[paramiko.SFTPClient]:
    host, port = old.url.removeprefix(f"sftp://{old.user}@").rstrip("/").split(":")
    kind, key = old.host_key.split()
    ssh = paramiko.SSHClient()
    ssh.get_host_keys().add(
        f"[{host}]:{port}", kind, paramiko.PKey.from_type_string(kind, base64.b64decode(key))
    )
    ssh.connect(host, int(port), old.user, old.password, allow_agent=False, look_for_keys=False)
    try:
        yield ssh.open_sftp()
    finally:
        ssh.close()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def state_file(status: str, *, hub_id: str | None, **details: str) -> bytes:
    hub = None if hub_id is None else HubFeedback(hub_id=hub_id)
    state = Feedback(
        status=status, status_date=feedback.read_time("2026-03-09T10:00:00"), **details
    )
    about = InvoiceFeedback(
        invoice_id="1", invoice_date=feedback.read_date("2026-03-01"), feedbacks=(state,)
    )
    return feedback.write(DeliveryFeedback(entries=(StatusFeedback(hub=hub, invoice=about),)))


def put(old: OldMailbox, name: str, content: bytes) -> None:
    with client_of(old) as sftp:
        sftp.putfo(io.BytesIO(content), f"/statin/{name}", confirm=False)


def test_a_client_finds_the_same_invoices_byte_for_byte(sandbox: Sandbox, old: OldMailbox) -> None:
    with client_of(old) as sftp:
        found = {}
        for name in sftp.listdir("//out"):
            parts = old.profile.parse(Folder.OUT, name)
            assert parts is not None
            found[parts.hub_id] = sftp.open(f"//out/{name}").read()
    book = sandbox.book
    assert found == {hub_id: book.held(hub_id).facturae() for hub_id in book.hub_ids}


def test_names_bear_the_addressing_codes_of_supplier_and_receiver(
    sandbox: Sandbox, old: OldMailbox
) -> None:
    for path in old.folder(Folder.OUT).iterdir():
        parts = old.profile.parse(Folder.OUT, path.name)
        assert parts is not None
        assert parts.hub_id is not None
        invoice = sandbox.book.invoice(parts.hub_id)
        assert parts.sender == addressing_code(invoice.supplier_nif)
        assert parts.receiver == addressing_code(invoice.receiver_nif)
        assert len(parts.sender) == 22


def test_beside_each_invoice_lies_its_registration_with_the_receipt(
    sandbox: Sandbox, old: OldMailbox
) -> None:
    messages = [feedback.read(path.read_bytes()) for path in old.folder(Folder.STATOUT).iterdir()]
    seen = set()
    for message in messages:
        (entry,) = message.entries
        assert entry.hub is not None
        assert entry.invoice is not None
        held = sandbox.book.held(entry.hub.hub_id)
        (state,) = entry.invoice.feedbacks
        assert state.status == "REGISTERED"
        assert state.register_number == held.invoice.registration_number
        assert held.receipt is not None
        assert state.acknowledgment == held.receipt()
        seen.add(held.hub_id)
    assert seen == set(sandbox.book.hub_ids)


def test_attachments_lie_in_adjout(sandbox: Sandbox, old: OldMailbox) -> None:
    wanted = sorted(
        each.content
        for hub_id in sandbox.book.hub_ids
        for each in sandbox.book.held(hub_id).attachments
    )
    assert sorted(path.read_bytes() for path in old.folder(Folder.ADJOUT).iterdir()) == wanted


def test_the_same_seed_gives_the_same_files_password_and_host_key(old: OldMailbox) -> None:
    def files(mailbox: OldMailbox) -> dict[str, bytes]:
        rows = (path for path in mailbox.root.rglob("*") if path.is_file())
        return {str(path.relative_to(mailbox.root)): path.read_bytes() for path in rows}

    with Sandbox(invoices=4, old_mailbox=True) as other:
        assert other.old_mailbox is not None
        assert files(other.old_mailbox) == files(old)
        assert other.old_mailbox.password == old.password
        assert other.old_mailbox.host_key == old.host_key


def test_what_comes_later_is_delivered_too(sandbox: Sandbox, old: OldMailbox) -> None:
    hub_id = sandbox.book.add_invoice()
    sandbox.book.add_attachment(hub_id, "tard.pdf", b"%PDF")
    wait_for(lambda: any(hub_id in path.name for path in old.folder(Folder.OUT).iterdir()))
    wait_for(lambda: b"%PDF" in [p.read_bytes() for p in old.folder(Folder.ADJOUT).iterdir()])


def test_a_file_that_is_no_invoice_is_delivered_as_it_is(sandbox: Sandbox, old: OldMailbox) -> None:
    hub_id = sandbox.book.add_invoice(facturae=b"no XML")
    wait_for(lambda: b"no XML" in [p.read_bytes() for p in old.folder(Folder.OUT).iterdir()])
    assert any(hub_id in path.name for path in old.folder(Folder.OUT).iterdir())


def test_an_invoice_is_delivered_once_it_is_registered(sandbox: Sandbox, old: OldMailbox) -> None:
    hub_id = sandbox.book.add_invoice(registered=False)
    old.work()
    assert not any(hub_id in path.name for path in old.folder(Folder.OUT).iterdir())
    sandbox.book.register(hub_id, "E/9-2026")
    wait_for(lambda: any(hub_id in path.name for path in old.folder(Folder.OUT).iterdir()))


def test_a_deleted_file_stays_deleted_and_pending_at_the_hub(
    sandbox: Sandbox, old: OldMailbox
) -> None:
    with client_of(old) as sftp:
        for name in sftp.listdir("/out"):
            sftp.remove(f"/out/{name}")
        old.work()
        assert sftp.listdir("/out") == []
    assert sandbox.book.pending == sandbox.book.hub_ids


def test_a_state_file_reaches_the_hub_by_the_old_road(sandbox: Sandbox, old: OldMailbox) -> None:
    one = sandbox.book.hub_ids[0]
    content = state_file("ANNOTATED", hub_id=one, rcf_register_number="2026/17")
    put(old, "a@b@c.XML", content)
    wait_for(lambda: sandbox.book.states(one)[-1] is State.ANNOTATED)
    assert sandbox.book.invoice(one).register_number == "2026/17"
    assert one not in sandbox.book.pending
    wait_for(lambda: not list(old.folder(Folder.STATIN).iterdir()))
    (request,) = sandbox.book.requests(operation="update")
    assert (request.method, request.state, request.applied) == ("STATIN", "ANNOTATED", True)


def answers(old: OldMailbox) -> list[HubFeedback]:
    found = []
    for path in old.folder(Folder.STATOUT).iterdir():
        for entry in feedback.read(path.read_bytes()).entries:
            if entry.hub is not None and entry.hub.status == "REJECTED":
                found.append(entry.hub)
    return found


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no XML", "BR01"),
        (state_file("ANNOTATED", hub_id="999", rcf_register_number="1"), "2001"),
        (state_file("DELIVERED", hub_id=None), "BR02"),
    ],
)
def test_a_state_file_that_cannot_be_applied_is_answered(
    old: OldMailbox, content: bytes, code: str
) -> None:
    put(old, "a@b@c.XML", content)
    wait_for(lambda: answers(old))
    (answer,) = answers(old)
    assert answer.error_code is not None
    assert answer.error_code.startswith(code)
    assert answer.filename == "a@b@c.XML"


def test_an_update_that_the_hub_refuses_is_answered_with_its_code(
    sandbox: Sandbox, old: OldMailbox
) -> None:
    one = sandbox.book.hub_ids[0]
    sandbox.book.set_state(one, State.PAID)
    put(old, "a@b@c.XML", state_file("DELIVERED", hub_id=one))
    wait_for(lambda: answers(old))
    assert [answer.hub_id for answer in answers(old)] == [one]
    assert (answers(old)[0].error_code or "").startswith("3007")


def test_an_invoice_is_found_by_number_supplier_and_date(sandbox: Sandbox, old: OldMailbox) -> None:
    one = sandbox.book.hub_ids[0]
    invoice = sandbox.book.invoice(one)
    about = InvoiceFeedback(
        invoice_id=invoice.number,
        supplier_cif=invoice.supplier_nif,
        invoice_date=invoice.issue_date,
        feedbacks=(Feedback(status="DELIVERED", status_date=sandbox.book.now()),),
    )
    message = DeliveryFeedback(entries=(StatusFeedback(invoice=about),))
    put(old, "a@b@c.XML", feedback.write(message))
    wait_for(lambda: sandbox.book.states(one)[-1] is State.DELIVERED)


def test_as_at_the_old_hub_a_name_in_small_letters_is_ignored(
    sandbox: Sandbox, old: OldMailbox
) -> None:
    one = sandbox.book.hub_ids[0]
    put(old, "a@b@c.xml", state_file("DELIVERED", hub_id=one))
    old.work()
    assert sandbox.book.states(one)[-1] is State.REGISTERED
    assert [path.name for path in old.folder(Folder.STATIN).iterdir()] == ["a@b@c.xml"]


def test_a_given_folder_stays_and_a_temporary_one_goes(tmp_path: Path) -> None:
    with Sandbox(invoices=1, old_mailbox=True, old_mailbox_folder=tmp_path) as sandbox:
        assert sandbox.old_mailbox is not None
        assert sandbox.old_mailbox.root == tmp_path / "mailbox"
    assert len(list((tmp_path / "mailbox" / "out").iterdir())) == 1
    with Sandbox(invoices=1, old_mailbox=True) as sandbox:
        assert sandbox.old_mailbox is not None
        temporary = sandbox.old_mailbox.root
    assert not temporary.exists()


def test_a_port_that_is_taken_stops_everything(sandbox: Sandbox, old: OldMailbox) -> None:
    port = int(old.url.rstrip("/").rsplit(":", 1)[1])
    second = Sandbox(invoices=0, old_mailbox=True, old_mailbox_port=port)
    with pytest.raises(PortTakenError):
        second.start()
    third = Sandbox(invoices=0, port=int(second.base_url.split(":")[2].split("/")[0]))
    with third:
        assert third.base_url == second.base_url

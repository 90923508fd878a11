"""Listening to the old mailbox: every file and every invoice that it shows is written down."""

import hashlib
from pathlib import Path

import pytest

from bridge.learning import learn
from bridge.ledger import deliveries
from bridge.model import Digest, FeedName, HubId
from bridge.naming import Folder
from bridge.old_files.file import FileKind
from bridge.sandbox.server import Sandbox
from tests.accounts import Offices
from tests.old_folder import Listener, OldFolder


@pytest.fixture
def old(tmp_path: Path, sandbox: Sandbox) -> OldFolder:
    return OldFolder(tmp_path / "old", sandbox.book)


@pytest.fixture
def listener(open_account: Offices, old: OldFolder) -> Listener:
    return Listener(open_account(shadow="legacy", legacy={"url": old.url}))


def digest_of(path: Path) -> Digest:
    return Digest(hashlib.sha256(path.read_bytes()).hexdigest())


def add(sandbox: Sandbox, *, attachments: int = 0) -> HubId:
    hub_id = sandbox.book.add_invoice(attachments=False)
    for number in range(attachments):
        sandbox.book.add_attachment(hub_id, f"{number}.pdf", b"%PDF-1 " * (number + 1))
    return hub_id


def test_an_invoice_is_recorded_with_all_that_its_files_tell(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox, attachments=2)
    old.deliver(hub_id)
    assert listener.listen().deliveries == 1
    held, found = sandbox.book.held(hub_id), listener.one(hub_id)
    assert found.digest == digest_of(old.invoice(hub_id))
    assert found.registration_number == held.invoice.registration_number
    assert found.registered_at == held.invoice.registered_at
    assert found.receipt == hashlib.sha256(held.receipt()).hexdigest()
    assert [it.position for it in found.attachments] == [1, 2]
    assert listener.verified() == []


def test_what_was_recorded_is_not_read_again(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    old.deliver(add(sandbox))
    assert listener.listen().new == 2
    assert listener.listen().new == 0


def test_the_old_mailbox_is_as_it_was(sandbox: Sandbox, old: OldFolder, listener: Listener) -> None:
    old.deliver(add(sandbox, attachments=1))
    old.put("statin/1.XML", b"<DeliveryFeedback/>")
    before = old.everything()
    listener.listen()
    old.invoice(listener.side()[0].hub_id).chmod(0o000)
    listener.listen()
    old.invoice(listener.side()[0].hub_id).chmod(0o600)
    assert old.everything() == before


def test_a_message_may_come_before_its_invoice(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox)
    old.deliver(hub_id, folders=(Folder.STATOUT,))
    listener.listen()
    announced = listener.one(hub_id)
    assert (announced.digest, announced.registration_number) != (None, None)
    assert announced.digest is None
    old.deliver(hub_id, folders=(Folder.OUT,))
    listener.listen()
    found = listener.one(hub_id)
    assert found.digest == digest_of(old.invoice(hub_id))
    assert (found.registration_number, found.receipt) == (
        announced.registration_number,
        announced.receipt,
    )
    assert listener.verified() == []


def test_a_message_may_come_after_its_invoice(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox)
    old.deliver(hub_id, folders=(Folder.OUT,))
    listener.listen()
    assert listener.one(hub_id).registration_number is None
    old.deliver(hub_id, folders=(Folder.STATOUT,))
    listener.listen()
    assert listener.one(hub_id).receipt is not None
    assert listener.verified() == []


def test_a_late_attachment_belongs_to_its_invoice(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox)
    old.deliver(hub_id)
    listener.listen()
    sandbox.book.add_attachment(hub_id, "late.pdf", b"%PDF-late")
    old.deliver(hub_id, folders=(Folder.ADJOUT,))
    listener.listen()
    (late,) = listener.one(hub_id).attachments
    assert late.digest == hashlib.sha256(b"%PDF-late").hexdigest()
    assert listener.verified() == []


def test_an_invoice_without_a_hub_id_in_its_name_gets_it_from_its_message(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox)
    held = sandbox.book.held(hub_id)
    message, invoice = old.form.invoice(held, now=sandbox.book.now())
    old.put("out/whatever.xml", invoice.content)
    listener.listen()
    assert listener.files()["out/whatever.xml"].kind is FileKind.UNKNOWN
    content = message.content.replace(invoice.name.encode(), b"whatever.xml")
    old.put(f"statout/{message.name}", content)
    listener.listen()
    assert listener.files()["out/whatever.xml"].hub_id == hub_id
    assert listener.one(hub_id).name == "whatever.xml"
    assert listener.verified() == []


def test_other_bytes_under_the_same_name_are_kept_beside_the_first(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox)
    old.deliver(hub_id)
    listener.listen()
    path = old.invoice(hub_id)
    first = digest_of(path)
    path.write_bytes(path.read_bytes() + b"\n")
    listener.listen()
    found = listener.one(hub_id)
    assert (found.digest, found.others) == (first, (digest_of(path),))
    assert found.gone_at is None
    assert listener.verified() == []


@pytest.mark.parametrize("content", [b"", b"<Facturae", b"<html/>", b"%PDF-1"])
def test_what_is_called_an_invoice_and_is_none_is_an_unreadable_delivery(
    old: OldFolder, listener: Listener, content: bytes
) -> None:
    old.put("out/A@B@C@4100001.XML", content)
    listener.listen()
    found = listener.one(HubId("4100001"))
    assert found.unreadable
    assert found.digest == hashlib.sha256(content).hexdigest()
    assert listener.verified() == []


def test_a_file_that_cannot_be_read_stops_no_other_and_is_tried_again(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    good = add(sandbox)
    old.deliver(good)
    target = old.put("elsewhere", b"<x/>")
    (old.root / "out" / "A@B@C@4100001.XML").symlink_to(target)
    heard = listener.listen()
    assert [it.split(":")[0] for it in heard.troubles] == ["out/A@B@C@4100001.XML"]
    assert listener.one(good).digest is not None
    assert listener.one(HubId("4100001")).digest is None
    assert listener.verified() == []


def test_an_invoice_is_gone_when_two_listings_in_a_row_lack_it(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    one, two = add(sandbox), add(sandbox)
    old.deliver(one, two)
    listener.listen()
    old.invoice(one).unlink()
    listener.listen()
    assert listener.one(one).gone_at is None
    listener.listen()
    found = listener.one(one)
    assert found.gone_at is not None
    assert found.last_seen_at is not None
    assert found.last_seen_at < found.gone_at
    assert listener.one(two).gone_at is None
    assert listener.verified() == []


def test_a_mailbox_that_is_suddenly_empty_is_a_suspicion_until_the_next_listing(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox)
    old.deliver(hub_id)
    listener.listen()
    hidden = {path: path.read_bytes() for path in old.root.rglob("*.XML")}
    for path in hidden:
        path.unlink()
    assert listener.listen().vanished == 2
    for path, content in hidden.items():
        path.write_bytes(content)
    listener.listen()
    listener.listen()
    assert listener.one(hub_id).gone_at is None


def test_files_of_a_folder_that_is_gone_are_not_gone(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox)
    old.deliver(hub_id)
    listener.listen()
    (old.root / "statout").rename(old.root.parent / "away")
    for _ in range(3):
        listener.listen()
    assert {file.folder for file in listener.files().values()} == {Folder.OUT, Folder.STATOUT}


def test_an_invoice_that_comes_back_is_no_longer_gone(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id = add(sandbox)
    old.deliver(hub_id)
    listener.listen()
    path = old.invoice(hub_id)
    content = path.read_bytes()
    path.unlink()
    listener.listen()
    listener.listen()
    path.write_bytes(content)
    listener.listen()
    assert listener.one(hub_id).gone_at is None
    assert listener.verified() == []


def test_what_the_shadow_feed_shows_changes_nothing_in_the_mailbox(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    hub_id, office = add(sandbox, attachments=1), listener.office
    old.deliver(hub_id)
    listener.listen()
    office.pull()
    (attachment,) = office.names("adjout")
    assert attachment.split("@")[-1] == "001.pdf"
    office.collect(hub_id)
    office.pull()
    with office.account.ledger.read() as connection:
        shadow = deliveries.of_feed(connection, "town", FeedName.LEGACY, hub_id)
    assert shadow is not None
    assert shadow.state == "fetched"
    assert listener.verified() == []


def test_what_was_only_learned_is_on_no_side(
    sandbox: Sandbox, old: OldFolder, listener: Listener, tmp_path: Path
) -> None:
    past = OldFolder(tmp_path / "past", sandbox.book)
    learned, recorded = add(sandbox), add(sandbox)
    past.deliver(learned, recorded)
    learn(listener.office.account, past.root, collected=True)
    old.deliver(recorded, folders=(Folder.OUT,))
    listener.listen()
    assert [it.hub_id for it in listener.side()] == [recorded]
    assert listener.verified() == []


def test_listings_without_a_gap_are_one_span(
    sandbox: Sandbox, old: OldFolder, listener: Listener
) -> None:
    clock = listener.office.clock
    listener.listen()
    clock.pass_by(minutes=50)
    listener.listen()
    clock.pass_by(minutes=70)
    listener.listen()
    assert [span.listings for span in listener.spans()] == [2, 1]


def test_sides_are_sorted_by_number_where_hub_ids_are_numbers(
    old: OldFolder, listener: Listener
) -> None:
    for hub_id in ("10", "9", "B1", "a1", "100"):
        old.put(f"out/A@B@C@{hub_id}.XML", b"<broken")
    listener.listen()
    assert [it.hub_id for it in listener.side()] == ["9", "10", "100", "B1", "a1"]

"""What must hold while the old mailbox serves, whatever it shows: attacked from outside.

The old mailbox is a folder that the test changes as the old hub, its server or somebody else could.
"""

from pathlib import Path

import pytest

from bridge.feeds.legacy import Entry, OldMailboxReader
from bridge.legacy.inbound import legacy_recall
from bridge.mailbox import CONFIRMATION, PLACE_AGAIN, MailboxGoneError
from bridge.model import DeliveryState, FeedName, HubId
from bridge.recording import FeedRecorder
from bridge.status import look
from bridge.status.findings import findings
from bridge.upkeep.repair import put_right
from tests.accounts import Office, Offices, annotated, failing, state_file
from tests.test_legacy_serving import (
    beside,
    collect_all,
    contents,
    facturae,
    folder,
    ours,
    pull,
    push,
    put,
)
from tests.test_serving_feed import REST, faults, move, row_of

__all__ = ["beside", "folder"]  # fixtures


def message(name: str, hub_id: str) -> bytes:
    """What the old hub says of an invoice whose name tells no hub id."""
    about = f"<HubId>{hub_id}</HubId><HubFilename>{name}</HubFilename>"
    return (
        "<DeliveryFeedback><StatusFeedback><HubFeedback>"
        f"{about}</HubFeedback></StatusFeedback></DeliveryFeedback>"
    ).encode()


def named(office: Office, hub_id: str) -> list[str]:
    """What stands in ours of an invoice."""
    return [name for name in ours(office) if name.startswith("out/") and hub_id in name]


def said(office: Office) -> str:
    account = office.account
    status = look(account.settings, account.ledger, now=office.clock())
    return "\n".join(found.what for found in findings(status))


# -- no invoice twice ------------------------------------------------------------------------------


def come_nameless(office: Office, folder: Path, *, end: bytes = b"") -> HubId:
    """Let an invoice stand in ours of which nobody knows the hub id; return the one it has."""
    book = office.sandbox.book
    hub_id = book.add_invoice(attachments=False)
    put(folder / "out", "factura.XML", book.held(hub_id).facturae() + end)
    pull(office)
    office.clock.pass_by(minutes=11)
    pull(office)
    assert list(ours(office)) == ["out/factura.XML"]
    return hub_id


@pytest.fixture
def nameless(beside: Office, folder: Path) -> HubId:
    return come_nameless(beside, folder)


def test_an_invoice_that_was_collected_without_a_hub_id_is_not_offered_again_under_it(
    beside: Office, folder: Path, nameless: HubId
) -> None:
    collect_all(beside)
    push(beside)
    put(folder / "statout", "a@b@c@1.XML", message("factura.XML", nameless))
    pull(beside)
    assert row_of(beside, FeedName.LEGACY, nameless).state is DeliveryState.ACKNOWLEDGED
    move(beside, REST)
    pull(beside)
    assert named(beside, nameless) == []
    assert faults(beside) == []


def test_an_invoice_that_stands_in_ours_without_a_hub_id_is_not_placed_beside_it(
    beside: Office, folder: Path, nameless: HubId
) -> None:
    put(folder / "statout", "a@b@c@1.XML", message("factura.XML", nameless))
    pull(beside)
    move(beside, REST)
    pull(beside)
    assert named(beside, nameless) == []
    assert row_of(beside, FeedName.LEGACY, nameless).state is DeliveryState.PLACED
    (beside.account.mailbox.root / "out" / "factura.XML").unlink()
    pull(beside)
    assert row_of(beside, FeedName.REST, nameless).state is DeliveryState.ACKNOWLEDGED
    assert faults(beside) == []


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_an_invoice_of_which_no_message_ever_told_is_recognised_when_rest_brings_it(
    beside: Office, folder: Path, end: bytes
) -> None:
    hub_id = come_nameless(beside, folder, end=end)
    collect_all(beside)
    push(beside)
    move(beside, REST)
    pull(beside)
    pull(beside)
    assert named(beside, hub_id) == []
    assert row_of(beside, FeedName.REST, hub_id).state is DeliveryState.ACKNOWLEDGED
    assert faults(beside) == []


def test_an_invoice_without_a_hub_id_that_lies_in_ours_is_recognised_when_rest_brings_it(
    beside: Office, nameless: HubId
) -> None:
    move(beside, REST)
    pull(beside)
    pull(beside)
    assert list(ours(beside)) == ["out/factura.XML"]
    assert row_of(beside, FeedName.LEGACY, nameless).state is DeliveryState.PLACED
    assert faults(beside) == []


def test_an_invoice_comes_once_though_two_files_bear_its_hub_id(
    beside: Office, folder: Path
) -> None:
    whole = facturae(beside)
    put(folder / "out", "a@b@c@77.XML", whole)
    put(folder / "out", "x@b@c@77.XML", whole + b"\n")
    pull(beside)
    pull(beside)
    assert list(ours(beside)) == ["out/a@b@c@77.XML"]
    assert "second file of an invoice" in said(beside)
    assert faults(beside) == []


def test_an_invoice_that_was_collected_does_not_come_again_under_another_name(
    beside: Office, folder: Path
) -> None:
    whole = facturae(beside)
    put(folder / "out", "a@b@c@77.XML", whole)
    pull(beside)
    collect_all(beside)
    push(beside)
    put(folder / "out", "x@b@c@77.XML", whole + b"\n")
    pull(beside)
    assert ours(beside) == {}
    assert "out/x@b@c@77.XML" in said(beside)
    assert faults(beside) == []


def test_an_invoice_that_came_broken_comes_once_more_when_it_is_whole(
    beside: Office, folder: Path
) -> None:
    whole = facturae(beside)
    put(folder / "out", "a@b@c@77.XML", whole[: len(whole) // 2])
    pull(beside)
    beside.clock.pass_by(minutes=11)
    pull(beside)
    collect_all(beside)
    put(folder / "out", "a@b@c@77.XML", whole)
    pull(beside)
    assert ours(beside) == {"out/a@b@c@77.XML": whole}
    assert faults(beside) == []


# -- a side that comes back empty is a fault, not a fact -------------------------------------------


def test_invoices_stay_when_their_folder_of_the_old_mailbox_is_empty_and_others_are_not(
    beside: Office, folder: Path
) -> None:
    put(folder / "out", "a@b@c@77.XML", facturae(beside))
    put(folder / "statout", "nota.txt", b"has always been there")
    pull(beside)
    (folder / "out" / "a@b@c@77.XML").unlink()
    for _ in range(3):
        pull(beside)
    assert named(beside, "77") != []
    assert "has gone from it: 1 file" in said(beside)


def test_a_listing_that_is_cut_short_again_and_again_takes_nothing_back(
    beside: Office, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "out", "a@b@c@77.XML", facturae(beside))
    put(folder / "out", "a@b@c@78.XML", facturae(beside))
    pull(beside)
    whole = OldMailboxReader.entries

    def half(self: OldMailboxReader) -> list[Entry]:
        return [entry for entry in whole(self) if "77" in entry.name]

    monkeypatch.setattr(OldMailboxReader, "entries", half)
    for _ in range(4):
        pull(beside)
    assert named(beside, "78") != []
    assert faults(beside) == []


# -- no half invoice -------------------------------------------------------------------------------


def test_an_invoice_waits_for_its_attachment_that_cannot_be_read_yet(
    beside: Office, folder: Path
) -> None:
    put(folder / "out", "a@b@c@77.XML", facturae(beside))
    (folder / "adjout" / "a@b@c@77@001.pdf").symlink_to("/dev/null")
    pull(beside)
    assert ours(beside) == {}
    (folder / "adjout" / "a@b@c@77@001.pdf").unlink()
    put(folder / "adjout", "a@b@c@77@001.pdf", b"%PDF")
    pull(beside)
    assert ours(beside) == contents(folder)


def test_an_invoice_does_not_wait_for_ever(beside: Office, folder: Path) -> None:
    put(folder / "out", "a@b@c@77.XML", facturae(beside))
    (folder / "adjout" / "a@b@c@77@001.pdf").symlink_to("/dev/null")
    pull(beside)
    beside.clock.pass_by(minutes=11)
    pull(beside)
    assert named(beside, "77") != []


# -- no state file lost ----------------------------------------------------------------------------


def test_two_state_files_of_one_name_reach_the_old_mailbox_one_after_the_other(
    beside: Office, folder: Path
) -> None:
    pull(beside)
    put(folder / "statin", "a.XML", b"not taken yet")
    files = [state_file(annotated("1")), state_file(annotated("2"))]
    for file in files:
        beside.drop("a.XML", file)
        push(beside)
    taken = []
    for _ in range(3):
        taken.append((folder / "statin" / "a.XML").read_bytes())
        (folder / "statin" / "a.XML").unlink()
        push(beside)
    assert taken == [b"not taken yet", *files]
    assert faults(beside) == []


# -- another feed, written into the settings by hand -----------------------------------------------


def test_what_was_only_recorded_is_placed_when_the_settings_let_its_feed_serve(
    open_account: Offices, folder: Path
) -> None:
    old = open_account(serve="legacy", shadow="rest", legacy={"url": f"file://{folder}"})
    hub_id = old.sandbox.book.add_invoice()
    FeedRecorder(old.account).round(FeedName.REST, only_due=False)
    new = open_account()
    pull(new)
    assert named(new, hub_id) != []
    assert faults(new) == []


def test_what_was_queued_for_the_hub_goes_to_the_old_mailbox_of_the_settings(
    open_account: Offices, folder: Path
) -> None:
    rest = open_account()
    (hub_id,) = rest.served()
    rest.sandbox.book.faults.fail(operation="update", times=None)
    content = state_file(annotated(hub_id))
    rest.drop("a.XML", content)
    push(rest)
    old = open_account(serve="legacy", legacy={"url": f"file://{folder}"})
    push(old)
    assert (folder / "statin" / "a.XML").read_bytes() == content
    assert faults(old) == []


def test_what_waited_for_the_old_mailbox_goes_to_the_hub_of_the_settings(
    open_account: Offices, folder: Path
) -> None:
    old = open_account(serve="legacy", legacy={"url": f"file://{folder}"})
    hub_id = old.sandbox.book.add_invoice()
    pull(old)
    folder.rename(folder.with_name("away"))
    old.drop("a.XML", state_file(annotated(hub_id)))
    failing(lambda: push(old))
    rest = open_account()
    push(rest)
    assert rest.patches(hub_id) == ["ANNOTATED"]
    assert faults(rest) == []


# -- a backup of everything ------------------------------------------------------------------------


def restore(office: Office) -> None:
    """Let the mailbox be another one than it was, as after a restored backup."""
    mark = office.account.mailbox.root / ".efact-bridge"
    content = mark.read_bytes()
    mark.rename(mark.with_name(".old-mark"))
    mark.write_bytes(content)
    mark.with_name(".old-mark").unlink()
    put_right(office.account)


@pytest.fixture
def restored(beside: Office, folder: Path) -> Office:
    """Let everything be older than the old mailbox: what lies in ours was collected since."""
    put(folder / "out", "a@b@c@77.XML", facturae(beside))
    put(folder / "out", "a@b@c@78.XML", facturae(beside))
    pull(beside)
    (folder / "out" / "a@b@c@77.XML").unlink()
    restore(beside)
    return beside


def test_what_was_collected_after_the_backup_is_taken_back_before_anybody_is_let_in(
    restored: Office,
) -> None:
    legacy_recall(restored.account)
    assert list(ours(restored)) == ["out/a@b@c@78.XML"]
    assert faults(restored) == []


def test_pull_takes_back_at_once_what_was_collected_after_the_backup(restored: Office) -> None:
    pull(restored)
    assert list(ours(restored)) == ["out/a@b@c@78.XML"]


@pytest.mark.parametrize(("answer", "left"), [(CONFIRMATION, 0), (PLACE_AGAIN, 2)])
def test_a_person_says_what_became_of_it_when_all_has_gone_since_the_backup(
    restored: Office, folder: Path, answer: str, left: int
) -> None:
    (folder / "out" / "a@b@c@78.XML").unlink()
    for _ in range(2):
        assert isinstance(failing(lambda: legacy_recall(restored.account)), MailboxGoneError)
    (restored.account.mailbox.root / answer).touch()
    legacy_recall(restored.account)
    assert len(ours(restored)) == left
    assert faults(restored) == []

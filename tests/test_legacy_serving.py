"""The old mailbox serves: its files into ours, state files back, judged at both of its ends.

The old mailbox is the sandbox's, behind a real SSH server, or a folder where nothing else matters.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import OldMailboxAwayError
from bridge.ledger import updates
from bridge.mailbox import Mailbox
from bridge.model import DeliveryState, FeedName, UpdateStatus
from bridge.naming import Folder
from bridge.rounds import push_round
from bridge.sandbox.old_mailbox import OldMailbox
from bridge.sandbox.server import Sandbox
from bridge.status import look
from bridge.status.findings import findings
from tests.accounts import Office, Offices, annotated, failing, pull, said, state_file
from tests.test_serving_feed import LEGACY, REST, faults, move, row_of

FOLDERS = ("out", "adjout", "statout")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=0, old_mailbox=True) as running:
        yield running


@pytest.fixture
def old(sandbox: Sandbox, tmp_path: Path) -> OldMailbox:
    assert sandbox.old_mailbox is not None
    password = tmp_path / "old.password"
    password.touch(mode=0o600)
    password.write_text(sandbox.old_mailbox.password)
    return sandbox.old_mailbox


@pytest.fixture
def town(open_account: Offices, old: OldMailbox) -> Office:
    return served_by_old(open_account, old)


def served_by_old(open_account: Offices, old: OldMailbox, **own: object) -> Office:
    legacy = {
        "url": old.url,
        "password_file": open_account.folder / "old.password",
        "host_key": old.host_key,
    }
    return open_account(**({"serve": "legacy", "shadow": "rest", "legacy": legacy} | own))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give an old mailbox that is a folder, empty."""
    root = tmp_path / "old"
    for name in (*FOLDERS, "statin"):
        (root / name).mkdir(parents=True)
    return root


@pytest.fixture
def beside(open_account: Offices, folder: Path) -> Office:
    return open_account(serve="legacy", legacy={"url": f"file://{folder}"})


def push(office: Office) -> None:
    push_round(office.account, only_due=False)


def contents(root: Path) -> dict[str, bytes]:
    """All that lies in the folders that the software reads."""
    return {
        f"{folder}/{path.name}": path.read_bytes()
        for folder in FOLDERS
        for path in sorted((root / folder).iterdir())
        if not path.name.startswith(".")
    }


def ours(office: Office) -> dict[str, bytes]:
    return contents(office.account.mailbox.root)


def deliver(old: OldMailbox, office: Office, *, attachments: int = 0) -> str:
    """Let both feeds have one more invoice."""
    book = office.sandbox.book
    hub_id = book.add_invoice(attachments=False)
    for number in range(attachments):
        book.add_attachment(hub_id, f"{number}.pdf", f"%PDF {number} of {hub_id}".encode())
    old.work()
    return hub_id


def facturae(office: Office) -> bytes:
    book = office.sandbox.book
    return book.held(book.add_invoice(attachments=False)).facturae()


def put(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)


def collect_all(office: Office) -> dict[str, bytes]:
    """Take and delete whatever lies there, as the software does."""
    taken = ours(office)
    for name in taken:
        (office.account.mailbox.root / name).unlink()
    return taken


def writes(office: Office) -> list[str]:
    """What the hub was told over REST."""
    return [
        request.method
        for request in office.sandbox.book.requests()
        if request.method in {"PATCH", "DELETE"}
    ]


# -- into our mailbox ------------------------------------------------------------------------------


def test_every_file_comes_under_its_own_name_with_its_own_bytes(
    town: Office, old: OldMailbox
) -> None:
    deliver(old, town, attachments=2)
    deliver(old, town)
    before = contents(old.root)
    pull(town)
    assert ours(town) == before
    assert len(before) == 6
    assert contents(old.root) == before
    assert faults(town) == []


def test_attachments_and_message_become_visible_before_their_invoice(
    town: Office, old: OldMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(old, town, attachments=1)
    order: list[Folder] = []
    show = Mailbox.show

    def noting(self: Mailbox, role: Folder, name: str) -> bool:
        order.append(role)
        return show(self, role, name)

    monkeypatch.setattr(Mailbox, "show", noting)
    pull(town)
    assert order == [Folder.ADJOUT, Folder.STATOUT, Folder.OUT]


def test_the_hub_is_told_nothing(town: Office, old: OldMailbox) -> None:
    hub_id = deliver(old, town, attachments=1)
    pull(town)
    collect_all(town)
    town.drop("a.XML", state_file(annotated(hub_id)))
    push(town)
    old.work()
    push(town)
    assert writes(town) == []
    assert town.states(hub_id)[-1] == "ANNOTATED"


def test_an_invoice_that_the_software_had_through_rest_is_not_placed(
    open_account: Offices, old: OldMailbox
) -> None:
    rest = open_account()
    hub_id = deliver(old, rest, attachments=1)
    rest.pull()
    collect_all(rest)
    rest.push()
    town = served_by_old(open_account, old)
    deliver(old, town)
    pull(town)
    pull(town)
    assert len(ours(town)) == 2
    assert hub_id not in "".join(ours(town))
    assert row_of(town, FeedName.LEGACY, hub_id).state is DeliveryState.COLLECTED
    assert faults(town) == []


def test_an_invoice_that_lies_in_ours_through_rest_is_not_placed_beside_it(
    open_account: Offices, old: OldMailbox
) -> None:
    rest = open_account()
    deliver(old, rest)
    rest.pull()
    town = served_by_old(open_account, old)
    before = ours(town)
    pull(town)
    assert ours(town) == before


def test_a_late_attachment_of_a_collected_invoice_is_placed(town: Office, old: OldMailbox) -> None:
    hub_id = deliver(old, town, attachments=1)
    pull(town)
    collect_all(town)
    push(town)
    town.sandbox.book.add_attachment(hub_id, "late.pdf", b"%PDF late")
    old.work()
    pull(town)
    assert list(ours(town).values()) == [b"%PDF late"]


def test_what_nobody_can_attribute_is_placed_as_it_is(beside: Office, folder: Path) -> None:
    put(folder / "statout", "nota.txt", b"hola")
    put(folder / "statout", "b@c@\xff.XML".encode("latin-1").decode(errors="surrogateescape"), b"x")
    pull(beside)
    assert ours(beside) == contents(folder)
    collect_all(beside)
    push(beside)
    assert contents(folder) == {}
    assert faults(beside) == []


def test_an_invoice_that_is_still_written_is_not_placed(beside: Office, folder: Path) -> None:
    whole = facturae(beside)
    put(folder / "out", "a@b@c@77.XML", whole[: len(whole) // 2])
    pull(beside)
    assert ours(beside) == {}
    put(folder / "out", "a@b@c@77.XML", whole)
    pull(beside)
    assert ours(beside) == {"out/a@b@c@77.XML": whole}


def test_a_broken_invoice_is_placed_as_it_is_once_it_has_rested(
    beside: Office, folder: Path
) -> None:
    put(folder / "out", "a@b@c@77.XML", b"<broken")
    pull(beside)
    beside.clock.pass_by(minutes=11)
    pull(beside)
    assert ours(beside) == contents(folder)


def test_other_bytes_under_a_name_wait_until_the_first_ones_were_collected(
    beside: Office, folder: Path
) -> None:
    put(folder / "statout", "nota.txt", b"first")
    pull(beside)
    put(folder / "statout", "nota.txt", b"second, and longer")
    pull(beside)
    pull(beside)
    assert ours(beside) == {"statout/nota.txt": b"first"}
    collect_all(beside)
    pull(beside)
    assert ours(beside) == {"statout/nota.txt": b"second, and longer"}
    collect_all(beside)
    push(beside)
    assert contents(folder) == {}
    assert faults(beside) == []


# -- what was collected leaves the old mailbox -----------------------------------------------------


def test_what_the_software_collects_is_removed_from_the_old_mailbox(
    town: Office, old: OldMailbox
) -> None:
    hub_id = deliver(old, town, attachments=1)
    other = deliver(old, town)
    pull(town)
    for name in ours(town):
        if hub_id in name:
            (town.account.mailbox.root / name).unlink()
    push(town)
    assert not [name for name in contents(old.root) if hub_id in name]
    assert [name for name in contents(old.root) if other in name]
    assert row_of(town, FeedName.LEGACY, hub_id).state is DeliveryState.ACKNOWLEDGED
    assert faults(town) == []
    pull(town)
    assert not [name for name in ours(town) if hub_id in name]


def test_with_stored_files_leave_the_old_mailbox_as_soon_as_they_are_safe(
    open_account: Offices, old: OldMailbox
) -> None:
    town = served_by_old(open_account, old, acknowledge="stored")
    deliver(old, town, attachments=1)
    before = contents(old.root)
    pull(town)
    push(town)
    assert contents(old.root) == {}
    for _ in range(3):
        pull(town)
    assert ours(town) == before
    collect_all(town)
    push(town)
    assert faults(town) == []


def test_with_never_nothing_leaves_the_old_mailbox(open_account: Offices, old: OldMailbox) -> None:
    town = served_by_old(open_account, old, acknowledge="never")
    deliver(old, town, attachments=1)
    before = contents(old.root)
    pull(town)
    collect_all(town)
    push(town)
    pull(town)
    assert contents(old.root) == before
    assert ours(town) == {}


def test_a_file_with_other_bytes_than_those_recorded_stays(beside: Office, folder: Path) -> None:
    put(folder / "statout", "nota.txt", b"first")
    pull(beside)
    collect_all(beside)
    put(folder / "statout", "nota.txt", b"other")
    push(beside)
    assert contents(folder) == {"statout/nota.txt": b"other"}


def test_what_is_collected_in_the_old_mailbox_itself_is_taken_back_from_ours(
    town: Office, old: OldMailbox
) -> None:
    hub_id = deliver(old, town, attachments=1)
    deliver(old, town)
    pull(town)
    for name in contents(old.root):
        if hub_id in name or name.startswith("statout"):
            (old.root / name).unlink()
    for _ in range(2):
        pull(town)
    assert [name for name in ours(town) if hub_id in name] == []
    # The other one's message stays with it: that its folder is empty proves nothing.
    assert len(ours(town)) == 2
    assert row_of(town, FeedName.LEGACY, hub_id).state is DeliveryState.ACKNOWLEDGED
    assert faults(town) == []


def test_an_old_mailbox_that_is_suddenly_empty_is_no_collection(
    town: Office, old: OldMailbox
) -> None:
    deliver(old, town)
    deliver(old, town)
    pull(town)
    before = ours(town)
    for name in contents(old.root):
        (old.root / name).unlink()
    for _ in range(3):
        pull(town)
    deliver(old, town)
    pull(town)
    assert before.items() <= ours(town).items()
    account = town.account
    status = look(account.settings, account.ledger, now=town.clock())
    assert any("has gone from it: 4 files" in found.what for found in findings(status))


# -- state files -------------------------------------------------------------------------------


def test_a_state_file_goes_to_the_old_mailbox_unchanged_and_under_its_name(
    beside: Office, folder: Path
) -> None:
    pull(beside)
    content = state_file(annotated("1"), said("1", "CANCELED"))
    beside.drop("a@b@c.XML", content)
    push(beside)
    assert beside.names("statin") == []
    assert {path.name: path.read_bytes() for path in (folder / "statin").iterdir()} == {
        "a@b@c.XML": content
    }
    assert beside.answers() == {}
    assert faults(beside) == []


def test_its_updates_are_recorded_as_passed_on_with_what_our_rules_say(
    beside: Office, folder: Path
) -> None:
    pull(beside)
    beside.drop("a.XML", state_file(annotated("1"), said("1", "CANCELED")))
    push(beside)
    with beside.account.ledger.read() as connection:
        good, bad = updates.of_file(connection, 1)
    assert (good.status, bad.status) == (UpdateStatus.ACCEPTED, UpdateStatus.ACCEPTED)
    assert good.refusal is None
    assert bad.refusal is not None
    assert bad.refusal.code == "BR04"
    assert folder.is_dir()


def test_the_old_hub_answers_what_is_wrong(town: Office, old: OldMailbox) -> None:
    pull(town)
    town.drop("a@b@c.XML", b"broken")
    push(town)
    old.work()
    answer = contents(old.root)
    pull(town)
    assert ours(town) == answer
    assert town.refusals()


def test_state_files_wait_while_the_old_mailbox_is_away(beside: Office, folder: Path) -> None:
    pull(beside)
    folder.rename(folder.with_name("away"))
    beside.drop("a.XML", state_file(annotated("1")))
    assert isinstance(failing(lambda: push(beside)), OldMailboxAwayError)
    assert beside.names("statin") == []
    assert [update.status for update in beside.open_updates()] == [UpdateStatus.QUEUED]
    folder.with_name("away").rename(folder)
    push(beside)
    assert [path.name for path in (folder / "statin").iterdir()] == ["a.XML"]


def test_a_taken_name_holds_up_the_same_invoice_only(beside: Office, folder: Path) -> None:
    pull(beside)
    put(folder / "statin", "a.XML", b"not taken yet")
    beside.drop("a.XML", state_file(annotated("1")))
    push(beside)
    beside.drop("b.XML", state_file(said("1", "RECEIVED")))
    beside.drop("c.XML", state_file(annotated("2")))
    push(beside)
    assert sorted(path.name for path in (folder / "statin").glob("[!.]*")) == ["a.XML", "c.XML"]
    assert (folder / "statin" / "a.XML").read_bytes() == b"not taken yet"
    assert [update.hub_id for update in beside.open_updates()] == ["1", "1"]
    (folder / "statin" / "a.XML").unlink()
    push(beside)
    assert sorted(path.name for path in (folder / "statin").glob("[!.]*")) == [
        "a.XML",
        "b.XML",
        "c.XML",
    ]
    assert faults(beside) == []


def test_the_same_file_again_is_passed_on_again(beside: Office, folder: Path) -> None:
    pull(beside)
    for _ in range(2):
        beside.drop("a.XML", state_file(annotated("1")))
        push(beside)
        (folder / "statin" / "a.XML").unlink()
    push(beside)
    assert list((folder / "statin").iterdir()) == []


def test_the_same_file_again_is_not_passed_on_while_the_first_one_waits(
    beside: Office, folder: Path
) -> None:
    pull(beside)
    put(folder / "statin", "a.XML", b"not taken yet")
    for name in ("a.XML", "b.XML"):
        beside.drop(name, state_file(annotated("1")))
        push(beside)
    (folder / "statin" / "a.XML").unlink()
    push(beside)
    assert [path.name for path in (folder / "statin").glob("[!.]*")] == ["a.XML"]
    assert faults(beside) == []


def test_what_the_hub_refused_over_rest_is_passed_on_though_the_rest_of_its_file_waits(
    open_account: Offices, folder: Path
) -> None:
    town = open_account(legacy={"url": f"file://{folder}"})
    one, two = (town.sandbox.book.add_invoice(attachments=False) for _ in range(2))
    pull(town)
    content = state_file(said(one, "CANCELED"), annotated(two))
    town.sandbox.book.faults.fail(operation="update", code=9001, times=None)
    for name in ("a.XML", "b.XML"):
        town.drop(name, content)
        failing(lambda: push(town))
    move(town, LEGACY)
    put(folder / "statin", "a.XML", b"not taken yet")
    town.drop("c.XML", content)
    push(town)
    assert (folder / "statin" / "c.XML").read_bytes() == content
    assert faults(town) == []


def test_a_file_that_the_hub_has_accepted_over_rest_is_not_passed_on(
    open_account: Offices, folder: Path
) -> None:
    town = open_account(legacy={"url": f"file://{folder}"})
    hub_id = town.sandbox.book.add_invoice(attachments=False)
    pull(town)
    town.drop("a.XML", state_file(annotated(hub_id)))
    push(town)
    move(town, LEGACY)
    town.drop("b.XML", state_file(annotated(hub_id)))
    push(town)
    assert town.patches(hub_id)[-1:] == ["ANNOTATED"]
    assert list((folder / "statin").iterdir()) == []
    assert list(town.account.mailbox.folder(Folder.STATIN).iterdir()) == []
    assert faults(town) == []


def test_a_file_of_which_the_hub_refused_a_part_over_rest_is_passed_on_whole(
    open_account: Offices, folder: Path
) -> None:
    town = open_account(legacy={"url": f"file://{folder}"})
    hub_id = town.sandbox.book.add_invoice(attachments=False)
    pull(town)
    content = state_file(annotated(hub_id), said(hub_id, "CANCELED"))
    town.drop("a.XML", content)
    push(town)
    move(town, LEGACY)
    town.drop("b.XML", content)
    push(town)
    assert (folder / "statin" / "b.XML").read_bytes() == content


def test_what_waits_for_the_old_mailbox_goes_to_the_hub_after_a_cutover(
    open_account: Offices, old: OldMailbox
) -> None:
    town = served_by_old(open_account, old)
    hub_id = deliver(old, town)
    pull(town)
    old.stop()
    town.drop("a.XML", state_file(annotated(hub_id), said(hub_id, "CANCELED")))
    failing(lambda: push(town))
    move(town, REST)
    push(town)
    assert town.patches(hub_id) == ["ANNOTATED"]
    assert [code.split()[0] for code in town.refusals()] == ["BR04"]
    assert faults(town) == []


# -- moves and outages -----------------------------------------------------------------------------


def test_a_cutover_leaves_each_invoice_once(town: Office, old: OldMailbox) -> None:
    had, lying = deliver(old, town, attachments=1), deliver(old, town)
    pull(town)
    taken = [name for name in ours(town) if had in name]
    for name in taken:
        (town.account.mailbox.root / name).unlink()
    push(town)
    move(town, REST)
    new = deliver(old, town)
    for _ in range(2):
        pull(town)
        push(town)
    assert sorted(name.rpartition("@")[2] for name in town.names("out")) == [
        f"{lying}.XML",
        f"{new}.XML",
    ]
    assert town.patches() == ["DELIVERED"]
    assert town.patches(had) == ["DELIVERED"]
    assert town.sandbox.book.pending_attachments == ()
    assert faults(town) == []


def test_a_hub_that_is_away_does_not_disturb_the_old_mailbox(town: Office, old: OldMailbox) -> None:
    deliver(old, town)
    town.sandbox.book.faults.fail(operation="pending_invoices", times=None)
    pull(town)
    push(town)
    assert len(ours(town)) == 2


def test_an_old_mailbox_that_is_away_is_noted(town: Office, old: OldMailbox) -> None:
    old.stop()
    assert isinstance(failing(lambda: pull(town)), OldMailboxAwayError)
    account = town.account
    status = look(account.settings, account.ledger, now=town.clock())
    assert any("The old mailbox could not be listed" in it.what for it in findings(status))


def test_an_invoice_of_which_no_name_tells_the_hub_id_waits_for_its_message(
    beside: Office, folder: Path
) -> None:
    put(folder / "out", "factura.XML", facturae(beside))
    pull(beside)
    assert ours(beside) == {}
    beside.clock.pass_by(minutes=11)
    pull(beside)
    assert ours(beside) == contents(folder)

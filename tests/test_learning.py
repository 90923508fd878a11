"""`learn`: what the software had from the old mailbox is never served again."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.errors import HubAwayError, SettingsError, StorageError
from bridge.facturae import MAX_BYTES
from bridge.inbound.round import Inbound
from bridge.learning import Lesson, learn
from bridge.ledger import accounts, histories, learned
from bridge.ledger.contents import Contents
from bridge.ledger.histories import DeliveryRow, EventRow
from bridge.ledger.learned import LearnedAttachment, LearnedInvoice
from bridge.model import Digest, HubId, State, StateUpdate
from bridge.naming import Folder, parse_profile
from bridge.old_files.file import OldFile
from bridge.old_files.folder import Unread, read_again, read_folder
from bridge.sandbox.old_files import OldForm, addressing_code
from bridge.sandbox.server import Sandbox
from bridge.settings import read_profile
from bridge.upkeep.verifying import verify
from tests.accounts import Office, Offices, Said, failing, state_file
from tests.facturae_samples import facturae
from tests.gateway import Gateway, install

SAMPLE = {
    "facturae": facturae().encode(),
    "supplier_nif": "B17000001",
    "receiver_nif": "P0801900B",
}
"""An invoice whose file and whose data at the hub agree."""

LONG_AGO = datetime(2024, 3, 5, 8, 0, tzinfo=UTC)


class OldMailbox:
    """A folder of what the old mailbox delivered, as somebody kept it."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        self.root, self.book = root, sandbox.book
        self.form = OldForm(profile=parse_profile(read_profile("efact")))

    def keeps(self, *hub_ids: HubId, messages: bool = True) -> None:
        for hub_id in hub_ids:
            held = self.book.held(hub_id)
            enclosed = [
                self.form.attachment(held, number, attached)
                for number, attached in enumerate(held.attachments, start=1)
            ]
            for file in (*enclosed, *self.form.invoice(held, now=self.book.now())):
                if messages or file.folder is not Folder.STATOUT:
                    self.put(f"2024/{file.folder.upper()}/{file.name}", file.content)

    def put(self, path: str, content: bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        os.utime(target, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        return target

    def invoice(self, hub_id: HubId) -> Path:
        (path,) = self.root.rglob(f"OUT/*@{hub_id}.XML")
        return path


@pytest.fixture
def old(tmp_path: Path, sandbox: Sandbox) -> OldMailbox:
    root = tmp_path / "old"
    root.mkdir()
    return OldMailbox(root, sandbox)


def learn_from(office: Office, old: OldMailbox, *, collected: bool = True) -> Lesson:
    return learn(office.account, old.root, collected=collected)


def deliveries_of(office: Office, hub_id: str) -> dict[str, DeliveryRow]:
    with office.account.ledger.read() as connection:
        return {row.feed: row for row in histories.deliveries(connection, hub_id)}


def events_of(office: Office, hub_id: str) -> list[EventRow]:
    with office.account.ledger.read() as connection:
        return histories.events(connection, hub_id)


def learned_codes(office: Office) -> dict[str, str]:
    with office.account.ledger.read() as connection:
        return learned.codes(connection, office.account.name)


# -- never served again --------------------------------------------------------------------------


def test_an_invoice_that_the_software_had_is_never_placed(office: Office, old: OldMailbox) -> None:
    first, second, third = office.add(3)
    old.keeps(first, second)
    lesson = learn_from(office, old)
    assert (lesson.invoices, lesson.new, lesson.complete) == (2, 2, True)
    assert office.pull().placed == 1
    assert office.names("out") == [path.name for path in office.out_of(third)]
    assert len(office.names("statout")) == 1


def test_it_is_not_placed_either_when_the_hub_had_listed_it_before(
    office: Office, old: OldMailbox
) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.faults.fail("error", operation="facturae", times=None)
    office.pull()
    office.sandbox.book.faults.clear()
    assert office.delivery(hub_id).state == "seen"
    old.keeps(hub_id)
    learn_from(office, old)
    office.pull()
    assert office.out_of(hub_id) == []


@pytest.mark.parametrize(
    ("acknowledge", "told"), [("collected", True), ("stored", True), ("never", False)]
)
def test_the_hub_is_told_of_it_as_the_account_says(
    open_account: Offices, old: OldMailbox, acknowledge: str, told: bool
) -> None:
    office = open_account(acknowledge=acknowledge)
    (hub_id,) = office.add()
    old.keeps(hub_id)
    learn_from(office, old)
    office.pull()
    office.push()
    assert (State.DELIVERED in office.states(hub_id)) == told


def test_attachments_that_came_with_it_are_not_placed_but_later_ones_are(
    office: Office, old: OldMailbox
) -> None:
    book = office.sandbox.book
    (hub_id,) = office.add()
    book.add_attachment(hub_id, "a.pdf", b"%PDF-1")
    old.keeps(hub_id)
    assert learn_from(office, old).attachments == 1
    office.pull()
    office.push()
    assert office.names("adjout") == []
    assert not book.pending_attachments
    book.add_attachment(hub_id, "late.pdf", b"%PDF-2")
    office.pull()
    (name,) = office.names("adjout")
    assert (office.folder("adjout") / name).read_bytes() == b"%PDF-2"


def test_attachments_of_an_invoice_that_is_no_longer_pending_are_not_placed(
    office: Office, old: OldMailbox
) -> None:
    book = office.sandbox.book
    (hub_id,) = office.add()
    book.add_attachment(hub_id, "a.pdf", b"%PDF-1")
    book.update(hub_id, StateUpdate(state=State.DELIVERED))
    book.update(hub_id, StateUpdate(state=State.RECEIVED))
    old.keeps(hub_id)
    learn_from(office, old)
    office.pull()
    assert office.names("adjout") == []
    assert [event.kind for event in events_of(office, hub_id)] == [
        "invoice learned",
        "attachment learned",
        "attachment left out: collected before",
    ]


def test_attachments_count_as_had_until_a_listing_shows_all_of_them(
    office: Office, old: OldMailbox
) -> None:
    (hub_id,) = office.add()
    old.keeps(hub_id)
    learn_from(office, old)
    office.pull()
    account = office.account
    with account.ledger.write() as connection:
        accounts.note_poll(connection, account.name, at=account.clock(), capped_slices=["all"])
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"%PDF-1")
    office.pull()
    assert office.names("adjout") == []
    office.sandbox.book.add_attachment(hub_id, "b.pdf", b"%PDF-2")
    office.pull()
    assert len(office.names("adjout")) == 1


def test_attachments_count_as_had_while_the_hub_fails_on_their_list(
    office: Office, old: OldMailbox
) -> None:
    book = office.sandbox.book
    (hub_id,) = office.add()
    old.keeps(hub_id)
    learn_from(office, old)
    book.add_attachment(hub_id, "a.pdf", b"%PDF-1")
    book.faults.fail(operation="pending_attachments", code=9999)
    assert isinstance(failing(office.pull), HubAwayError)
    office.pull()
    assert office.names("adjout") == []


def test_not_collected_says_that_the_software_is_still_to_get_it(
    office: Office, old: OldMailbox
) -> None:
    (hub_id,) = office.add()
    old.keeps(hub_id)
    assert learn_from(office, old, collected=False).complete
    office.pull()
    assert office.out_of(hub_id)


def test_what_was_not_collected_may_be_so_later_and_never_the_other_way_round(
    office: Office, old: OldMailbox
) -> None:
    (hub_id,) = office.add()
    old.keeps(hub_id)
    learn_from(office, old, collected=False)
    assert deliveries_of(office, hub_id)["legacy"].state == "fetched"
    assert learn_from(office, old).new == 1
    assert learn_from(office, old, collected=False).new == 0
    assert deliveries_of(office, hub_id)["legacy"].state == "collected"


def test_an_invoice_that_lies_in_the_mailbox_stays_and_a_person_is_told(
    office: Office, old: OldMailbox
) -> None:
    (hub_id,) = office.served()
    old.keeps(hub_id)
    (problem,) = learn_from(office, old).problems
    (path,) = office.out_of(hub_id)
    assert f"invoice {hub_id} lies in the mailbox as out/{path.name}" in problem
    office.pull()
    assert office.out_of(hub_id) == [path]
    office.collect(hub_id)
    office.pull()
    assert learn_from(office, old).complete


# -- what is written down ------------------------------------------------------------------------


def test_learning_twice_changes_nothing(office: Office, old: OldMailbox) -> None:
    hub_ids = office.add(2, attachments=True)
    old.keeps(*hub_ids)
    learn_from(office, old)
    before = [(deliveries_of(office, it), events_of(office, it)) for it in hub_ids]
    codes = learned_codes(office)
    lesson = learn_from(office, old)
    assert (lesson.invoices, lesson.new, lesson.attachments) == (2, 0, 0)
    assert [(deliveries_of(office, it), events_of(office, it)) for it in hub_ids] == before
    assert learned_codes(office) == codes


def test_the_ledger_knows_the_invoice_and_the_archive_its_bytes(
    office: Office, old: OldMailbox
) -> None:
    (hub_id,) = office.add()
    old.keeps(hub_id)
    learn_from(office, old)
    held = office.sandbox.book.held(hub_id)
    row = deliveries_of(office, hub_id)["legacy"]
    assert row.digest is not None
    assert office.account.mailbox.archive.read(Digest(row.digest)) == held.facturae()
    assert row.collected_at == LONG_AGO
    assert row.name == old.invoice(hub_id).name
    assert row.registration_number == held.invoice.registration_number
    assert row.supplier_nif == held.invoice.supplier_nif


def test_a_state_file_without_a_hub_id_finds_a_learned_invoice(
    office: Office, old: OldMailbox
) -> None:
    (hub_id,) = office.add(**SAMPLE)
    old.keeps(hub_id, messages=False)
    learn_from(office, old)
    office.drop("a.XML", state_file(Said(number="F24-7", supplier="B17000001", date="2024-03-01")))
    office.push()
    assert office.states(hub_id)[-1] == State.RECEIVED


def test_an_event_tells_all_that_is_needed_to_learn_it_again() -> None:
    invoice = LearnedInvoice(
        name="S@R@F@1.XML",
        contents=Contents(
            number="F", issue_date=LONG_AGO.date(), registered_at=LONG_AGO, digest=Digest("ab")
        ),
        collected_at=LONG_AGO,
        codes=(("B17000001", "S"),),
    )
    attachment = LearnedAttachment(
        position=1, name="S@R@F@1@001.pdf", digest=Digest("cd"), collected_at=LONG_AGO
    )
    assert learned.invoice_from_detail(learned.as_detail(invoice)) == invoice
    assert learned.attachment_from_detail(learned.as_detail(attachment)) == attachment


def test_verify_agrees_with_what_was_learned(office: Office, old: OldMailbox) -> None:
    had, served = office.add(2, attachments=True)
    old.keeps(had)
    learn_from(office, old)
    office.pull()
    old.keeps(served)
    old.put(f"2024/OUT/{office.out_of(served)[0].name}", facturae().encode())
    learn_from(office, old)
    account = office.account
    checks = verify(account.ledger, account.settings.data_dir, account.name)
    assert [check.said for check in checks if not check.right] == []


def test_a_lost_ledger_learns_it_again_from_its_journal(
    open_account: Offices, old: OldMailbox
) -> None:
    office = open_account()
    first, second, third = office.add(3, attachments=True)
    old.keeps(first)
    learn_from(office, old, collected=False)
    old.keeps(first, second)
    learn_from(office, old)
    office.pull()
    before = {it: learned_rows(office, it) for it in (first, second)}
    codes = learned_codes(office)
    office.account.ledger.close()
    for path in office.account.ledger.path.parent.glob("ledger.db*"):
        path.unlink()

    restored = open_account()
    restored.pull()
    assert {it: learned_rows(restored, it) for it in (first, second)} == before
    assert learned_codes(restored) == codes
    assert restored.names("out") == [path.name for path in restored.out_of(third)]


def learned_rows(office: Office, hub_id: str) -> tuple[DeliveryRow, list[histories.AttachmentRow]]:
    with office.account.ledger.read() as connection:
        attachments = histories.attachments(connection, hub_id)
    return deliveries_of(office, hub_id)["legacy"], attachments


# -- codes ---------------------------------------------------------------------------------------


def test_learned_codes_stand_in_the_names_of_new_invoices(office: Office, old: OldMailbox) -> None:
    before, after = office.add(2, **SAMPLE)
    old.keeps(before)
    learn_from(office, old)
    office.pull()
    sender, receiver, *_ = office.out_of(after)[0].name.split("@")
    assert sender == addressing_code("B17000001")
    assert receiver == addressing_code("P0801900B")


def test_the_receivers_code_of_the_settings_counts_more_than_the_learned_one(
    open_account: Offices, old: OldMailbox
) -> None:
    office = open_account(receiver_code="MINE")
    before, after = office.add(2, **SAMPLE)
    old.keeps(before)
    learn_from(office, old)
    office.pull()
    assert office.out_of(after)[0].name.split("@")[1] == "MINE"


def test_codes_on_which_files_disagree_are_told_and_not_used(
    office: Office, old: OldMailbox
) -> None:
    first, second, third = office.add(3, **SAMPLE)
    old.keeps(first, second)
    path = old.invoice(second)
    path.rename(path.with_name(path.name.replace(addressing_code("P0801900B"), "ANOTHER")))
    lesson = learn_from(office, old)
    assert lesson.disagreeing == {"P0801900B": {"ANOTHER": 1, addressing_code("P0801900B"): 1}}
    office.pull()
    assert office.out_of(third)[0].name.split("@")[1] == "P0801900B"


# -- the folder ----------------------------------------------------------------------------------


def test_the_folder_is_left_as_it_was(office: Office, old: OldMailbox) -> None:
    old.keeps(*office.add(2, attachments=True))

    def state() -> list[tuple[Path, int, int]]:
        found = sorted(old.root.rglob("*"))
        return [(path, path.stat().st_mtime_ns, path.stat().st_nlink) for path in found]

    before = state()
    learn_from(office, old)
    assert state() == before


def test_what_cannot_be_read_is_told_and_the_rest_is_learned(
    office: Office, old: OldMailbox, tmp_path: Path
) -> None:
    first, second = office.add(2)
    old.keeps(first, second)
    outside = tmp_path / "outside"
    outside.mkdir()
    elsewhere = outside / old.invoice(second).name
    old.invoice(second).rename(elsewhere)
    (old.root / "link").symlink_to(elsewhere)
    (old.root / "folder").symlink_to(outside)
    os.mkfifo(old.root / "pipe")
    with (old.root / "huge").open("wb") as huge:
        huge.truncate(MAX_BYTES + 1)
    lesson = learn_from(office, old)
    assert (lesson.invoices, lesson.complete) == (1, False)
    assert [problem.split(":")[0] for problem in lesson.problems] == [
        "folder",
        "huge",
        "link",
        "pipe",
    ]


def test_a_name_that_is_no_utf_8_is_learned_all_the_same(office: Office, old: OldMailbox) -> None:
    (hub_id,) = office.add()
    old.keeps(hub_id)
    path = old.invoice(hub_id)
    raw = os.fsencode(path).replace(path.name.split("@")[2].encode(), b"n\xfam")
    os.rename(os.fsencode(path), raw)  # noqa: PTH104  (a name of bytes)
    learn_from(office, old)
    assert deliveries_of(office, hub_id)["legacy"].name.split("@")[2] == "núm"  # type: ignore[union-attr]


def test_a_file_that_changes_while_it_is_read_is_not_learned(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b"<a/>")
    (found,) = read_folder(tmp_path)
    assert isinstance(found, OldFile)
    path.write_bytes(b"<b/>")
    with pytest.raises(StorageError, match="changed while it was read"):
        read_again(tmp_path, found)
    path.unlink()
    with pytest.raises(StorageError, match="No such file"):
        read_again(tmp_path, found)


def test_a_folder_that_is_not_there_tells_why(tmp_path: Path) -> None:
    (found,) = read_folder(tmp_path / "nothing")
    assert isinstance(found, Unread)
    assert found.reason == "No such file or directory"


@pytest.mark.parametrize("wrong", ["missing", "data", "data/mailboxes/town/out", "."])
def test_a_folder_that_is_none_or_the_bridges_own_is_refused(
    office: Office, tmp_path: Path, wrong: str
) -> None:
    office.pull()
    with pytest.raises(SettingsError, match=r"no such folder|its own files"):
        learn(office.account, tmp_path / wrong, collected=True)


def test_a_profile_of_the_accounts_own_reads_its_names(
    open_account: Offices, old: OldMailbox, tmp_path: Path
) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(read_profile("efact").replace('out = "out" ', 'out = "factures" '))
    office = open_account(profile=str(profile))
    (hub_id,) = office.add()
    old.keeps(hub_id)
    lesson = learn_from(office, old)
    assert (lesson.names.profile, lesson.new) == (str(profile), 1)
    Inbound(office.account).round(only_due=False)
    assert list((office.account.mailbox.root / "factures").iterdir()) == []


# -- the command ---------------------------------------------------------------------------------


@pytest.fixture
def gateway(tmp_path: Path, sandbox: Sandbox) -> Iterator[Gateway]:
    folder = tmp_path / "etc"
    folder.mkdir()
    yield install(folder, sandbox)
    shutil.rmtree(folder)


def test_the_command_says_what_it_learned(
    gateway: Gateway, old: OldMailbox, sandbox: Sandbox
) -> None:
    first, second = (sandbox.book.add_invoice(attachments=False) for _ in range(2))
    old.keeps(first, second, messages=False)
    result = gateway.run("learn", str(old.root))
    assert result.code == 0, result.err
    assert "ajuntament: 2 invoices (2 new) counted as collected\n" in result.out
    assert 'names follow profile "efact" (2 of 2)\n' in result.out

    path = old.invoice(second)
    path.rename(path.with_name("no name.xml"))
    path.with_name("copy.xml").write_bytes(sandbox.book.held(first).facturae() + b"\n")
    result = gateway.run("learn", str(old.root))
    assert result.code == 1
    assert "ajuntament: 1 invoice (0 new) counted as collected\n" in result.out
    assert "2 without a hub id, not counted: copy.xml, no name.xml\n" in result.out


def test_the_command_finds_nothing_in_an_empty_folder(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = gateway.run("learn", str(tmp_path / "empty"))
    assert result.code == 1
    assert "no invoice with a hub id was found" in result.err


def test_the_command_needs_the_account_where_there_are_several(
    gateway: Gateway, old: OldMailbox, sandbox: Sandbox
) -> None:
    text = gateway.config.read_text()
    own = text[text.index("[[account]]") : text.index("[[account.user]]")]
    other = own.replace('"ajuntament"', '"consell"')
    gateway.config.write_text(f"{text}\n{other}")
    old.keeps(sandbox.book.add_invoice(attachments=False))
    result = gateway.run("learn", str(old.root))
    assert result.code == 2
    assert "--account NAME, one of ajuntament, consell" in result.err
    result = gateway.run("learn", str(old.root), "--account", "consell", "--not-collected")
    assert result.code == 0
    assert "consell: 1 invoice (1 new) learned, not counted as collected\n" in result.out


def test_the_names_of_the_old_files_become_a_profile_of_their_own(
    office: Office, old: OldMailbox
) -> None:
    old.keeps(*office.add(3))
    for path in list(old.root.rglob("OUT/*.XML")):
        path.rename(path.with_suffix(""))
    written = learn_from(office, old).profile_file
    assert written is not None
    assert written.is_relative_to(office.account.settings.data_dir)
    profile = parse_profile(read_profile(str(written)))
    assert profile.folder(Folder.OUT) == "OUT"
    assert profile.extensions[Folder.OUT] == ""
    assert profile.extensions[Folder.STATOUT] == ".XML"


def test_a_folder_without_invoices_makes_no_profile(office: Office, old: OldMailbox) -> None:
    old.put("notes.txt", b"nothing")
    assert learn_from(office, old).profile_file is None

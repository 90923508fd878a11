"""Taking state files out of `statin`: which, when, and that the same file is one effect."""

import errno
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge import rounds
from bridge.errors import HubAwayError, StorageError
from bridge.ledger import events, histories, schema, state_files, updates
from bridge.ledger.state_files import Kind
from bridge.model import Digest, State, UpdateStatus
from bridge.naming import Folder
from bridge.outbound.entering import MOST_UPDATES, retry
from bridge.outbound.taking import LeftLying, left_lying, take_in
from bridge.rounds import wait_until_settled
from bridge.upkeep.cut_offs import Uploader, note_cut_off
from tests.accounts import Office, Offices, annotated, failing, said, state_file
from tests.ledgers import commits


def files(office: Office) -> list[tuple[str, str, bool]]:
    """Name, kind and whether it left `statin`, of every state file that the ledger knows."""
    table = schema.state_file
    with office.account.ledger.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.id))
        return [(row.name, row.kind, row.left_at is not None) for row in rows]


def settled_after(office: Office, seconds: float) -> Office:
    """The same account with another `settle`."""
    return set_for_push(office, settle=seconds)


def set_for_push(office: Office, **changes: object) -> Office:
    """The same account with other settings under `push`."""
    push = office.account.settings.push.model_copy(update=changes)
    settings = office.account.settings.model_copy(update={"push": push})
    account = replace(office.account, settings=settings)
    return replace(office, account=account)


# -- which files are taken -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.XML", "a.xml", "P1@B1@F 1.XML", "à.XML", "a b.part.XML"])
def test_a_state_file_is_taken(office: Office, name: str) -> None:
    (hub_id,) = office.served()
    office.drop(name, state_file(annotated(hub_id)))
    assert office.push().taken == 1
    assert office.names("statin") == []
    assert files(office) == [(name, "taken", True)]
    assert office.states(hub_id)[-1] == "ANNOTATED"


@pytest.mark.parametrize(
    "name",
    [
        "a.XML.filepart",
        "a.part",
        "a.tmp",
        "a.TMP",
        "a.temp",
        ".a.XML",
        "~a.XML",
        "~$a.xml",
        "a.Xml",
        "a.txt",
        "a",
        ".XML",
        "XML",
    ],
)
def test_what_is_no_state_file_by_its_name_stays(office: Office, name: str) -> None:
    (hub_id,) = office.served()
    office.drop(name, state_file(annotated(hub_id)))
    assert office.push().taken == 0
    assert office.names("statin") == [name]
    assert office.patches() == []


def test_what_is_not_recognised_is_listed_after_ten_minutes(office: Office) -> None:
    office.pull()
    office.drop("a.txt", b"x")
    office.drop("b.XML.part", b"x")
    mailbox, push = office.account.mailbox, office.account.settings.push
    assert left_lying(mailbox, push, now=office.clock()) == LeftLying()
    later = office.clock() + timedelta(minutes=11)
    found = left_lying(mailbox, push, now=later)
    assert sorted(found.unrecognised) == ["a.txt", "b.XML.part"]
    assert found.not_taken == ()


def test_an_old_file_that_is_not_recognised_is_listed_at_once(office: Office) -> None:
    office.pull()
    path = office.drop("a.txt", b"x")
    os.utime(path, (0, office.clock().timestamp() - 700))
    mailbox, push = office.account.mailbox, office.account.settings.push
    assert left_lying(mailbox, push, now=office.clock()).unrecognised == ("a.txt",)


def test_push_counts_what_it_leaves_for_the_next_round(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "LEAST_PATIENCE", 0)
    office.pull()
    path = office.drop("a.XML", state_file())
    assert wait_until_settled(office.account) == 0
    with path.open("ab"):
        assert wait_until_settled(office.account) == 1


def test_a_state_file_that_could_not_be_taken_is_told_of_after_ten_minutes(office: Office) -> None:
    office.pull()
    office.drop("a.XML", state_file())
    mailbox, push = office.account.mailbox, office.account.settings.push
    assert left_lying(mailbox, push, now=office.clock()) == LeftLying()
    later = office.clock() + timedelta(minutes=11)
    assert left_lying(mailbox, push, now=later) == LeftLying(not_taken=("a.XML",))


def test_of_many_state_files_a_handful_is_taken_at_a_time_by_arrival(office: Office) -> None:
    office.pull()
    for name in ("c.XML", "a.XML", "b.XML"):
        wait_for_a_later_change_time(office.drop(name, state_file()))
    assert take_in(office.account, most=2) == 2
    assert office.names("statin") == ["b.XML"]
    assert take_in(office.account, most=2) == 1


def test_state_files_that_lie_together_are_written_down_together(office: Office) -> None:
    """One commit each would be slower than the software drops them, and they would pile up."""
    office.pull()
    for number in range(30):
        office.drop(f"a{number:02}.XML", state_file(annotated("7", register_number=f"R-{number}")))
    before = commits(office.account.ledger)
    assert take_in(office.account) == 30
    assert commits(office.account.ledger) - before == 2  # taken; left
    assert [name for name, _, left in files(office) if left] == [
        f"a{number:02}.XML" for number in range(30)
    ]


def test_a_state_file_that_cannot_be_kept_does_not_hold_up_those_beside_it(office: Office) -> None:
    office.pull()
    for name in ("a.XML", "b.XML", "c.XML"):
        dropped = office.drop(name, state_file(annotated(name)))
        if name == "b.XML":
            digest = Digest(hashlib.sha256(dropped.read_bytes()).hexdigest())
    folder = office.account.mailbox.archive.path(digest).parent
    folder.rmdir()
    folder.touch()  # nothing can be kept there
    assert take_in(office.account) == 2
    assert office.names("statin") == ["b.XML"]


def test_a_file_that_has_not_settled_is_left_alone(office: Office) -> None:
    (hub_id,) = office.served()
    slow = settled_after(office, 3600)
    office.drop("a.XML", state_file(annotated(hub_id)))
    assert slow.push().taken == 0
    assert office.names("statin") == ["a.XML"]
    office.clock.pass_by(hours=2)
    assert slow.push().taken == 1


def test_a_clock_that_went_back_does_not_hold_a_file(office: Office) -> None:
    (hub_id,) = office.served()
    slow = settled_after(office, 3600)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.clock.pass_by(hours=-2)
    assert slow.push().taken == 1


def test_a_modification_time_that_a_client_set_does_not_make_a_file_settled(
    office: Office,
) -> None:
    office.pull()
    path = office.drop("a.XML", b"<a/>")
    os.utime(path, (0, 0))
    assert settled_after(office, 3600).push().taken == 0


def test_links_are_not_followed(office: Office, tmp_path: Path) -> None:
    (hub_id,) = office.served()
    outside = tmp_path / "outside.XML"
    outside.write_bytes(state_file(annotated(hub_id)))
    (office.folder("statin") / "link.XML").symlink_to(outside)
    (office.folder("statin") / "dangling.XML").symlink_to(tmp_path / "nothing")
    assert office.push().taken == 0
    assert outside.exists()
    assert office.patches() == []


def test_folders_and_pipes_are_not_taken(office: Office) -> None:
    office.pull()
    (office.folder("statin") / "folder.XML").mkdir()
    os.mkfifo(office.folder("statin") / "pipe.XML")
    assert office.push().taken == 0
    assert office.names("statin") == ["folder.XML", "pipe.XML"]


def test_a_file_name_in_latin_1_is_taken_and_answered(office: Office) -> None:
    office.pull()
    raw = os.fsencode(office.folder("statin")) + b"/pag\xf3.XML"
    Path(os.fsdecode(raw)).write_bytes(b"no xml")
    assert office.push().taken == 1
    assert office.names("statin") == []
    ((name, message),) = office.answers().items()
    assert "@pagó.XML@" in name
    hub = message.entries[0].hub
    assert hub is not None
    assert hub.filename == "pagó.XML"


def test_a_file_that_cannot_be_read_does_not_hold_the_others(office: Office) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (hub_id,) = office.served()
    office.drop("a.XML", b"x").chmod(0)
    office.drop("b.XML", state_file(annotated(hub_id)))
    assert office.push().taken == 1
    assert office.states(hub_id)[-1] == "ANNOTATED"


def test_the_bytes_of_a_state_file_stay_in_the_archive(office: Office) -> None:
    (hub_id,) = office.served()
    content = state_file(annotated(hub_id))
    office.drop("a.XML", content)
    office.push()
    with office.account.ledger.read() as connection:
        (digest,) = connection.scalars(select(schema.state_file.c.digest))
    assert office.account.mailbox.archive.read(Digest(digest)) == content


def test_a_file_that_somebody_still_writes_is_not_taken_however_long_they_pause(
    office: Office,
) -> None:
    (hub_id,) = office.served()
    content = state_file(annotated(hub_id))
    with office.drop("a.XML", content[:200]).open("ab") as still_open:
        office.push()
        assert office.names("statin") == ["a.XML"]
        still_open.write(content[200:])
    office.push()
    assert office.refusals() == []
    assert "ANNOTATED" in office.states(hub_id)


# -- the same file again -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.XML", "b.xml"])
def test_the_same_bytes_twice_are_one_effect(office: Office, name: str) -> None:
    (hub_id,) = office.served()
    content = state_file(said(hub_id, State.DELIVERED), said(hub_id, State.ACCEPTED))
    office.drop("a.XML", content)
    office.push()
    office.drop(name, content)
    assert office.push().taken == 1
    assert office.states(hub_id)[2:] == ["DELIVERED", "ACCEPTED"]
    assert files(office) == [("a.XML", "taken", True), (name, "repetition", True)]
    assert not office.answers()


def test_the_same_bytes_twice_at_once_are_one_effect(office: Office) -> None:
    (hub_id,) = office.served()
    for name in ("a.XML", "b.XML"):
        office.drop(name, state_file(annotated(hub_id)))
    assert office.push().taken == 2
    assert office.patches(hub_id) == ["ANNOTATED"]


def test_a_repetition_while_the_first_still_waits_is_one_effect(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.stop()
    for name in ("a.XML", "b.XML"):
        office.drop(name, state_file(annotated(hub_id)))
        assert isinstance(failing(office.push), HubAwayError)
    office.sandbox.start()
    office.push()
    assert office.patches(hub_id) == ["ANNOTATED"]


def test_what_was_refused_is_tried_again_when_the_file_comes_again(office: Office) -> None:
    (hub_id,) = office.served(registered=False)
    content = state_file(annotated(hub_id))
    office.drop("a.XML", content)
    office.push()
    assert [text.split()[0] for text in office.refusals()] == ["3005"]
    office.sandbox.book.register(hub_id, "E/1")
    office.drop("b.XML", content)
    office.push()
    assert office.states(hub_id)[-1] == "ANNOTATED"
    assert len(office.refusals()) == 1


def test_what_is_refused_again_is_answered_again(office: Office) -> None:
    (hub_id,) = office.served()
    content = state_file(annotated(hub_id), said(hub_id, "CANCELED"))
    for name in ("a.XML", "b.XML"):
        office.drop(name, content)
        office.push()
    assert office.patches(hub_id) == ["ANNOTATED"]
    names = [
        entry.hub.filename
        for message in office.answers().values()
        for entry in message.entries
        if entry.hub
    ]
    assert sorted(str(name) for name in names) == ["a.XML", "b.XML"]


def test_a_file_of_the_same_name_with_other_content_is_another_file(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(annotated(hub_id, "R-1")))
    office.push()
    office.drop("a.XML", state_file(annotated(hub_id, "R-2")))
    office.push()
    assert office.patches(hub_id) == ["ANNOTATED", "ANNOTATED"]
    assert office.sandbox.book.invoice(hub_id).register_number == "R-2"
    assert [kind for _, kind, _ in files(office)] == ["taken", "taken"]


def test_a_file_taken_right_before_a_crash_can_be_sent_again_later(office: Office) -> None:
    """The crash came after it left `statin` and before the ledger said so."""
    (hub_id,) = office.served(registered=False)
    content = state_file(annotated(hub_id))
    office.drop("a.XML", content)
    office.push()
    with office.account.ledger.write() as connection:
        connection.execute(schema.state_file.update().values(left_at=None))
    office.push()
    office.sandbox.book.register(hub_id, "E/1")
    office.drop("a.XML", content)
    office.push()
    assert office.states(hub_id)[-1] == "ANNOTATED"


def test_a_file_that_is_replaced_while_it_is_taken_is_not_lost(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(annotated(hub_id)))
    mailbox = office.account.mailbox
    (dropped,) = mailbox.statin.dropped()
    path = office.folder("statin") / "a.XML"
    path.unlink()
    path.write_bytes(b"another")
    assert not mailbox.statin.is_unchanged(dropped)
    mailbox.statin.remove([dropped])
    assert path.read_bytes() == b"another"


def test_a_stop_while_files_leave_statin_loses_none_that_took_another_ones_place(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    (hub_id,) = office.served()
    path = office.drop("a.XML", state_file())
    mailbox = office.account.mailbox
    (dropped,) = mailbox.statin.dropped()
    path.unlink()
    office.drop("a.XML", state_file(annotated(hub_id)))
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed_after(Path.rename))
        mailbox.statin.remove([dropped])
    office.push()
    assert "ANNOTATED" in office.states(hub_id)


def killed_after(call: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    def call_and_die(path: Path, target: Path) -> Path:
        call(path, target)
        raise KeyboardInterrupt

    return call_and_die


def test_a_file_that_is_opened_for_writing_after_it_was_taken_stays(office: Office) -> None:
    (hub_id,) = office.served()
    content = state_file(annotated(hub_id))
    path = office.drop("a.XML", content[:200])
    statin = office.account.mailbox.statin
    (dropped,) = statin.dropped()
    with path.open("ab") as more:
        statin.remove([dropped])
        more.write(content[200:])
    assert path.read_bytes() == content


def test_a_state_file_that_cannot_be_removed_does_not_hold_up_those_beside_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's in a folder with the sticky bit, say."""
    (hub_id,) = office.served()
    for name in ("a.XML", "b.XML", "c.XML"):
        office.drop(name, state_file(annotated(hub_id, register_number=name)))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refused_for("b.XML", Path.rename))
        assert take_in(office.account) == 2
        assert files(office) == [
            ("a.XML", "taken", True),
            ("b.XML", "taken", False),
            ("c.XML", "taken", True),
        ]
    assert take_in(office.account) == 1
    assert [left for *_, left in files(office)] == [True, True, True]


def refused_for(name: str, call: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    def call_or_refuse(path: Path, target: Path) -> Path:
        if path.name == name:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return call(path, target)

    return call_or_refuse


# -- which invoice is meant ----------------------------------------------------------------------


def by_facts(**facts: str) -> bytes:
    return state_file(replace(said("", State.ACCEPTED), **facts))


def test_an_invoice_is_found_by_number_supplier_and_date(office: Office) -> None:
    (hub_id,) = office.served(number="A/7", supplier_nif="B12345678", issue_date=date(2026, 3, 4))
    office.served(number="A/8", supplier_nif="B12345678", issue_date=date(2026, 3, 4))
    office.drop("a.XML", by_facts(number="A/7", supplier="B12345678", date="2026-03-04"))
    office.push()
    assert office.states(hub_id)[-1] == "ACCEPTED"


@pytest.mark.parametrize(
    "wrong",
    [{"number": "A/9"}, {"supplier": "B87654321"}, {"date": "2026-03-05"}, {"date": ""}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_invoice_that_nothing_fits_is_br02(office: Office, wrong: dict[str, str]) -> None:
    office.served(number="A/7", supplier_nif="B12345678", issue_date=date(2026, 3, 4))
    right = {"number": "A/7", "supplier": "B12345678", "date": "2026-03-04"}
    office.drop("a.XML", by_facts(**(right | wrong)))
    office.push()
    (text,) = office.refusals()
    assert text.startswith("BR02 ")
    assert text.endswith("(update 1 of 1)")
    assert office.patches() == []


def test_more_than_one_invoice_that_fits_is_br03(office: Office) -> None:
    office.served(2, number="A/7", supplier_nif="B12345678", issue_date=date(2026, 3, 4))
    office.drop("a.XML", by_facts(number="A/7", supplier="B12345678", date="2026-03-04"))
    office.push()
    (text,) = office.refusals()
    assert text.startswith("BR03 ")
    assert office.patches() == []


def test_a_rejection_without_a_word_bears_the_reason_of_the_settings(office: Office) -> None:
    (hub_id,) = office.served()
    office = set_for_push(office, default_reason="Sense motiu")
    office.drop("a.XML", state_file(said(hub_id, State.REJECTED)))
    office.push()
    assert office.sandbox.book.invoice(hub_id).reason == "Sense motiu"


# -- order ---------------------------------------------------------------------------------------


def test_several_files_on_one_invoice_go_in_the_order_of_arrival(office: Office) -> None:
    (hub_id,) = office.served()
    order = [State.ANNOTATED, State.RECEIVED, State.ACCEPTED, State.RECOGNISED, State.PAID]
    details = {
        State.ANNOTATED: annotated(hub_id),
        State.PAID: said(hub_id, State.PAID),
    }
    for number, state in zip("94728", order, strict=True):
        path = office.drop(f"{number}.XML", state_file(details.get(state, said(hub_id, state))))
        wait_for_a_later_change_time(path)
    office.push()
    assert office.states(hub_id)[2:] == [str(state) for state in order]


def wait_for_a_later_change_time(path: Path) -> None:
    """Return when the file system's clock has moved on: it ticks every few milliseconds."""
    probe = path.parent / "probe.txt"
    while True:
        probe.touch()
        now = probe.stat().st_ctime_ns
        probe.unlink()
        if now > path.stat().st_ctime_ns:
            return


# -- cut-off uploads -----------------------------------------------------------------------------


def test_a_cut_off_upload_is_neither_taken_nor_answered_but_kept(office: Office) -> None:
    office.pull()
    partial = office.account.mailbox.staged("uploads")
    partial.write_bytes(b"<Delivery")
    note_cut_off(office.account, Folder.STATIN, "a.XML", partial)
    office.push()
    assert not partial.exists()
    assert files(office) == [("a.XML", "cut-off", True)]
    assert not office.answers()
    with office.account.ledger.read() as connection:
        (digest,) = connection.scalars(select(schema.state_file.c.digest))
    assert office.account.mailbox.archive.read(Digest(digest)) == b"<Delivery"


def test_a_cut_off_upload_tells_whose_it_was(office: Office) -> None:
    office.pull()
    partial = office.account.mailbox.staged("uploads")
    partial.write_bytes(b"<Delivery")
    who = Uploader(user="rcf2", address="10.0.0.7", protocol="ftp")
    note_cut_off(office.account, Folder.IN, "a.XML", partial, who=who)
    with office.account.ledger.read() as connection:
        *_, (link, _) = events.chain(connection, "town")
    assert (link.kind, link.actor) == ("upload cut off", "rcf2")
    assert (link.detail["address"], link.detail["protocol"]) == ("10.0.0.7", "ftp")


def test_a_cut_off_upload_that_could_not_be_kept_waits_where_it_is(office: Office) -> None:
    office.pull()
    partial = office.account.mailbox.staged("uploads")
    partial.write_bytes(b"<Delivery")
    archive = office.account.mailbox.archive.root
    aside = archive.rename(archive.with_name("elsewhere"))
    with pytest.raises(StorageError):
        note_cut_off(office.account, Folder.STATIN, "a.XML", partial)
    assert partial.read_bytes() == b"<Delivery"
    aside.rename(archive)
    note_cut_off(office.account, Folder.STATIN, "a.XML", partial)
    assert not partial.exists()
    assert files(office) == [("a.XML", "cut-off", True)]


def test_a_cut_off_upload_that_comes_again_is_taken_as_new(office: Office) -> None:
    """Its bytes may have been whole after all."""
    (hub_id,) = office.served()
    content = state_file(annotated(hub_id))
    partial = office.account.mailbox.staged("uploads")
    partial.write_bytes(content)
    note_cut_off(office.account, Folder.STATIN, "a.XML", partial)
    office.drop("a.XML", content)
    office.push()
    assert office.states(hub_id)[-1] == "ANNOTATED"
    assert [kind for _, kind, _ in files(office)] == ["cut-off", "taken"]


def test_a_cut_off_upload_into_another_folder_is_an_event_only(office: Office) -> None:
    office.pull()
    partial = office.account.mailbox.staged("uploads")
    partial.write_bytes(b"<Face")
    note_cut_off(office.account, Folder.IN, "a.XML", partial)
    assert files(office) == []
    with office.account.ledger.read() as connection:
        kinds = connection.scalars(select(schema.event.c.kind)).all()
    assert "upload cut off" in kinds


# -- retry ---------------------------------------------------------------------------------------


def test_a_refused_update_can_be_queued_again(office: Office) -> None:
    (hub_id,) = office.served(registered=False)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    office.sandbox.book.register(hub_id, "E/1")
    with office.account.ledger.read() as connection:
        refused = updates.refused(connection, office.account.name)
    retry(office.account, refused)
    assert [update.status for update in office.open_updates()] == [UpdateStatus.QUEUED]
    office.push()
    assert office.states(hub_id)[-1] == "ANNOTATED"


def test_a_broken_file_that_is_queued_again_is_answered_once(office: Office) -> None:
    office.pull()
    office.drop("a.XML", b"no xml")
    office.push()
    with office.account.ledger.read() as connection:
        refused = updates.refused(connection, office.account.name)
    retry(office.account, refused)
    office.push()
    assert [text.split()[0] for text in office.refusals()] == ["BR01"]


def test_copies_of_a_refused_file_are_answered_each_by_its_name(office: Office) -> None:
    (hub_id,) = office.served()
    for name in ("a.XML", "b.XML", "c.XML"):
        office.drop(name, state_file(said(hub_id, "CANCELED")))
    office.push()
    names = [
        entry.hub.filename
        for message in office.answers().values()
        for entry in message.entries
        if entry.hub
    ]
    assert sorted(map(str, names)) == ["a.XML", "b.XML", "c.XML"]


# -- a hub that is away --------------------------------------------------------------------------


def test_state_files_are_taken_while_the_hub_is_away(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.stop()
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.drop("b.XML", b"broken")
    assert isinstance(failing(office.push), HubAwayError)
    assert office.names("statin") == []
    assert len(office.open_updates()) == 1
    assert len(office.answers()) == 1
    office.sandbox.start()
    office.push(only_due=True)
    assert office.states(hub_id)[-1] == "ANNOTATED"


def test_a_restart_finds_what_was_queued(open_account: Offices) -> None:
    office = open_account()
    (hub_id,) = office.served()
    office.sandbox.stop()
    office.drop("a.XML", state_file(annotated(hub_id)))
    failing(office.push)
    office.sandbox.start()
    open_account().push()
    assert office.states(hub_id)[-1] == "ANNOTATED"


def test_taking_is_an_event_of_the_software(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    with office.account.ledger.read() as connection:
        table = schema.event
        actors = {row.kind: row.actor for row in connection.execute(select(table))}
        (update,) = (
            event
            for event in histories.events(connection, hub_id)
            if event.kind == "update accepted"
        )
        known = state_files.same_bytes(connection, office.account.name, Digest("none"))
    assert actors[f"state file {Kind.TAKEN}"] == "rcf"
    assert update.actor == "bridge"
    assert known == []


def test_a_file_with_too_many_updates_is_refused_as_a_whole(office: Office) -> None:
    office.pull()
    entries = b"<StatusFeedback/>" * (MOST_UPDATES + 1)
    office.drop("a.XML", b"<DeliveryFeedback>" + entries + b"</DeliveryFeedback>")
    office.push()
    assert office.names("statin") == []
    (refusal,) = office.refusals()
    assert refusal == "BR07 the file asks for 20001 updates; at most 20000 fit into one"

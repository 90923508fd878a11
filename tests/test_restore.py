"""A ledger that was restored from a backup, or lost beside a full archive: the promises hold."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge import status
from bridge.errors import LedgerError, StorageError
from bridge.inbound.preparing import prepare
from bridge.ledger import events, schema, updates
from bridge.model import State
from bridge.outbound.entering import retry
from bridge.outbound.taking import take_in
from bridge.sandbox.server import Sandbox
from tests.accounts import Office, annotated, failing, paid, said, state_file
from tests.gateway import install

Open = Callable[..., Office]

REMEMBERED = (
    schema.delivery,
    schema.attachment,
    schema.placed_file,
    schema.state_file,
    schema.state_update,
    schema.attempt,
    schema.event,
)

FORGOTTEN = {
    "left_at",  # the next look into `statin` tells
    "next_attempt_at",
    "attempts",
    "trouble",
}
"""What an event does not tell, and what is found out again."""


def back_up(office: Office) -> Path:
    """Copy the ledger as a backup does."""
    copy = office.account.ledger.path.with_name("backup.db")
    copy.unlink(missing_ok=True)
    with sqlite3.connect(office.account.ledger.path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy


def status_of(office: Office) -> dict[str, Any]:
    found = status.look(office.account.settings, office.account.ledger, now=office.clock())
    (account,) = status.as_json(found)["accounts"]  # type: ignore[misc,attr-defined]
    return dict(account)


def in_words(office: Office) -> str:
    found = status.look(office.account.settings, office.account.ledger, now=office.clock())
    return status.as_text(found)


def lose(office: Office) -> None:
    office.account.ledger.close()
    for path in office.account.ledger.path.parent.glob("ledger.db*"):
        path.unlink()


def restore(office: Office, backup: Path) -> None:
    lose(office)
    shutil.copy(backup, office.account.ledger.path)


def tables(office: Office) -> dict[str, list[dict[str, Any]]]:
    """All rows that say what happened to invoices and updates, without the rows' own ids."""
    found = {}
    with office.account.ledger.read() as connection:
        for table in REMEMBERED:
            ours = table in (schema.state_file, schema.state_update)
            columns = [
                column
                for column in table.c
                if column.name not in FORGOTTEN and (ours or column.name != "id")
            ]
            rows = connection.execute(select(*columns).order_by(*columns)).mappings()
            found[table.name] = [
                {name: _roughly(value) for name, value in row.items()} for row in rows
            ]
    return found


def _roughly(value: object) -> object:
    """An event and the row that it tells of are written some microseconds apart."""
    return "some time" if isinstance(value, datetime) else value


def busy_week(office: Office) -> None:
    """Something of everything: collected, waiting, attached, accepted, refused, cut off."""
    collected, waiting, settled, rejected = office.served(4)
    rich = office.add()[0]
    office.sandbox.book.add_attachment(rich, "a.pdf", b"%PDF-1.4 a")
    office.pull()
    office.sandbox.book.add_attachment(rich, "late.txt", b"late")
    office.pull()
    office.collect(collected, settled, rejected)
    next(office.folder("adjout").iterdir()).unlink()
    office.drop("1.XML", state_file(annotated(settled), said(waiting, "CANCELED")))
    office.drop("2.XML", state_file(paid(settled)))
    office.drop("3.XML", b"broken")
    office.push()
    office.drop("4.XML", state_file(said(settled, "RECEIVED")))
    office.push()
    office.drop("5.XML", b"broken")
    office.push()


def test_a_lost_ledger_is_written_again_from_the_archive(open_account: Open) -> None:
    office = open_account()
    busy_week(office)
    before = tables(office)
    lose(office)
    again = open_account()
    again.push()
    after = tables(again)
    told = after["event"].pop()
    assert (told["kind"], told["detail"]) == (
        "ledger brought up to its journal",
        {"events": len(before["event"])},
    )
    assert after == before


def test_a_ledger_of_last_week_does_not_offer_again_what_was_collected(open_account: Open) -> None:
    office = open_account(acknowledge="never")  # so that the hub goes on listing them
    first, second = office.served(2)
    backup = back_up(office)
    third = office.served()[0]
    office.collect(first, third)
    office.push()
    restore(office, backup)
    again = open_account(acknowledge="never")
    again.pull()
    again.push()
    assert not again.out_of(first)
    assert not again.out_of(third)
    assert again.out_of(second)


def test_a_ledger_of_last_week_sends_nothing_a_second_time(open_account: Open) -> None:
    office = open_account()
    (hub_id,) = office.served()
    office.drop("1.XML", state_file(annotated(hub_id)))
    backup = back_up(office)
    office.push()
    office.drop("2.XML", state_file(paid(hub_id)))
    office.push()
    sent = office.patches(hub_id)
    restore(office, backup)
    again = open_account()
    again.drop("2.XML", state_file(paid(hub_id)))
    again.push()
    again.push()
    assert again.patches(hub_id) == sent
    assert again.refusals() == []
    assert again.names("statin") == []


def test_a_restored_ledger_numbers_its_messages_on(open_account: Open) -> None:
    office = open_account()
    backup = back_up(office)
    office.served(3)
    before = office.names("statout")
    restore(office, backup)
    again = open_account()
    again.served(2)
    assert len(again.names("statout")) == 5
    assert set(before) < set(again.names("statout"))


def test_a_refusal_can_be_sent_again_after_a_restore(open_account: Open) -> None:
    office = open_account()
    (hub_id,) = office.served()
    office.drop("1.XML", state_file(said(hub_id, "CANCELED")))
    office.push()
    lose(office)
    again = open_account()
    again.push()
    assert len(again.refusals()) == 1
    with again.account.ledger.read() as connection:
        refused = updates.refused(connection, "town")
    retry(again.account, refused)
    again.push()
    assert len(again.refusals()) == 1


def test_what_was_shown_before_a_crash_is_recognised_by_a_lost_ledger(open_account: Open) -> None:
    """The file stands in `out`, but nobody wrote down that it does."""
    office = open_account()
    (hub_id,) = office.served()
    lose(office)
    journal = office.account.ledger.journal("town").path
    lines = journal.read_text().splitlines(keepends=True)
    intended = next(number for number, line in enumerate(lines) if "invoice fetched" in line)
    journal.write_text("".join(lines[: intended + 1]))
    again = open_account()
    again.pull()
    assert len(again.out_of(hub_id)) == 1
    assert len(again.names("statout")) == 1
    again.collect(hub_id)
    again.push()
    again.pull()
    assert not again.out_of(hub_id)


def test_nothing_new_is_written_down_before_what_was_forgotten(open_account: Open) -> None:
    """Ledger and journal would tell different stories for ever."""
    office = open_account()
    backup = back_up(office)
    office.served()
    restore(office, backup)
    again = open_account()
    ledger, now = again.account.ledger, again.clock()
    with pytest.raises(LedgerError, match="knows more"), ledger.write() as connection:
        events.record(connection, "town", "said too early", at=now)
    again.pull()
    with ledger.write() as connection:
        events.record(connection, "town", "said in time", at=now)
    assert failing(again.push) is None


def test_a_journal_that_lags_behind_is_completed(open_account: Open) -> None:
    office = open_account()
    office.served()
    journal = office.account.ledger.journal("town").path
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) // 2])
    office.account.ledger.close()
    open_account().push()
    assert journal.read_bytes() == whole


def test_a_ledger_and_a_journal_of_two_stories_stop_the_account(open_account: Open) -> None:
    office = open_account()
    office.served()
    lose(office)
    journal = office.account.ledger.journal("town").path
    text = journal.read_text()
    journal.write_text(text.replace("invoice fetched", "invoice forgotten"))
    again = open_account()
    error = failing(again.pull)
    assert isinstance(error, StorageError)
    assert "verify" in str(error)
    assert str(journal) in str(error)


@pytest.mark.parametrize("garbage", [b"no json\n", b"\n", b'{"number": 1}\n'])
def test_a_journal_that_holds_something_else_stops_the_account(
    open_account: Open, garbage: bytes
) -> None:
    office = open_account()
    office.served()
    with office.account.ledger.journal("town").path.open("ab") as file:
        file.write(garbage)
    office.account.ledger.close()
    assert isinstance(failing(open_account().pull), StorageError)


def data_dir(office: Office) -> Path:
    return office.account.settings.data_dir


def test_a_backup_of_everything_does_not_offer_again_what_was_collected(
    open_account: Open, tmp_path: Path
) -> None:
    """Ledger, journal and mailbox are all of last week: only the hub knows better."""
    office = open_account()
    collected, waiting = office.served(2)
    office.account.ledger.close()
    shutil.copytree(data_dir(office), tmp_path / "backup")
    later = open_account()
    later.collect(collected)
    later.push()
    later.account.ledger.close()
    shutil.rmtree(data_dir(office))
    shutil.copytree(tmp_path / "backup", data_dir(office))
    again = open_account()
    assert again.out_of(collected)
    again.pull()
    assert not again.out_of(collected)
    assert again.out_of(waiting)
    again.pull()
    again.push()
    assert not again.out_of(collected)
    assert again.delivery(collected).state == "acknowledged"


def test_what_the_rcf_reported_on_before_collecting_it_stays_on_offer(
    open_account: Open,
) -> None:
    """DELIVERED went before its update, not after a collection that the ledger forgot."""
    office = open_account()
    (hub_id,) = office.served()
    office.account.ledger.close()
    again = open_account()
    again.drop("1.XML", state_file(said(hub_id, "RECEIVED")))
    again.push()
    assert again.states(hub_id)[2:] == ["DELIVERED", "RECEIVED"]
    again.pull()
    assert again.out_of(hub_id)


@pytest.mark.parametrize("state", [State.DELIVERED, State.ANNOTATED])
def test_what_somebody_else_told_the_hub_stays_on_offer(open_account: Open, state: State) -> None:
    """The software has not collected it: a person at the hub's own pages is no collection."""
    office = open_account()
    (hub_id,) = office.served()
    office.account.ledger.close()
    office.sandbox.book.set_state(hub_id, state)
    again = open_account()
    again.pull()
    assert again.out_of(hub_id)


def test_a_mailbox_that_was_lost_with_its_ledger_has_not_been_collected(
    open_account: Open,
) -> None:
    """Only the archive is left: a new, empty mailbox tells nothing."""
    office = open_account()
    (hub_id,) = office.served()
    office.drop("1.XML", b"broken")
    office.push()
    office.account.ledger.close()
    for path in data_dir(office).iterdir():
        if path.name.startswith("ledger"):
            path.unlink()
        elif path.name != "archive":
            shutil.rmtree(path)
    again = open_account()
    error = failing(again.pull)
    assert "not the mailbox that the ledger knows" in str(error)
    assert again.states(hub_id)[-1] == "REGISTERED"
    assert again.delivery(hub_id).state == "placed"


def test_folders_put_in_the_place_of_others_are_known_to_a_lost_ledger(open_account: Open) -> None:
    office = open_account()
    (hub_id,) = office.served()
    office.push()
    lose(office)
    shutil.move(office.folder("out"), data_dir(office) / "the old out")
    office.folder("out").mkdir()
    again = open_account()
    assert "another folder stands in the place" in str(failing(again.push))
    assert again.states(hub_id)[-1] == "REGISTERED"


def test_sending_again_remembers_first(tmp_path: Path, sandbox: Sandbox) -> None:
    """The first command after a restore must not write events of its own before the old ones."""
    hub_id = sandbox.book.add_invoice()
    gateway = install(tmp_path, sandbox)
    gateway.run("pull")
    (gateway.mailbox / "statin" / "1.XML").write_bytes(state_file(said(hub_id, "CANCELED")))
    assert gateway.run("push").code == 1
    backup = shutil.copytree(
        gateway.folder / "data", tmp_path / "backup", copy_function=shutil.copy
    )
    for path in (gateway.mailbox / "out").iterdir():
        path.unlink()
    gateway.run("push")
    for path in (gateway.folder / "data").glob("ledger.db*"):
        path.unlink()
    for path in backup.glob("ledger.db*"):
        shutil.copy(path, gateway.folder / "data")
    gateway.run("retry", "--all")
    pulled = gateway.run("pull")
    assert pulled.code == 0, pulled.err
    assert list((gateway.mailbox / "out").iterdir()) == []
    assert gateway.run("verify").code == 0


def test_the_numbers_of_an_account_whose_journal_is_refused_stay_its_own(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """The others go on after the restore, and one count gives all of them their numbers."""
    hub_id = sandbox.book.add_invoice()
    other = (
        f'[[account]]\nname = "z"\nissuer = "{sandbox.issuer}"\n'
        'secret_file = "ajuntament.secret"\nacknowledge = "never"\n'
    )
    gateway = install(tmp_path, sandbox)
    gateway.config.write_text(gateway.config.read_text() + other)
    first, second = (gateway.mailbox.parent / name / "statin" for name in ("ajuntament", "z"))
    gateway.run("pull")
    data = gateway.folder / "data"
    backup = shutil.copytree(data, tmp_path / "backup", ignore=shutil.ignore_patterns("locks"))
    for number, folder in enumerate((first, second, second)):
        (folder / "1.XML").write_bytes(state_file(annotated(hub_id, f"R-{number}")))
        gateway.run("push")
    for path in data.glob("ledger.db*"):
        path.unlink()
    for path in backup.glob("ledger.db*"):
        shutil.copy(path, data)
    journal = data / "archive" / "z" / "events.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b"no event\n")
    (first / "2.XML").write_bytes(state_file(said(hub_id, "RECEIVED")))
    gateway.run("push")
    assert list(first.iterdir()) == []
    journal.write_bytes(whole)
    assert "differ" not in gateway.run("push").err
    verified = gateway.run("verify")
    assert verified.code == 0, verified.out
    assert gateway.status()["accounts"][1]["updates"]["accepted"] == 2


def put_back_all(office: Office, backup: Path) -> None:
    office.account.ledger.close()
    shutil.rmtree(data_dir(office))
    shutil.copytree(backup, data_dir(office))


@pytest.mark.parametrize("acknowledge", ["collected", "stored", "never"])
def test_what_the_rcf_annotated_in_a_forgotten_time_is_not_offered_again(
    open_account: Open, tmp_path: Path, acknowledge: str
) -> None:
    office = open_account(acknowledge=acknowledge)
    (hub_id,) = office.served()
    office.push()
    office.account.ledger.close()
    shutil.copytree(data_dir(office), tmp_path / "backup")
    later = open_account(acknowledge=acknowledge)
    later.drop("1.XML", state_file(annotated(hub_id)))
    later.push()
    later.collect(hub_id)
    later.push()
    put_back_all(later, tmp_path / "backup")
    again = open_account(acknowledge=acknowledge)
    again.push()  # an event before the hub is asked makes no difference
    again.pull()
    assert not again.out_of(hub_id)


def test_an_update_that_was_sent_in_a_forgotten_time_is_not_sent_again(
    open_account: Open, tmp_path: Path
) -> None:
    """The hub has gone on since: sending it would turn the invoice back."""
    office = open_account()
    (hub_id,) = office.served()
    office.drop("1.XML", state_file(annotated(hub_id)))
    take_in(office.account)
    office.account.ledger.close()
    shutil.copytree(data_dir(office), tmp_path / "backup")
    later = open_account()
    later.push()
    later.drop("2.XML", state_file(said(hub_id, "RECOGNISED")))
    later.push()
    sent = later.patches(hub_id)
    put_back_all(later, tmp_path / "backup")
    again = open_account()
    again.push()
    again.pull()
    assert again.patches(hub_id) == sent
    assert again.refusals() == []


@pytest.mark.parametrize("later_state", ["RECOGNISED", "PAID"])
def test_a_state_file_that_lay_in_the_backup_is_not_sent_again(
    open_account: Open, tmp_path: Path, later_state: str
) -> None:
    """It was taken and sent in the forgotten time, and the hub has gone on since."""
    office = open_account()
    (hub_id,) = office.served()
    office.push()
    office.drop("1.XML", state_file(annotated(hub_id)))
    office.account.ledger.close()
    shutil.copytree(data_dir(office), tmp_path / "backup")
    later = open_account()
    later.push()
    later.drop("2.XML", state_file(said(hub_id, later_state)))
    later.push()
    sent = later.patches(hub_id)
    put_back_all(later, tmp_path / "backup")
    again = open_account()
    again.push()
    assert again.names("statin") == []
    assert again.patches(hub_id) == sent
    assert again.refusals() == []
    told = tables(again)
    lose(again)
    anew = open_account()
    prepare(anew.account)
    assert {**tables(anew), "event": []} == {**told, "event": []}


def test_a_state_file_of_the_backup_that_was_never_sent_is_sent(
    open_account: Open, tmp_path: Path
) -> None:
    office = open_account()
    (hub_id,) = office.served()
    office.push()
    office.drop("1.XML", state_file(annotated(hub_id)))
    office.account.ledger.close()
    shutil.copytree(data_dir(office), tmp_path / "backup")
    put_back_all(open_account(), tmp_path / "backup")
    again = open_account()
    again.push()
    assert again.states(hub_id)[-1] == "ANNOTATED"


@pytest.mark.parametrize(
    ("acknowledge", "collected_first", "told"),
    [
        ("never", True, ["early", "forgotten"]),
        ("stored", True, ["early"]),
        ("collected", True, []),
        ("never", False, ["early", "forgotten"]),
    ],
)
def test_what_comes_once_more_after_a_backup_of_everything_is_told(
    open_account: Open, tmp_path: Path, acknowledge: str, collected_first: bool, told: list[str]
) -> None:
    """Nobody told the hub that the software had it, so a person has to look."""
    office = open_account(acknowledge=acknowledge)
    names = dict(zip(office.served(), ["early"], strict=True))
    office.push()
    office.account.ledger.close()
    shutil.copytree(data_dir(office), tmp_path / "backup")
    later = open_account(acknowledge=acknowledge)
    names |= dict(zip(later.served(), ["forgotten"], strict=True))
    if collected_first:
        later.collect(*names)
        later.push()
    put_back_all(later, tmp_path / "backup")
    again = open_account(acknowledge=acknowledge)
    again.pull()
    registered_now = again.sandbox.book.now()
    names |= dict(zip(again.served(registered_at=registered_now), ["new"], strict=True))
    for hub_id in names:
        for path in again.out_of(hub_id):
            path.unlink()
    again.push()
    found = status_of(again)["restored"]
    assert sorted(names[hub_id] for hub_id in found["offered_again"]) == told
    assert ("may have been offered a second time" in in_words(again)) == bool(told)


def test_invoices_that_a_restored_backup_may_have_lost_are_told(
    open_account: Open, tmp_path: Path
) -> None:
    office = open_account(acknowledge="stored")
    office.served()
    office.account.ledger.close()
    shutil.copytree(data_dir(office), tmp_path / "backup")
    put_back_all(open_account(acknowledge="stored"), tmp_path / "backup")
    again = open_account(acknowledge="stored")
    again.pull()
    assert "the hub does not list any more" in in_words(again)
    again.clock.pass_by(days=31)
    assert "the hub does not list any more" not in in_words(again)


def test_a_full_archive_of_which_nobody_remembers_anything_stops_the_account(
    open_account: Open,
) -> None:
    office = open_account(acknowledge="never")
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.push()
    lose(office)
    office.account.ledger.journal("town").path.unlink()
    again = open_account(acknowledge="never")
    assert "the journal that belongs to them is gone" in str(failing(again.pull))
    assert not again.out_of(hub_id)

"""`verify`: whatever was changed, removed or put in, in ledger, journal or archive, is found."""

import hashlib
import os
import re
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from bridge.ledger import accounts, deliveries, events, schema, summary
from bridge.ledger.archive_removals import REMOVED
from bridge.model import Digest, FeedName
from bridge.outbound.acknowledge import acknowledge
from bridge.sandbox.server import Sandbox
from bridge.upkeep import verifying
from bridge.upkeep.verifying import Checked
from tests.accounts import Office, annotated, failing, paid, said, state_file
from tests.gateway import install


@pytest.fixture
def busy(office: Office) -> Office:
    """An account in which something of everything happened."""
    one, two, three = office.served(3)
    rich = office.add()[0]
    office.sandbox.book.add_attachment(rich, "a.pdf", b"%PDF-1.4 a")
    office.pull()
    office.sandbox.book.faults.fail("reset", operation="update", state="ANNOTATED")
    office.collect(one)
    office.drop("1.XML", state_file(annotated(one), said(two, "CANCELED")))
    office.push()
    office.drop("2.XML", state_file(paid(one), said(three, "RECEIVED")))
    office.push()
    return office


def data_dir(office: Office) -> Path:
    return office.account.settings.data_dir


def verify(office: Office) -> dict[str, Checked]:
    checked = verifying.verify(office.account.ledger, data_dir(office), "town")
    return {check.what: check for check in checked}


def faults(office: Office) -> set[str]:
    return {what for what, check in verify(office).items() if not check.right}


def change(office: Office, statement: str) -> None:
    """Change the ledger behind the bridge's back, without its triggers."""
    with sqlite3.connect(office.account.ledger.path) as connection:
        for trigger in ("event_no_update", "event_no_delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        connection.execute("PRAGMA foreign_keys = OFF")
        assert connection.execute(statement).rowcount > 0
    connection.close()


def archived(office: Office) -> list[Path]:
    return list(office.account.mailbox.archive.files())


def test_what_nobody_touched_is_in_order(busy: Office) -> None:
    assert set(verify(busy)) == {"events", "journal", "ledger", "archive"}
    assert faults(busy) == set()
    with busy.account.ledger.read() as connection:
        row = summary.of_account(connection, "town")
    assert row.verified_through is not None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET kind = 'invoice lost' WHERE number = 3",
        "UPDATE event SET detail = '{}' WHERE number = 4",
        "UPDATE event SET at = '2020-01-01 00:00:00.000000' WHERE number = 2",
        "UPDATE event SET actor = 'nobody' WHERE number = 1",
        "DELETE FROM event WHERE number = 3",
        "UPDATE event SET digest = 'x' WHERE number = 2",
    ],
)
def test_an_event_that_was_changed_breaks_the_chain(busy: Office, statement: str) -> None:
    change(busy, statement)
    assert "events" in faults(busy)
    assert re.search(r"breaks at event \d", verify(busy)["events"].said)


def test_events_cut_off_at_the_end_are_known_to_the_journal(busy: Office) -> None:
    change(busy, "DELETE FROM event WHERE number > 8")
    assert {"journal", "ledger"} <= faults(busy)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE state_update SET status = 'accepted' WHERE status = 'refused'",
        "UPDATE placed_file SET state = 'collected' WHERE state = 'placed'",
        "DELETE FROM state_update WHERE status = 'refused'",
        "UPDATE delivery SET digest = 'x'",
        "DELETE FROM delivery",
        "UPDATE state_file SET digest = 'x'",
        "UPDATE state_file SET name = 'other.XML'",
        "UPDATE delivery SET amount = '1.00'",
        "UPDATE delivery SET collected_at = '2020-01-01 00:00:00' WHERE collected_at IS NOT NULL",
        "UPDATE delivery SET acknowledged_at = '2020-01-01 00:00:00'",
        "UPDATE delivery SET acknowledged_at = NULL WHERE acknowledged_at IS NOT NULL",
        "UPDATE state_update SET paid_on = '2020-01-01' WHERE state = 'PAID'",
        "UPDATE state_update SET refusal_reason = 'no' WHERE status = 'refused'",
        "UPDATE state_update SET settled_at = '2020-01-01 00:00:00'",
        "UPDATE state_update SET hub_id = 'another' WHERE state = 'PAID'",
        "DELETE FROM attachment",
        "UPDATE attachment SET original_name = 'b.pdf'",
        "UPDATE attachment SET digest = (SELECT digest FROM delivery LIMIT 1)",
        "UPDATE placed_file SET digest = (SELECT digest FROM state_file LIMIT 1)",
        "UPDATE attempt SET answer = 'not sent'",
        "UPDATE attempt SET answer = NULL",
        "UPDATE attempt SET sent = '{}'",
        "UPDATE attempt SET at = '2020-01-01 00:00:00'",
        "DELETE FROM attempt WHERE answer = 'taken'",
        "INSERT INTO attempt (update_id, at, answer) SELECT id, queued_at, 'no' FROM state_update",
    ],
)
def test_a_row_that_no_event_tells_of_is_found(busy: Office, statement: str) -> None:
    change(busy, statement)
    assert "ledger" in faults(busy)


def test_what_no_event_tells_of_may_be_so(busy: Office) -> None:
    """An attempt that did not end, an attachment that is only listed, a try that failed."""
    change(
        busy,
        "INSERT INTO attempt (update_id, at, sent)"
        " SELECT update_id, '2020-01-01 00:00:00', sent FROM attempt LIMIT 1",
    )
    change(busy, "UPDATE delivery SET attempts = 3, trouble = 'slow'")
    rich = busy.add()[0]
    busy.sandbox.book.add_attachment(rich, "b.pdf", b"%PDF-1.4 b")
    busy.sandbox.book.faults.fail(operation="attachment", times=None)
    failing(busy.pull)
    assert faults(busy) == set()


def test_an_invoice_that_is_acknowledged_once_more_is_in_order(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.pull()
    account, now = office.account, office.clock()
    with account.ledger.write() as connection:  # as after a hub that only said yes
        deliveries.acknowledged(connection, "town", FeedName.REST, hub_id, at=now)
        events.record(connection, "town", "invoice acknowledged", at=now, hub_id=hub_id)
    office.clock.pass_by(minutes=11)
    office.pull()
    assert office.delivery(hub_id).state == "collected"
    assert faults(office) == set()
    hub = account.writable_hub()
    assert hub is not None
    acknowledge(account, hub, only_due=False)
    assert office.delivery(hub_id).state == "acknowledged"
    assert faults(office) == set()


def test_a_bridge_at_work_is_no_reason_for_an_alarm(office: Office) -> None:
    office.served(2)
    ledger, stop = office.account.ledger, threading.Event()

    def work() -> None:
        while not stop.is_set():
            with ledger.write() as connection:
                events.record(connection, "town", "noise", at=office.clock())

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            found = [faults(office) for _ in range(3)]
        finally:
            stop.set()
        working.result()
    assert found == [set()] * 3


def test_a_file_that_retention_removes_meanwhile_is_not_missed(busy: Office) -> None:
    """It goes while `verify` reads another file, an early one that comes from a pipe."""
    content = next(
        content
        for content in map(str.encode, map(str, count()))
        if hashlib.sha256(content).hexdigest().startswith("00")
    )
    pipe = busy.account.mailbox.archive.path(Digest(hashlib.sha256(content).hexdigest()))
    pipe.parent.mkdir(exist_ok=True)
    gone = next(path for path in archived(busy) if path.parent != pipe.parent)
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(faults, busy)
        with pipe.open("wb") as being_read:
            with busy.account.ledger.write() as connection:
                events.record(connection, "town", REMOVED, at=busy.clock(), digest=gone.name)
            gone.unlink()
            being_read.write(content)
    assert found.result() == set()


def test_a_changed_journal_is_found(busy: Office) -> None:
    path = busy.account.ledger.journal("town").path
    path.write_text(path.read_text().replace("invoice collected", "invoice forgotten"))
    assert faults(busy) == {"journal"}


def test_a_changed_file_of_the_archive_is_found(busy: Office) -> None:
    path = archived(busy)[0]
    path.write_bytes(path.read_bytes() + b" ")
    assert faults(busy) == {"archive"}
    assert str(path) in verify(busy)["archive"].said


def test_a_missing_file_of_the_archive_is_found(busy: Office) -> None:
    archived(busy)[0].unlink()
    assert faults(busy) == {"archive"}


NO_FILE = {
    "event.digest": "of its own line",
    "placed_file.source_digest": "of a file in the old mailbox, which may have other bytes",
    "comparison.legacy_digest": "goes when its file does",
    "comparison.rest_digest": "goes when its file does",
    "finding.legacy_digest": "what a report said, whatever became of the file",
    "finding.rest_digest": "what a report said, whatever became of the file",
    "accepted_finding.legacy_digest": "what somebody accepted, whatever became of the file",
    "accepted_finding.rest_digest": "what somebody accepted, whatever became of the file",
}


def test_every_column_with_a_digest_names_an_archived_file_unless_it_is_known_not_to() -> None:
    columns = {
        str(column)
        for table in schema.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("digest")
    }
    assert columns == set(map(str, schema.ARCHIVED)) | NO_FILE.keys()


def test_what_was_found_wrong_is_not_said_to_be_verified(busy: Office) -> None:
    archived(busy)[0].unlink()
    verify(busy)
    with busy.account.ledger.read() as connection:
        assert summary.of_account(connection, "town").verified_through is None
        assert accounts.mailbox_mark(connection, "town")


def test_an_auditor_can_check_the_export_with_public_tools(busy: Office, tmp_path: Path) -> None:
    folder = verifying.export(
        busy.account.ledger, data_dir(busy), "town", tmp_path / "the auditor's"
    )
    text = (folder / "README.txt").read_text()
    commands = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    commands = commands.replace(f"{folder}/", "$FOLDER/").replace("$FOLDER/", f"'{folder}'/")
    done = subprocess.run(
        ["bash", "-c", commands], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() in text
    assert "broken" not in done.stdout
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace("invoice", "invoices")
    (folder / "events.jsonl").write_text("".join(lines))
    broken = subprocess.run(
        ["bash", "-c", commands], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert broken.stdout.count("broken") == 1


def test_the_command_says_what_it_checked(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.book.add_invoice()
    gateway = install(tmp_path, sandbox)
    assert gateway.run("pull").code == 0
    done = gateway.run("verify", "--export", str(tmp_path / "evidence"))
    assert done.code == 0, done.err
    assert [line.split()[:3] for line in done.out.splitlines()] == [
        ["ok", "ajuntament", "events:"],
        ["ok", "ajuntament", "journal:"],
        ["ok", "ajuntament", "ledger:"],
        ["ok", "ajuntament", "archive:"],
        ["ok", "ajuntament", "export:"],
    ]
    assert gateway.status()["accounts"][0]["verified_through"] is not None
    next((gateway.folder / "data" / "archive").rglob("*/??/*")).unlink()
    assert gateway.run("verify").code == 1

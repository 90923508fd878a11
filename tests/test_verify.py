"""`verify`: whatever was changed, removed or put in, in ledger, journal or archive, is found."""

import re
import sqlite3
import subprocess
from pathlib import Path

import pytest

from bridge import verifying
from bridge.ledger import accounts, summary
from bridge.sandbox.server import Sandbox
from bridge.verifying import Checked
from tests.accounts import Office, annotated, said, state_file
from tests.gateway import install


@pytest.fixture
def busy(office: Office) -> Office:
    """An account in which something of everything happened."""
    one, two = office.served(2)
    office.collect(one)
    office.drop("1.XML", state_file(annotated(one), said(two, "CANCELED")))
    office.push()
    return office


def data_dir(office: Office) -> Path:
    return office.account.settings.data_dir


def verify(office: Office) -> dict[str, Checked]:
    checked = verifying.verify(office.account.ledger, data_dir(office), "town", now=office.clock())
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
    assert row.verified_at is not None


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
    ],
)
def test_a_row_that_no_event_tells_of_is_found(busy: Office, statement: str) -> None:
    change(busy, statement)
    assert "ledger" in faults(busy)


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

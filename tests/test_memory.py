"""Memory: what is free goes back to the system, and what is not needed is not taken."""

import platform
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from bridge.feedback import MAX_BYTES
from tests.accounts import Office, annotated, state_file

glibc_only = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

RESIDENT = """
from pathlib import Path
from bridge.running.memory import give_back, keep_flat

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
"""

HOLES = """
blocks = [bytes(9_000) for _ in range(8_000)]
used = blocks[::20]
del blocks
before = resident()
give_back()
print(before - resident())
"""

LARGE_HOLES = """
keep_flat()
blocks = [(b"x" * 2_000_000, b"x" * 2_000) for _ in range(50)]
before = resident()
blocks = [small for _, small in blocks]
print(before - resident())
"""

NEW_LEDGER = """
import sys
from pathlib import Path
from bridge.ledger import Ledger
from bridge.ledger.database import HEAD

ledger = Ledger(Path(sys.argv[1]), lean=True)
with ledger.read() as connection:
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
print(found == HEAD, "alembic" in sys.modules)
"""


def python(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@glibc_only
def test_what_is_free_between_what_is_used_goes_back_to_the_system() -> None:
    assert int(python(RESIDENT + HOLES)) > 30_000_000


@glibc_only
def test_large_blocks_go_back_to_the_system_at_once() -> None:
    assert int(python(RESIDENT + LARGE_HOLES)) > 30_000_000


def test_a_new_ledger_is_made_without_alembic_staying_in_memory(tmp_path: Path) -> None:
    assert python(NEW_LEDGER, tmp_path / "ledger.db") == "True False\n"


def test_to_take_a_small_state_file_takes_little_memory(office: Office) -> None:
    """A limit of ten megabytes is no reason to make room for them."""
    (hub_id,) = office.served()
    path = office.drop("state.xml", state_file(annotated(hub_id)))
    mailbox = office.account.mailbox
    (found,) = mailbox.statin.lying()
    assert peak(lambda: mailbox.statin.keep(found)) < 300_000
    digest = mailbox.statin.keep(found)
    assert peak(lambda: mailbox.archive.read(digest, most=MAX_BYTES + 1)) < 300_000
    assert mailbox.archive.read(digest, most=10) == path.read_bytes()[:10]


def peak(do: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_no_statement_is_longer_the_more_invoices_there_are(office: Office) -> None:
    """SQLite keeps each, on each connection, for another time: of one length, it comes again."""
    with statements(office) as seen:
        hub_ids = office.served(20, attachments=True)
        for hub_id in hub_ids:
            office.drop(f"{hub_id}.xml", state_file(annotated(hub_id)))
        office.push()
        office.collect(*hub_ids)
        office.push()
        office.pull()
    assert not [it for it in seen if re.search(r"IN \((\?, ){9}", it)]
    assert not [it for it in seen if re.search(r"VALUES (\([?, ]*\),? ?){9}", it)]


@contextmanager
def statements(office: Office) -> Iterator[set[str]]:
    seen: set[str] = set()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        seen.add(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)

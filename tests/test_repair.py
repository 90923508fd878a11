"""What a start finds half done it puts right, and says so."""

from collections.abc import Callable

import pytest

from bridge.durable import lock
from bridge.ledger import histories, schema
from bridge.naming import Folder
from bridge.upkeep.repair import Repairs, put_right
from tests.accounts import Office, annotated, state_file

Open = Callable[..., Office]


def told(office: Office) -> list[dict[str, object]]:
    with office.account.ledger.read() as connection:
        rows = connection.execute(schema.event.select()).all()
    return [dict(row.detail) for row in rows if row.kind == "put right after the last stop"]


def test_after_a_clean_stop_there_is_nothing_to_tell(open_account: Open) -> None:
    open_account().served(2)
    again = open_account()
    assert put_right(again.account) == Repairs()
    assert told(again) == []


def test_links_and_files_that_nobody_has_seen_are_removed(office: Office) -> None:
    (hub_id,) = office.served()
    mailbox = office.account.mailbox
    mailbox.staged("fetch").write_bytes(b"half a file")
    mailbox.staged("take").write_bytes(b"half a file")
    mailbox.make_ready([(Folder.OUT, "stray.XML", office.digest(hub_id))])
    assert put_right(office.account).leftovers == 3
    assert put_right(office.account) == Repairs()
    assert told(office) == [{"leftovers": 3}]


def test_a_file_that_has_gone_from_the_archive_is_kept_again(office: Office) -> None:
    (hub_id,) = office.served()
    kept = office.account.mailbox.archive.path(office.digest(hub_id))
    content = kept.read_bytes()
    kept.unlink()
    assert put_right(office.account).archived_again == 1
    assert kept.read_bytes() == content


def test_other_peoples_files_are_named_and_left_alone(office: Office) -> None:
    office.served()
    foreign = office.folder("out") / "notes.txt"
    foreign.write_text("mine")
    assert put_right(office.account).not_ours == ("out/notes.txt",)
    assert foreign.read_text() == "mine"


def test_updates_in_doubt_are_counted_and_asked_about(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("1.XML", state_file(annotated(hub_id)))
    office.push()
    with office.account.ledger.write() as connection:
        connection.execute(schema.state_update.update().values(status="sending"))
    assert put_right(office.account).in_doubt == 1
    office.push()
    assert office.patches(hub_id).count("ANNOTATED") == 1


def test_it_does_not_wait_for_a_process_that_is_at_work(office: Office) -> None:
    (hub_id,) = office.served()
    office.account.mailbox.staged("fetch").write_bytes(b"its file")
    with lock(office.account.settings.data_dir / "locks" / "town.inbound", wait=0):
        assert put_right(office.account) == Repairs()
    with office.account.ledger.read() as connection:
        assert histories.events(connection, hub_id)


@pytest.mark.parametrize("folder", ["out", "statout"])
def test_what_was_shown_and_not_written_down_is_resumed(office: Office, folder: str) -> None:
    (hub_id,) = office.served()
    with office.account.ledger.write() as connection:
        connection.execute(
            schema.placed_file.update()
            .where(schema.placed_file.c.folder == folder)
            .values(state="placing", placed_at=None)
        )
    assert put_right(office.account).resumed == 1
    assert office.out_of(hub_id)

"""How the bridge is, for scripts and for people: what is said, when, and in which words."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bridge import status
from bridge.errors import BridgeError
from bridge.ledger import Ledger, accounts, components, deliveries, events, visitors
from bridge.ledger.visitors import VisitRow
from bridge.model import FeedName, HubId, PendingInvoice
from bridge.naming import Folder
from bridge.rounds import pull_round
from bridge.settings import Settings, UserSettings
from bridge.status import looking
from bridge.status.listings import MOST_ITEMS
from bridge.status.words import safe, size, span
from bridge.upkeep.cut_offs import note_cut_off
from tests.accounts import Office, annotated, failing, paid, said, state_file
from tests.door_rig import PASSWORD_HASH
from tests.ledgers import open_ledger

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "data" / "ledger.db")
    yield opened
    opened.close()


def settings(folder: Path, *names: str, **sections: Any) -> Settings:
    """Return settings whose hub is nowhere and whose secrets do not exist."""
    account = [
        {"name": name, "issuer": "hub", "secret_file": folder / "missing"}
        for name in names or ("town",)
    ]
    hub = {"base_url": "http://127.0.0.1:9/rcf"}
    return Settings(data_dir=folder / "data", hub=hub, account=account, **sections)  # type: ignore[arg-type]


def look(office: Office) -> status.Status:
    account = office.account
    return status.look(account.settings, account.ledger, now=office.clock())


def in_json(office: Office) -> dict[str, Any]:
    """Return what a script reads of the first account."""
    document = json.loads(json.dumps(status.as_json(look(office))))
    account = document["accounts"][0]
    assert isinstance(account, dict)
    return account


def in_words(office: Office) -> str:
    return status.as_text(look(office))


# -- the promised keys ---------------------------------------------------------------------------


def test_a_new_bridge_has_every_promised_key(tmp_path: Path, ledger: Ledger) -> None:
    found = json.loads(json.dumps(status.as_json(status.look(settings(tmp_path), ledger, now=NOW))))
    (account,) = found["accounts"]
    promised: dict[str, object] = {
        "name": "town",
        "serve": "rest",
        "shadow": "",
        "deliveries": dict.fromkeys(("seen", "fetched", "placed", "collected", "acknowledged"), 0),
        "uncollected": {"count": 0, "oldest_seconds": None},
        "updates": {"queued": 0, "sending": 0, "accepted": 0, "refused": 0},
        "refused": [],
        "unrecognised_files": [],
        "last_poll": None,
        "capped_slices": [],
        "verified_through": None,
    }
    assert found["schema"] == 1
    assert account | promised == account
    assert found["hub"] == {"reachable": None, "clock_offset_seconds": None}
    assert found["disk_free_bytes"] > 0


def test_neither_the_hub_nor_a_secret_is_needed(tmp_path: Path, ledger: Ledger) -> None:
    without = settings(tmp_path)
    with pytest.raises(BridgeError):
        without.account[0].read_secret()
    assert status.as_text(status.look(without, ledger, now=NOW))


# -- invoices ------------------------------------------------------------------------------------


def test_invoices_are_counted_by_how_far_they_have_come(office: Office) -> None:
    first, *_ = office.served(3)
    office.collect(first)
    office.push()
    assert in_json(office)["deliveries"] == {
        "seen": 0,
        "fetched": 0,
        "placed": 2,
        "collected": 0,
        "acknowledged": 1,
    }


def test_the_oldest_invoice_in_the_mailbox_is_told_by_its_age(office: Office) -> None:
    hub_ids = office.served(2)
    office.clock.pass_by(hours=3)
    hub_ids += office.served()
    found = in_json(office)["uncollected"]
    assert found["count"] == 3
    assert 3 * 3600 <= found["oldest_seconds"] < 3 * 3600 + 60
    office.collect(*hub_ids)
    office.push()
    assert in_json(office)["uncollected"] == {"count": 0, "oldest_seconds": None}


def test_invoices_nobody_collects_are_named_once_it_takes_too_long(office: Office) -> None:
    (hub_id,) = office.served()
    office.clock.pass_by(hours=11)
    assert hub_id not in in_words(office)
    office.clock.pass_by(hours=2)
    text = in_words(office)
    assert "1 invoice not collected for more than 12 h, the oldest for 13 h" in text
    assert f"invoice {hub_id}, 13 h" in text


def test_an_invoice_of_both_feeds_counts_once_at_its_furthest_step(office: Office) -> None:
    (hub_id,) = office.served()
    row = PendingInvoice(hub_id=hub_id)
    recorded = PendingInvoice(hub_id=HubId("only-recorded"))
    with office.account.ledger.write() as connection:
        deliveries.see(connection, "town", FeedName.LEGACY, [row, recorded], at=office.clock())
    found = in_json(office)["deliveries"]
    assert found["placed"] == 1
    assert sum(found.values()) == 1


def test_an_invoice_that_cannot_be_placed_is_told_with_its_reason(office: Office) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.faults.fail(operation="facturae", code=9999, times=None)
    office.pull()
    (row,) = in_json(office)["held_back"]
    assert row["hub_id"] == hub_id
    assert "9999" in row["reason"]
    assert datetime.fromisoformat(row["next_try"]) > office.clock() - timedelta(seconds=2)
    text = in_words(office)
    assert "1 invoice could not be brought into the mailbox" in text
    assert f"invoice {hub_id}, for" in text
    assert "next try" in text


def test_an_attachment_that_does_not_come_is_told(office: Office) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.add_attachment(hub_id, "annex.pdf", b"%PDF-")
    office.sandbox.book.faults.fail(operation="attachment", code=9999, times=None)
    for _ in range(4):
        office.pull()
    assert office.out_of(hub_id)
    assert "1 attachment could not be brought into the mailbox" in in_words(office)


def test_a_missing_receipt_is_told_and_needs_no_look(office: Office) -> None:
    office.sandbox.book.faults.fail(operation="receipt", code=9002, times=None)
    (hub_id,) = office.served()
    (row,) = in_json(office)["without_receipt"]
    assert row["hub_id"] == hub_id
    assert "9002" in row["reason"]
    text = in_words(office)
    assert text.startswith("Everything is in order.\n")
    assert f"Placed without a receipt\n    - invoice {hub_id}" in text


# -- state updates -------------------------------------------------------------------------------


def test_a_refused_update_is_listed_with_code_and_reason(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("x.xml", state_file(said(hub_id, "SENT")))
    office.push()
    found = in_json(office)
    (row,) = found["refused"]
    assert row == {
        "update_id": row["update_id"],
        "hub_id": hub_id,
        "state": "SENT",
        "code": "BR04",
        "reason": row["reason"],
        "blame": row["blame"],
    }
    assert row["reason"]
    assert found["updates"]["refused"] == 1
    text = status.as_text(look(office), config="my bridge.toml")
    assert "1 state update was refused" in text
    assert f"efact-bridge retry -c 'my bridge.toml' {row['update_id']}\n" in text
    assert "(x.xml, 0 s ago)" in text


def test_a_refusal_that_was_mended_needs_no_look_and_stays_on_record(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="update", code=3002)
    office.drop("1.xml", state_file(annotated(hub_id, "R-1")))
    office.push()
    assert "1 state update was refused" in in_words(office)
    office.drop("2.xml", state_file(annotated(hub_id, "R-2")))
    office.push()
    assert in_words(office).startswith("Everything is in order.\n")
    assert len(in_json(office)["refused"]) == 1


def test_a_refusal_of_long_ago_needs_no_look_and_stays_on_record(office: Office) -> None:
    office.pull()
    office.drop("x.xml", b"no XML")
    office.push()
    office.clock.pass_by(days=31)
    office.pull()
    assert "was refused" not in in_words(office)
    assert len(in_json(office)["refused"]) == 1


# -- who comes -----------------------------------------------------------------------------------


def test_software_that_stays_away_is_told_once_it_takes_too_long(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.push()
    office.clock.pass_by(days=6)
    office.pull()
    assert "Software last came  6 d ago" in in_words(office)
    assert "has not come" not in in_words(office)
    office.clock.pass_by(days=2)
    assert "The accounting software has not come for 8 d" in in_words(office)


def test_software_that_never_came_is_told_as_well(office: Office) -> None:
    office.pull()
    office.served()
    office.clock.pass_by(days=8)
    assert "The accounting software has never come" in in_words(office)
    assert in_json(office)["last_came"] is None


def test_who_is_connected_is_not_silent_however_long_ago_it_came(office: Office) -> None:
    office.served()
    row = VisitRow(
        user="rcf", address="10.0.0.7", protocol="sftp", program="SSH-2.0-x", since=office.clock()
    )
    with office.account.ledger.write() as connection:
        visitors.begin_visit(connection, 1, "town", row)
    office.clock.pass_by(days=8)
    text = in_words(office)
    assert "1 connection now" in text
    assert "rcf from 10.0.0.7 over SFTP for 8 d, SSH-2.0-x" in text
    assert "never come" not in text
    assert in_json(office)["connected"][0]["address"] == "10.0.0.7"


def test_bans_are_listed_until_they_are_over(office: Office) -> None:
    office.served()
    subjects = ("address 10.0.0.9", "user rcf", "user of-another-account")
    with office.account.ledger.write() as connection:
        for subject in subjects:
            until = office.clock() + timedelta(minutes=29, seconds=59)
            visitors.note_ban(connection, subject, until=until, now=office.clock())
        mine = visitors.banned(connection, ["rcf"], now=office.clock())
    assert [ban.subject for ban in mine] == ["address 10.0.0.9", "user rcf"]
    office.clock.pass_by(minutes=10)
    assert "address 10.0.0.9, for 19 min more" in in_words(office)
    assert [ban["subject"] for ban in in_json(office)["banned"]] == ["address 10.0.0.9"]
    office.clock.pass_by(minutes=20)
    assert in_json(office)["banned"] == []


def test_a_user_that_is_banned_needs_a_look_and_says_how_to_let_it_in(office: Office) -> None:
    office.served()
    user = UserSettings(name="rcf", password_hash=PASSWORD_HASH)
    own = office.account.own.model_copy(update={"user": (user,)})
    settings = office.account.settings.model_copy(update={"account": (own,)})
    office = replace(office, account=replace(office.account, settings=settings))
    until = office.clock() + timedelta(minutes=29, seconds=59)
    with office.account.ledger.write() as connection:
        visitors.note_ban(connection, "user rcf", until=until, now=office.clock())
    said = in_words(office)
    assert "user rcf may not log in for 29 min more" in said
    assert "efact-bridge unban -c FILE rcf" in said


def test_the_programs_that_come_are_listed_for_a_month(office: Office) -> None:
    office.pull()
    program = {"name": "SSH-2.0-JSCH", "agreed": {"cipher": "aes128-ctr", "login": "password"}}
    who = visitors.client_of("town", "rcf", "sftp", program)
    with office.account.ledger.write() as connection:
        for _ in range(2):
            visitors.came(connection, who, program, at=office.clock())
    office.clock.pass_by(days=2)
    said = "rcf over SFTP: SSH-2.0-JSCH, aes128-ctr; 2 visits, last 2 d ago"
    assert said in in_words(office)
    office.clock.pass_by(days=30)
    assert "SSH-2.0-JSCH" not in in_words(office)
    assert in_json(office)["clients"][0]["program"]["name"] == "SSH-2.0-JSCH"


def test_silence_is_no_alarm_where_it_is_switched_off(tmp_path: Path, ledger: Ledger) -> None:
    quiet = settings(tmp_path, alerts={"client_silent_after": "off"})
    with ledger.write() as connection:
        events.record(connection, "town", "invoice seen", at=NOW - timedelta(days=400))
    assert "Software last came  never" in status.as_text(status.look(quiet, ledger, now=NOW))
    assert "has never come" not in status.as_text(status.look(quiet, ledger, now=NOW))


def test_updates_that_wait_for_long_are_told_with_the_reason(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="update", html=True, times=None)
    office.drop("x.xml", state_file(annotated(hub_id)))
    failing(office.push)
    found = in_json(office)["updates"]
    assert found["queued"] + found["sending"] == 1
    assert "could not be sent yet" not in in_words(office)
    office.clock.pass_by(hours=2)
    office.pull()
    text = in_words(office)
    assert "1 state update could not be sent yet, the oldest for 2 h" in text
    assert f"ANNOTATED for invoice {hub_id}, for 2 h" in text


def test_an_update_behind_another_of_its_invoice_says_which_and_until_when(office: Office) -> None:
    one, other = office.served(2)
    office.sandbox.book.faults.fail("reset", operation="update", times=None)
    office.drop("x.xml", state_file(annotated(one), said(one, "ACCEPTED"), annotated(other)))
    failing(office.push)
    first, behind, apart = in_json(office)["waiting"]
    assert behind["reason"] == f"waits for update {first['update_id']}"
    assert behind["next_try"] == first["next_try"] is not None
    assert behind["blame"] is None
    assert "waits for update" not in apart["reason"]
    lived = status.life(office.account.ledger, str(behind["update_id"]), now=office.clock())
    assert lived is not None
    assert f"waits for update {first['update_id']}" in status.as_text(lived)
    assert "next try" in status.as_text(lived)


def test_while_the_hub_is_away_no_next_try_lies_in_the_past(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("reset", operation="update", times=None)
    office.drop("x.xml", state_file(annotated(hub_id)))
    failing(office.push)
    office.sandbox.stop()
    failing(lambda: pull_round(office.inbound, only_due=False))
    (row,) = in_json(office)["waiting"]
    assert row["next_try"] is not None
    office.clock.pass_by(hours=2)
    (row,) = in_json(office)["waiting"]
    assert row["next_try"] is None
    lived = status.life(office.account.ledger, str(row["update_id"]), now=office.clock())
    assert lived is not None
    assert "next try" not in status.as_text(lived)


def test_the_clock_is_known_from_a_hub_that_does_not_let_us_in(office: Office) -> None:
    office.sandbox.book.faults.fail(code=1012, times=None)
    failing(lambda: pull_round(office.inbound, only_due=False))
    (account,) = look(office).accounts
    assert account.row.trouble is not None
    assert account.row.clock_offset_seconds is not None


def test_a_disk_that_cannot_be_written_stops_every_account(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull_round(office.inbound, only_due=False)
    monkeypatch.setattr(looking, "FULL", 1 << 62)
    account = in_json(office)
    assert account["trouble"] == "The disk is full"
    assert account["blame"]["fault"] == "local"
    assert status.as_json(look(office))["hub"]["reachable"] is None  # type: ignore[index]
    assert in_words(office).count("The disk is full") == 1


def test_writes_found_applied_after_an_unclear_answer_are_counted(office: Office) -> None:
    annotated_one, collected_one = office.served(2)
    assert in_json(office)["found_applied"] == 0
    for state in ("ANNOTATED", "DELIVERED"):
        office.sandbox.book.faults.fail("reset", operation="update", state=state, applied=True)
    office.drop("x.xml", state_file(annotated(annotated_one)))
    office.collect(collected_one)
    failing(office.push)
    failing(office.push)
    found = in_json(office)
    assert found["updates"]["accepted"] == 1
    assert found["found_applied"] == 2
    assert "2 writes after an unclear answer" in in_words(office)


def test_a_long_list_is_cut_short_for_people_and_whole_for_scripts(office: Office) -> None:
    office.pull()
    office.drop("x.xml", state_file(*(said(str(number), "SENT") for number in range(25))))
    office.push()
    assert in_words(office).count("    - update ") == MOST_ITEMS
    assert "and 5 more" in in_words(office)
    assert len(in_json(office)["refused"]) == 25


# -- the mailbox ---------------------------------------------------------------------------------


def test_files_not_recognised_are_listed_after_ten_minutes(office: Office) -> None:
    office.pull()
    office.drop("notes.txt", b"x")
    office.drop("half.xml.filepart", b"x")
    office.clock.pass_by(minutes=9)
    assert in_json(office)["unrecognised_files"] == []
    office.clock.pass_by(minutes=2)
    assert sorted(in_json(office)["unrecognised_files"]) == ["half.xml.filepart", "notes.txt"]
    assert "2 files in statin are not recognised as state files" in in_words(office)


def test_an_upload_that_was_cut_off_is_listed_for_a_day(office: Office) -> None:
    office.pull()
    partial = office.account.mailbox.staged("uploads")
    partial.write_bytes(b"<Delivery")
    note_cut_off(office.account, Folder.STATIN, "broken.xml", partial)
    assert in_json(office)["cut_off_files"] == ["broken.xml"]
    assert "broken.xml: 9 bytes came" in in_words(office)
    office.clock.pass_by(hours=25)
    assert in_json(office)["cut_off_files"] == []


def test_a_mailbox_that_is_gone_is_told_and_nothing_counts_as_collected(office: Office) -> None:
    office.served()
    shutil.rmtree(office.account.mailbox.root)
    found = in_json(office)
    assert "not the mailbox that the ledger knows" in found["trouble"]
    assert found["uncollected"]["count"] == 1
    assert "not the mailbox that the ledger knows" in in_words(office)


# -- the hub and the machine ---------------------------------------------------------------------


def test_the_last_poll_is_told_in_utc(office: Office) -> None:
    office.pull()
    last = datetime.fromisoformat(in_json(office)["last_poll"])
    assert last.utcoffset() == timedelta()
    assert abs(last - office.clock()) < timedelta(minutes=1)


def test_a_hub_that_answered_is_reachable(office: Office) -> None:
    pull_round(office.inbound, only_due=False)
    found = status.as_json(look(office))["hub"]
    assert isinstance(found, dict)
    assert found["reachable"] is True
    assert abs(found["clock_offset_seconds"]) < 5


def test_one_account_out_of_reach_and_the_worst_clock_count(tmp_path: Path, ledger: Ledger) -> None:
    with ledger.write() as connection:
        for name, reachable, offset in (("a", True, 2), ("b", False, -90), ("c", True, 45)):
            accounts.note_hub(
                connection,
                name,
                at=NOW,
                reachable=reachable,
                clock_offset=timedelta(seconds=offset),
            )
    found = status.look(settings(tmp_path, "a", "b", "c", "d"), ledger, now=NOW)
    assert status.as_json(found)["hub"] == {"reachable": False, "clock_offset_seconds": -90}
    text = status.as_text(found)
    assert "The hub did not answer when it was last asked" in text
    assert "This machine's clock is 1 min fast" in text


@pytest.mark.parametrize(("seconds", "said"), [(29, ""), (30, "30 s slow"), (-30, "30 s fast")])
def test_a_clock_that_is_half_a_minute_off_needs_a_look(
    tmp_path: Path, ledger: Ledger, seconds: int, said: str
) -> None:
    offset = timedelta(seconds=seconds)
    with ledger.write() as connection:
        accounts.note_hub(connection, "town", at=NOW, reachable=True, clock_offset=offset)
    text = status.as_text(status.look(settings(tmp_path), ledger, now=NOW))
    assert (f"This machine's clock is {said}." in text) == bool(said)
    assert f"{abs(seconds)}.0 s from the hub's" in text


def test_polls_that_stopped_are_told_with_what_to_do(office: Office) -> None:
    office.pull()
    office.clock.pass_by(minutes=20)
    assert in_words(office).startswith("Everything is in order.\n")
    office.clock.pass_by(minutes=20)
    text = in_words(office)
    assert "town: The hub was last asked for invoices 40 min ago." in text
    assert "efact-bridge serve -c FILE" in text


def test_what_keeps_an_account_from_going_on_is_told_first(tmp_path: Path, ledger: Ledger) -> None:
    with ledger.write() as connection:
        accounts.note_trouble(connection, "town", "the key is not taken", at=NOW)
    found = status.look(settings(tmp_path), ledger, now=NOW + timedelta(hours=3, minutes=12))
    text = status.as_text(found)
    assert text.startswith("1 thing needs a look:\n")
    assert "town: The account has stood still for 3 h 12 min: the key is not taken." in text


def test_capped_lists_are_told(tmp_path: Path, ledger: Ledger) -> None:
    with ledger.write() as connection:
        accounts.note_poll(connection, "town", at=NOW, capped_slices=["P0800000A"])
    found = status.look(settings(tmp_path), ledger, now=NOW)
    assert found.accounts[0].row.capped_slices == ("P0800000A",)
    assert found.accounts[0].row.capped_listings == 1
    assert "More invoices wait at the hub than it lists" in status.as_text(found)


def test_a_part_that_failed_is_told(tmp_path: Path, ledger: Ledger) -> None:
    with ledger.write() as connection:
        accounts.note_poll(connection, "town", at=NOW, capped_slices=[])
        components.note(connection, "ftp", error="no port", restarts=2, at=NOW)
        components.note(connection, "sftp", error=None, restarts=0, at=NOW)
    text = status.as_text(status.look(settings(tmp_path), ledger, now=NOW))
    assert "1 part of the bridge failed (ftp: no port)" in text
    assert "ftp (failed), started again 2 times, sftp" in text


def test_a_disk_that_is_nearly_full_is_told_before_all_else(office: Office) -> None:
    office.pull()
    text = status.as_text(replace(look(office), disk_free_bytes=250_000_000))
    assert "1. Only 250.0 MB of disk space is free." in text


def test_a_clock_that_was_set_back_makes_no_negative_ages(office: Office) -> None:
    office.served()
    office.clock.pass_by(hours=-5)
    assert in_json(office)["uncollected"]["oldest_seconds"] == 0


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (11_520, "3 h 12 min"),
        (47 * 3600, "47 h"),
        (51 * 3600, "2 d 3 h"),
    ],
)
def test_ages_are_told_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(812, "812 bytes"), (12_340, "12.3 kB"), (2.5e12, "2.5 TB")]
)
def test_sizes_are_told_in_words(count: float, words: str) -> None:
    assert size(count) == words


def test_hostile_names_play_no_tricks_on_the_terminal(office: Office) -> None:
    office.pull()
    office.drop("a\x1b[2J\r\n\u202etxt.exe", b"x")
    office.clock.pass_by(minutes=11)
    text = in_words(office)
    assert {character for character in text if not character.isprintable()} == {"\n"}
    assert len(safe("x" * 10_000)) == 300


def test_colours_are_for_terminals_only(office: Office) -> None:
    office.pull()
    plain, coloured = StringIO(), StringIO()
    text = status.as_rich(look(office))
    Console(file=plain).print(text, soft_wrap=True)
    Console(file=coloured, force_terminal=True, color_system="standard").print(text)
    assert "\x1b" not in plain.getvalue()
    assert "\x1b" not in status.as_text(look(office))
    assert "\x1b" in coloured.getvalue()


# -- a whole life --------------------------------------------------------------------------------


@pytest.fixture
def lived(office: Office) -> str:
    """Give an invoice that was annotated, then refused something, then collected."""
    (hub_id,) = office.add()
    office.sandbox.book.add_attachment(hub_id, "annex.pdf", b"%PDF-")
    office.pull()
    office.drop("x.xml", state_file(annotated(hub_id, "R-7"), paid(hub_id), said(hub_id, "SENT")))
    office.push()
    office.collect(hub_id)
    office.push()
    return hub_id


def test_the_life_of_an_invoice_has_all_that_came_of_it(office: Office, lived: str) -> None:
    found = status.life(office.account.ledger, lived)
    assert found is not None
    assert found.update is None
    invoice = found.invoice
    assert invoice is not None
    (delivery,) = invoice.deliveries
    assert delivery.collected_at is not None
    assert [update.row.status for update in invoice.updates] == ["accepted", "accepted", "refused"]
    (attempt,) = invoice.updates[0].attempts
    assert attempt.sent == {"estat": "ANNOTATED", "numeroRegistreRCF": "R-7"}
    kinds = [event.kind for event in invoice.events]
    assert kinds[0] == "invoice seen"
    assert kinds.index("state file taken") < kinds.index("update accepted")
    assert kinds[-1] == "invoice collected"
    assert {file.kind for file in invoice.files} == {"attachment", "state", "invoice", "answer"}


def test_a_life_is_told_in_words_and_as_json(office: Office, lived: str) -> None:
    found = status.life(office.account.ledger, lived)
    assert found is not None
    text = status.as_text(found)
    assert text.startswith(f"Invoice {lived}\n")
    assert "estat = ANNOTATED, numeroRegistreRCF = R-7: taken" in text
    assert "refused because" in text
    document = json.loads(json.dumps(status.as_json(found)))
    assert document["id"] == lived
    assert document["invoice"]["deliveries"][0]["hub_id"] == lived
    assert document["update"] is None


def test_the_life_of_an_update_starts_with_its_state_file(office: Office, lived: str) -> None:
    in_ledger = status.life(office.account.ledger, lived)
    assert in_ledger is not None
    assert in_ledger.invoice is not None
    refused = in_ledger.invoice.updates[2].row
    found = status.life(office.account.ledger, str(refused.id))
    assert found is not None
    assert found.invoice is None
    assert found.update is not None
    assert found.update.row == refused
    assert found.update.events[0].kind == "state file taken"
    text = status.as_text(found)
    assert text.startswith(f"State update {refused.id}\n")
    assert "x.xml, update 3 of 3" in text


def test_an_id_of_both_shows_both(office: Office) -> None:
    office.pull()
    office.drop("x.xml", state_file(said("1", "SENT")))
    office.push()
    found = status.life(office.account.ledger, "1")
    assert found is not None
    assert found.invoice is not None
    assert found.update is not None
    text = status.as_text(found)
    assert "The hub has not listed it" in text
    assert "The id 1 is also that of a state update:" in text


@pytest.mark.parametrize("unknown", ["", "1", "-1", "٣", "9" * 5000, "x'; --"])
def test_an_unknown_id_has_no_life(ledger: Ledger, unknown: str) -> None:
    assert status.life(ledger, unknown) is None

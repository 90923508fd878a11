"""What goes on at the doors, as the ledger has it: events, programs, who is connected, bans."""

import ftplib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest
from structlog.testing import capture_logs

from bridge.chain import Link
from bridge.flood import Flood, Happening, Stock
from bridge.ledger import Ledger, events, visitors
from bridge.ledger.visitors import ClientRow
from bridge.running.doorkeeper import Doorkeeper
from bridge.running.recorder import Note, Recorder
from bridge.running.worker import Worker
from bridge.sandbox.server import Sandbox
from bridge.settings import UserSettings
from bridge.upkeep.recovery import remember
from bridge.upkeep.verifying import verify
from tests.accounts import Office, Offices
from tests.door_clients import FtplibClient, ParamikoClient
from tests.door_rig import PASSWORD, PASSWORD_HASH, USER, XML, Rig, open_doors, wait_until
from tests.gateway import Gateway, install

FEW = Flood({happening: Stock(2, 0) for happening in Happening})


@contextmanager
def recorded(office: Office, folder: Path, *, flood: Flood | None = None) -> Iterator[Rig]:
    """Open doors whose events go into the office's ledger; all is written when the block ends."""
    account = office.account
    user = UserSettings(name=USER, password_hash=PASSWORD_HASH)
    recorder = Recorder(account.ledger, flood=flood)
    own = account.own.model_copy(update={"user": (user,)})
    recorder.begin()
    keeper = Doorkeeper({"town": Worker(account)}, recorder, [own])
    try:
        with open_doors(folder / "doors", events=keeper) as rig:
            yield rig
    finally:
        assert recorder.end(patience=30)


def told(office: Office, *kinds: str) -> list[Link]:
    """Return the events of some kinds, or of all."""
    with office.account.ledger.read() as connection:
        links = [link for link, _ in events.chain(connection, "town")]
    return [link for link in links if not kinds or link.kind in kinds]


def programs(office: Office) -> list[ClientRow]:
    with office.account.ledger.read() as connection:
        return visitors.of_account(connection, "town")


def test_each_step_of_a_client_is_an_event(office: Office, tmp_path: Path) -> None:
    with recorded(office, tmp_path) as rig:
        rig.place("out", "a.XML")
        with ParamikoClient("sftp", rig.port("sftp")).session() as sftp:
            sftp.open("/out/a.XML").read()
            sftp.remove("/out/a.XML")
            sftp.open("/statin/b.tmp", "w").close()
            sftp.rename("/statin/b.tmp", "/statin/b.xml")
    kinds = [link.kind for link in told(office, *Happening)]
    assert kinds == [
        "logged in",
        "file fetched",
        "file deleted",
        "file uploaded",
        "file renamed",
    ]
    for link in told(office, *Happening):
        assert link.actor == USER
        assert (link.detail["address"], link.detail["protocol"]) == ("127.0.0.1", "sftp")
    assert told(office, "file fetched")[0].detail["name"] == "a.XML"


def test_a_refusal_is_an_event_without_a_name_that_nobody_has(
    office: Office, tmp_path: Path
) -> None:
    with recorded(office, tmp_path) as rig, ftplib.FTP() as ftp, capture_logs() as logs:
        ftp.connect("127.0.0.1", rig.port("ftp"))
        for user in (USER, "hunter2"):
            with pytest.raises(ftplib.error_perm):
                ftp.login(user, "wrong")
    known, unknown = told(office, "login refused")
    assert known.detail["user"] == USER
    assert known.detail["reason"] == "wrong password"
    assert unknown.detail["user"] is None
    assert "hunter2" not in unknown.line + repr(logs)
    assert "h… (7 characters)" in [line.get("user") for line in logs]


def test_a_fetched_invoice_tells_it_in_its_life(office: Office, tmp_path: Path) -> None:
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    with recorded(office, tmp_path) as rig:
        rig.place("out", path.name)
        FtplibClient("ftp", rig.port("ftp")).fetch(f"/out/{path.name}")
    assert [link.hub_id for link in told(office, "file fetched")] == [hub_id]


def test_a_flood_of_logins_becomes_a_sum(office: Office, tmp_path: Path) -> None:
    with recorded(office, tmp_path, flood=FEW) as rig:
        for _ in range(6):
            FtplibClient("ftp", rig.port("ftp")).names("/out")
    *alone, total = told(office, "logged in")
    assert len(alone) == 2
    assert total.detail["times"] == 4
    assert programs(office)[0].visits == 6


def test_nothing_that_was_told_is_lost_at_an_orderly_stop(office: Office) -> None:
    recorder = Recorder(office.account.ledger)
    for number in range(5000):
        detail = {"folder": "statin", "name": f"{number}.xml"}
        recorder.put(Note(account="town", happening=Happening.UPLOAD, detail=detail))
    recorder.begin()
    assert recorder.end(patience=60)
    assert len(told(office, "file uploaded")) == 5000


def test_what_cannot_be_recorded_leaves_the_rest_recorded(office: Office) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    recorder = Recorder(office.account.ledger)
    recorder.begin()
    recorder.put(Note(change=fail))
    wait_until(lambda: recorder.idle, "the first was tried")
    recorder.put(Note(account="town", happening=Happening.LOGIN))
    assert recorder.end(patience=30)
    assert len(told(office, "logged in")) == 1


# Who comes


def test_the_program_of_an_sftp_client_is_kept(office: Office, tmp_path: Path) -> None:
    with recorded(office, tmp_path) as rig:
        ParamikoClient("sftp", rig.port("sftp")).names("/out")
    (row,) = programs(office)
    program: Any = row.program
    assert (row.user, row.protocol, row.visits) == (USER, "sftp", 1)
    assert program["name"] == f"SSH-2.0-paramiko_{paramiko.__version__}"
    assert set(program["offered"]) == {"key_exchange", "host_keys", "ciphers", "macs"}
    agreed = program["agreed"]
    assert agreed["login"] == "password"
    assert agreed["strict_key_exchange"] == "yes"
    assert agreed["cipher"] in program["offered"]["ciphers"]
    assert agreed["key_exchange"] in program["offered"]["key_exchange"]


def test_the_habits_of_an_ftp_client_are_kept(office: Office, tmp_path: Path) -> None:
    with recorded(office, tmp_path) as rig:
        client = FtplibClient("ftp", rig.port("ftp"))
        client.put_and_rename("/statin/ñ.xml.filepart", "/statin/ñ.xml", XML)
        client.put("/statin/b.xml", XML)
    (row,) = programs(office)
    assert row.program["agreed"] == {"tls": "none"}
    assert {"STOR", "RNFR", "RNTO", "PASV", "TYPE"} <= set(row.habits["commands"])
    assert row.habits["uploads"] == ["*.filepart", "final name at once"]
    assert row.habits["file_names"] == ["UTF-8"]


def test_a_program_that_comes_again_has_one_event(office: Office, tmp_path: Path) -> None:
    with recorded(office, tmp_path) as rig:
        for _ in range(3):
            FtplibClient("ftp", rig.port("ftp")).names("/out")
    (row,) = programs(office)
    assert row.visits == 3
    assert len(told(office, visitors.PROGRAM_SEEN)) == 1


def test_the_journal_tells_a_lost_ledger_who_came(
    office: Office, open_account: Offices, tmp_path: Path
) -> None:
    office.pull()
    with recorded(office, tmp_path) as rig:
        FtplibClient("ftp", rig.port("ftp")).put("/statin/b.xml", XML)
    (before,) = programs(office)
    assert all(it.right for it in verify(office.account.ledger, tmp_path / "data", "town"))
    office.account.ledger.close()
    for path in (tmp_path / "data").glob("ledger.db*"):
        path.unlink()
    again = open_account()
    remember(again.account)
    (after,) = programs(again)
    assert (after.program, after.habits) == (before.program, before.habits)


def test_who_makes_up_programs_fills_no_disk(tmp_path: Path, office: Office) -> None:
    with office.account.ledger.write() as connection:
        for number in range(visitors.MOST_PROGRAMS + 20):
            program = {"name": f"SSH-2.0-{number}"}
            who = visitors.client_of("town", USER, "sftp", program)
            visitors.came(connection, who, program, at=office.clock())
    assert len(programs(office)) == visitors.MOST_PROGRAMS
    assert len(told(office, visitors.PROGRAM_SEEN)) == visitors.MOST_PROGRAMS


# With `serve`


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Sandbox(invoices=0) as sandbox:
        yield install(tmp_path, sandbox, sections=["[login]", "max_failures = 2"])


@contextmanager
def ledger_of(gateway: Gateway) -> Iterator[Ledger]:
    ledger = Ledger(gateway.folder / "data" / "ledger.db")
    yield ledger
    ledger.close()


def connected(ledger: Ledger) -> int:
    with ledger.read() as connection:
        return len(visitors.here(connection, "ajuntament"))


def test_serve_tells_who_is_connected_and_keeps_what_they_did(gateway: Gateway) -> None:
    with gateway.serving(), ledger_of(gateway) as ledger:
        with ParamikoClient("sftp", gateway.sftp).session() as sftp:
            sftp.open("/in/x.bin", "w").close()
            wait_until(lambda: connected(ledger), "it is told")
            assert "1 connection now" in gateway.run("status").out
        wait_until(lambda: not connected(ledger), "it has gone")
        with ParamikoClient("sftp", gateway.sftp).session() as sftp:
            sftp.remove("/in/x.bin")  # right before the stop
    journal = gateway.folder / "data" / "archive" / "ajuntament" / "events.jsonl"
    kinds = [json.loads(line)["kind"] for line in journal.read_text().splitlines()]
    wanted = {"logged in": 2, "file uploaded": 1, "file deleted": 1}
    assert {kind: kinds.count(kind) for kind in wanted} == wanted


def log_in(gateway: Gateway, password: str) -> str:
    """Try to log in; return the code of the answer."""
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", gateway.ftp)
        try:
            return ftp.login(USER, password)[:3]
        except ftplib.error_perm as error:
            return str(error)[:3]


def banned(gateway: Gateway) -> set[str]:
    return {ban["subject"] for ban in gateway.status()["accounts"][0]["banned"]}


def test_a_ban_is_lifted_while_serve_runs(gateway: Gateway) -> None:
    with gateway.serving():
        assert [log_in(gateway, "wrong") for _ in range(2)] == ["530", "530"]
        wait_until(lambda: len(banned(gateway)) == 2, "user and address are banned")
        assert log_in(gateway, PASSWORD) == "530"
        lifted = gateway.run("unban", USER)
        assert lifted.out.startswith(f"user {USER}: may come in again\nstill banned: address 127.")
        assert gateway.run("unban", "127.0.0.1").code == 0
        wait_until(lambda: log_in(gateway, PASSWORD) == "230", "the user may come in again")
    with ledger_of(gateway) as ledger, ledger.read() as connection:
        links = [link for link, _ in events.chain(connection, "ajuntament")]
    details = [link.detail for link in links if link.kind == visitors.BAN_LIFTED]
    assert details == [{"user": USER}, {"address": "127.0.0.1"}]


def test_all_bans_are_lifted_while_nothing_runs(gateway: Gateway) -> None:
    with gateway.serving():
        assert [log_in(gateway, "wrong") for _ in range(2)] == ["530", "530"]
    assert "still banned" not in gateway.run("unban", "--all").out
    with gateway.serving():
        assert log_in(gateway, PASSWORD) == "230"


def test_who_is_not_banned_is_told_so(gateway: Gateway) -> None:
    result = gateway.run("unban", "10.0.0.9", "2001:db8::/64", "nobody")
    assert result.code == 1
    assert [line.partition(" is not banned")[0] for line in result.err.splitlines()] == [
        "efact-bridge: address 10.0.0.9",
        "efact-bridge: address 2001:db8::/64",
        "efact-bridge: user nobody",
    ]
    assert gateway.run("unban", "--all").out == "nobody is banned\n"
    assert gateway.run("unban").code == 2


def test_a_ban_survives_a_restart(gateway: Gateway) -> None:
    with gateway.serving():
        assert [log_in(gateway, "wrong") for _ in range(2)] == ["530", "530"]
    with gateway.serving():
        assert log_in(gateway, PASSWORD) == "530"
    with ledger_of(gateway) as ledger, ledger.read() as connection:
        kinds = [link.kind for link, _ in events.chain(connection, "ajuntament")]
    assert kinds.count("banned for a while") == 2  # the user and the address

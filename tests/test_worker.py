"""The loops of an account in `serve`: who waits for whom, and who does not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

import pytest

from bridge.account import open_account as open_real_account
from bridge.account import utc_now
from bridge.ledger import summary, updates
from bridge.model import UpdateStatus
from bridge.running.worker import Worker
from bridge.sandbox.server import Sandbox
from bridge.settings import PullSettings, PushSettings, Settings
from tests.accounts import Offices, annotated, settings_for, state_file
from tests.door_rig import wait_until
from tests.ledgers import open_ledger

LONG = 3600.0


@pytest.fixture
def settings(tmp_path: Path, sandbox: Sandbox) -> Settings:
    return with_pauses(settings_for(tmp_path, sandbox))


def with_pauses(
    settings: Settings,
    *,
    interval: float = LONG,
    retry_initial: float = LONG,
    retry_max: float = LONG,
) -> Settings:
    pauses = {"retry_initial": retry_initial, "retry_max": retry_max}
    return settings.model_copy(
        update={"pull": PullSettings(interval=interval), "push": PushSettings(settle=0, **pauses)}
    )


@contextmanager
def at_work(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Iterator[list[Worker]]:
    """Run the loops of every account until the block ends."""
    stop = Event()
    ledger = open_ledger(settings.data_dir / "ledger.db")
    workers = [
        Worker(replace(open_real_account(settings, own, ledger, stopping=stop), clock=clock))
        for own in settings.account
    ]
    loops = [
        Thread(target=loop, args=(stop,), daemon=True)
        for worker in workers
        for loop in (
            worker.run_inbound,
            worker.run_outbound,
            worker.run_sending,
            worker.run_following,
        )
    ]
    for loop in loops:
        loop.start()
    try:
        yield workers
    finally:
        stop.set()
        for worker in workers:
            worker.rouse()
            worker.account.hub.close()
        for loop in loops:
            loop.join(60)
        assert not any(loop.is_alive() for loop in loops)
        ledger.close()


def trouble(worker: Worker) -> str | None:
    with worker.account.ledger.read() as connection:
        return summary.of_account(connection, worker.account.name).trouble


def statuses(worker: Worker) -> list[UpdateStatus]:
    with worker.account.ledger.read() as connection:
        rows = updates.open_updates(connection, worker.account.name)
    return [row.status for row in rows]


def waits_of(worker: Worker) -> list[datetime]:
    with worker.account.ledger.read() as connection:
        rows = summary.waiting(connection, worker.account.name)
    return [row.next_attempt_at for row in rows if row.next_attempt_at is not None]


def names(worker: Worker, folder: str) -> list[str]:
    path = worker.account.mailbox.root / folder
    return sorted(found.name for found in path.iterdir()) if path.is_dir() else []


def drop(worker: Worker, name: str, content: bytes) -> None:
    (worker.account.mailbox.root / "statin" / name).write_bytes(content)
    worker.wake.set()


def test_an_account_that_is_not_let_in_stops_at_once_and_takes_state_files_all_the_same(
    settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.book.faults.fail(code=1012, times=None)
    with at_work(settings) as (worker,):
        wait_until(lambda: "1012" in (trouble(worker) or ""), "its trouble is known")
        drop(worker, "a.XML", state_file(annotated("1")))
        wait_until(lambda: not names(worker, "statin"), "the file is taken")
        worker.wake.set()
        wait_until(lambda: statuses(worker) == [UpdateStatus.QUEUED], "its update waits")
    assert len(sandbox.book.requests()) == 1


def test_the_other_accounts_go_on(settings: Settings, sandbox: Sandbox, tmp_path: Path) -> None:
    (own,) = settings.account
    (tmp_path / "wrong.secret").touch(mode=0o600)
    (tmp_path / "wrong.secret").write_text("another key than the one of the hub")
    wrong = own.model_copy(update={"name": "other", "secret_file": tmp_path / "wrong.secret"})
    sandbox.book.add_invoice()
    with at_work(settings.model_copy(update={"account": (wrong, own)})) as (barred, good):
        wait_until(lambda: len(names(good, "out")) == 1, "the invoice is there")
        wait_until(lambda: trouble(barred) is not None, "the other one's trouble is known")


def test_a_key_that_is_mended_is_used_at_once(
    settings: Settings, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "hub.secret").write_text("a key that is not the one of the hub")
    sandbox.book.add_invoice()
    with at_work(settings) as (worker,):
        wait_until(lambda: trouble(worker) is not None, "its trouble is known")
        (tmp_path / "hub.secret").write_text(sandbox.secret)
        wait_until(lambda: len(names(worker, "out")) == 1, "the invoice is there")
        wait_until(lambda: trouble(worker) is None, "its trouble is over")


def test_a_hub_that_is_slow_to_answer_keeps_no_state_file_waiting(
    settings: Settings, sandbox: Sandbox
) -> None:
    first, second = (sandbox.book.add_invoice() for _ in range(2))
    sandbox.book.faults.fail("hang", operation="update", seconds=19, times=None)
    with at_work(settings) as (worker,):
        wait_until(lambda: len(names(worker, "out")) == 2, "the invoices are there")
        drop(worker, "a.XML", state_file(annotated(first)))
        wait_until(lambda: statuses(worker) == [UpdateStatus.SENDING], "it is being sent")
        drop(worker, "b.XML", state_file(annotated(second)))
        wait_until(lambda: not names(worker, "statin"), "the second file is taken")
        assert statuses(worker) == [UpdateStatus.SENDING, UpdateStatus.QUEUED]


def test_a_pause_that_the_hub_asks_for_holds_for_both_directions(
    settings: Settings, sandbox: Sandbox
) -> None:
    hub_id = sandbox.book.add_invoice()
    settings = with_pauses(settings, retry_initial=0.05)
    sandbox.book.faults.fail("busy", operation="facturae", seconds=LONG)
    with at_work(settings) as (worker,):
        wait_until(lambda: not worker.account.circuit.is_closed, "the hub asks for a pause")
        asked = len(sandbox.book.requests())
        drop(worker, "a.XML", state_file(annotated(hub_id)))
        wait_until(lambda: statuses(worker) == [UpdateStatus.QUEUED], "the update waits")
        worker.wake.set()
        assert len(sandbox.book.requests()) == asked


def test_a_hub_that_comes_back_finds_one_caller_and_then_all_of_them(
    settings: Settings, sandbox: Sandbox
) -> None:
    hub_ids = [sandbox.book.add_invoice() for _ in range(5)]
    settings = with_pauses(settings, retry_initial=0.05)
    sandbox.stop()
    with at_work(settings) as (worker,):
        wait_until(lambda: not worker.account.circuit.is_closed, "nobody answers")
        sandbox.start()
        wait_until(lambda: len(names(worker, "out")) == len(hub_ids), "the invoices are there")
        assert worker.account.circuit.is_closed


# -- clocks ----------------------------------------------------------------------------------------


def test_a_clock_that_went_back_a_day_makes_nobody_wait_for_a_day(
    settings: Settings, open_account: Offices, sandbox: Sandbox
) -> None:
    """What a clock that was wrong wrote down would have to wait until tomorrow."""
    office = open_account()
    (placed,) = office.served()
    office.clock.pass_by(days=1)
    (held_back,) = office.add()
    for operation in ("facturae", "update"):
        sandbox.book.faults.fail(operation=operation, code=9999, times=None)
    office.drop("a.XML", state_file(annotated(placed)))
    office.pull()
    office.push()
    assert [update.attempts for update in office.open_updates()] == [1]
    sandbox.book.faults.clear()
    with at_work(with_pauses(settings, interval=0.1, retry_max=0.1)) as (worker,):
        wait_until(lambda: not statuses(worker), "the update is sent")
        wait_until(lambda: office.out_of(held_back), "the invoice is there")


@pytest.mark.parametrize("back", [False, True])
def test_a_clock_that_is_set_while_the_bridge_runs_is_noticed(
    settings: Settings, open_account: Offices, sandbox: Sandbox, *, back: bool
) -> None:
    office = open_account()
    (placed,) = office.served()
    sandbox.book.faults.fail("html", operation="update")
    with at_work(with_pauses(settings, retry_max=LONG), clock=office.clock) as (worker,):
        drop(worker, "a.XML", state_file(annotated(placed)))
        wait_until(lambda: waits_of(worker), "the update was tried")
        before = waits_of(worker)[0]
        office.clock.pass_by(days=-1 if back else 1)
        worker.wake.set()
        if back:
            wait_until(lambda: waits_of(worker)[0] < before, "its wait is shortened")
        else:
            wait_until(lambda: not statuses(worker), "the update is sent")

"""Components: restarted when they fail, written down for `status`, ended together."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import StorageError
from bridge.ledger import Ledger, summary
from bridge.ledger.summary import ComponentRow
from bridge.running import supervisor
from bridge.running.supervisor import Component, Supervisor
from tests.door_rig import wait_until
from tests.ledgers import open_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    stop = threading.Event()
    yield stop
    stop.set()


@pytest.fixture(autouse=True)
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_RESTART", 0.01)


def noted(ledger: Ledger, name: str) -> ComponentRow | None:
    with ledger.read() as connection:
        return next((it for it in summary.components(connection) if it.name == name), None)


@pytest.mark.parametrize("error", [StorageError("the disk is full"), ValueError("a bug")])
def test_a_component_that_fails_is_started_again(
    ledger: Ledger, stop: threading.Event, error: Exception
) -> None:
    runs: list[int] = []

    def run(stop: threading.Event) -> None:
        runs.append(1)
        if len(runs) < 3:
            raise error
        stop.wait()

    Supervisor(ledger, stop).start(Component("door", run))
    wait_until(lambda: (it := noted(ledger, "door")) and it.running and it.restarts == 2, "it runs")
    assert len(runs) == 3


def test_the_error_of_a_component_is_written_down(ledger: Ledger, stop: threading.Event) -> None:
    def run(_: threading.Event) -> None:
        raise StorageError("the disk is full")

    Supervisor(ledger, stop).start(Component("door", run))
    wait_until(
        lambda: (it := noted(ledger, "door")) and it.error == "the disk is full", "it is known"
    )


def test_a_component_that_fails_leaves_the_others_running(
    ledger: Ledger, stop: threading.Event
) -> None:
    def fail(_: threading.Event) -> None:
        raise StorageError("the disk is full")

    running = threading.Event()

    def run(stop: threading.Event) -> None:
        running.set()
        stop.wait()

    components = Supervisor(ledger, stop)
    components.start(Component("broken", fail))
    components.start(Component("door", run))
    assert running.wait(30)
    stop.set()
    assert components.join(patience=30)


def test_components_that_do_not_end_are_named(ledger: Ledger, stop: threading.Event) -> None:
    running, release = threading.Event(), threading.Event()

    def run(_: threading.Event) -> None:
        running.set()
        release.wait()

    components = Supervisor(ledger, stop)
    components.start(Component("stubborn", run))
    assert running.wait(30)  # one that has not begun is not begun any more
    stop.set()
    assert not components.join(patience=0.05)
    assert components.running() == ["stubborn"]
    release.set()
    assert components.join(patience=30)

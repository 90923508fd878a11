"""The pause that a hub asks for, kept by every process of an account, and ended by a person."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.errors import BridgeError, HubAwayError
from bridge.hub import Circuit, HubPausedError
from bridge.hub.circuit import LOOK_EVERY
from bridge.ledger import Ledger, pauses
from bridge.pausing import PauseMemory
from bridge.sandbox.server import Sandbox
from tests.accounts import Clock, annotated, state_file
from tests.gateway import Gateway, install
from tests.ledgers import open_ledger

LONG = 3600


@pytest.fixture
def gateway(tmp_path: Path, sandbox: Sandbox) -> Gateway:
    return install(tmp_path, sandbox)


# -- commands --------------------------------------------------------------------------------------


def test_a_pause_that_one_command_was_asked_for_is_kept_by_the_next(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    sandbox.book.add_invoice()
    sandbox.book.faults.fail("busy", seconds=LONG)
    assert gateway.run("pull").code == 3
    asked = len(sandbox.book.requests())
    for command in ("pull", "push", "pull"):
        said = gateway.run(command)
        assert command == "push" or (said.code == 3 and "it asked for this pause" in said.err)
    assert len(sandbox.book.requests()) == asked


def test_a_short_pause_is_waited_for(gateway: Gateway, sandbox: Sandbox) -> None:
    sandbox.book.add_invoice()
    sandbox.book.faults.fail("busy", seconds=1)
    assert gateway.run("pull").code == 3
    assert gateway.run("pull").code == 0
    assert list((gateway.mailbox / "out").iterdir())


def test_a_state_file_is_taken_during_a_pause_and_sent_after_it(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    hub_id = sandbox.book.add_invoice()
    assert gateway.run("pull").code == 0
    (gateway.mailbox / "statin" / "1.XML").write_bytes(state_file(annotated(hub_id)))
    sandbox.book.faults.fail("busy", seconds=LONG)
    assert gateway.run("push").code == 3
    assert list((gateway.mailbox / "statin").iterdir()) == []
    assert gateway.run("push").code == 3
    assert gateway.run("check", "--end-pause").code == 0
    assert gateway.run("push").code == 0
    assert [str(it) for it in sandbox.book.states(hub_id)][-1] == "ANNOTATED"


def test_serve_keeps_a_pause_that_it_was_asked_for_before_it_was_started_again(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    sandbox.book.add_invoice()
    sandbox.book.faults.fail("busy", seconds=LONG)
    assert gateway.run("pull").code == 3
    asked = len(sandbox.book.requests())
    with gateway.serving():
        assert gateway.status()["accounts"][0]["hub_pause"]["until"]
    assert len(sandbox.book.requests()) == asked


def test_status_says_until_when_the_hub_is_left_in_peace(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    sandbox.book.faults.fail("busy", seconds=LONG)
    gateway.run("pull")
    assert "The hub asked for a pause until 2" in gateway.run("status").out
    (account,) = json.loads(gateway.run("status", "--json").out)["accounts"]
    assert "429" in account["hub_pause"]["reason"]


def test_check_alone_leaves_the_pause_that_the_hub_asked_for(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    sandbox.book.faults.fail("busy", seconds=LONG)
    assert gateway.run("pull").code == 3
    said = gateway.run("check")
    assert (said.code, "nothing is sent to it till then" in said.out) == (0, True)
    assert gateway.run("pull").code == 3


def test_check_ends_the_pause_of_a_hub_that_answers_when_told_to(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    sandbox.book.faults.fail("busy", seconds=LONG)
    assert gateway.run("pull").code == 3
    said = gateway.run("check", "--end-pause")
    assert "it answers now: the pause is over" in said.out
    assert gateway.run("pull").code == 0
    assert "pause" not in gateway.run("status").out


def test_check_leaves_the_pause_of_a_hub_that_does_not_answer(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    sandbox.book.faults.fail("busy", seconds=LONG)
    assert gateway.run("pull").code == 3
    sandbox.book.faults.fail("busy", seconds=LONG)
    said = gateway.run("check", "--end-pause")
    assert said.code == 1
    assert "nothing is sent to it till then" in said.out
    assert gateway.run("pull").code == 3


def test_a_command_tries_a_hub_that_was_merely_away(gateway: Gateway, sandbox: Sandbox) -> None:
    sandbox.book.add_invoice()
    sandbox.stop()
    assert gateway.run("pull").code == 3
    sandbox.start()
    assert gateway.run("pull").code == 0


# -- circuits that share a ledger ------------------------------------------------------------------


class Now:
    """The monotonic clock, moved on by a test."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def look_again(self) -> None:
        self.seconds += LOOK_EVERY


class Processes:
    """Circuits as several processes have them: of one account, on one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = Now()
        self.clock = Clock()

    def begin(self) -> Circuit:
        memory = PauseMemory(self.ledger, "town", self.clock)
        return Circuit(initial=8, most=100, most_barred=1000, now=self.now, memory=memory)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    ledger = open_ledger(tmp_path / "ledger.db")
    yield Processes(ledger)
    ledger.close()


def refused(circuit: Circuit) -> BridgeError | None:
    """Try a call that is answered; return why it was not let through."""
    try:
        with circuit.call():
            return None
    except BridgeError as error:
        return error


def fails(circuit: Circuit, *, retry_after: float | None) -> None:
    """Let a call through that finds the hub away."""
    with pytest.raises(HubAwayError), circuit.call():
        raise HubAwayError("the hub is busy", retry_after=retry_after)


def test_a_process_that_runs_keeps_a_pause_that_another_one_was_asked_for(
    processes: Processes,
) -> None:
    running, other = processes.begin(), processes.begin()
    assert refused(running) is None
    fails(other, retry_after=300)
    processes.now.look_again()
    assert isinstance(refused(running), HubPausedError)
    assert running.pause_left == pytest.approx(300, abs=5)


def test_a_hub_that_is_away_for_one_process_shortens_no_pause_that_another_was_asked_for(
    processes: Processes,
) -> None:
    asked, late = processes.begin(), processes.begin()
    assert refused(late) is None
    fails(asked, retry_after=300)
    fails(late, retry_after=0)
    assert processes.begin().pause_left == pytest.approx(300, abs=5)


def test_a_process_that_waits_goes_on_once_another_one_is_answered(processes: Processes) -> None:
    waiting = processes.begin()
    fails(waiting, retry_after=300)
    with processes.ledger.write() as connection:
        pauses.strike_out(connection, "town")
    processes.now.look_again()
    assert refused(waiting) is None
    assert waiting.is_closed


def test_a_process_that_begins_tries_a_hub_that_was_away_with_one_call(
    processes: Processes,
) -> None:
    fails(processes.begin(), retry_after=0)
    new = processes.begin()
    assert new.pause_left == 0
    assert not new.is_closed
    fails(new, retry_after=None)
    assert isinstance(refused(new), HubPausedError)


def test_pauses_grow_from_one_process_to_the_next(processes: Processes) -> None:
    for _ in range(4):
        fails(processes.begin(), retry_after=0)
    last = processes.begin()
    fails(last, retry_after=None)
    assert last.pause_left > 8 * 2**2


def test_a_clock_that_was_set_back_makes_a_pause_no_longer(processes: Processes) -> None:
    fails(processes.begin(), retry_after=300)
    processes.clock.ahead = -timedelta(days=1)
    assert processes.begin().pause_left == pytest.approx(300, abs=5)


def test_a_pause_is_over_for_who_begins_after_it(processes: Processes) -> None:
    fails(processes.begin(), retry_after=300)
    processes.clock.pass_by(minutes=6)
    assert refused(processes.begin()) is None


def test_a_ledger_that_cannot_be_written_leaves_a_process_its_own_pause(
    processes: Processes, tmp_path: Path
) -> None:
    alone = processes.begin()
    assert refused(alone) is None
    processes.ledger.close()
    (tmp_path / "ledger.db").rename(tmp_path / "elsewhere")
    (tmp_path / "ledger.db").mkdir()
    fails(alone, retry_after=300)
    processes.now.look_again()
    assert isinstance(refused(alone), HubPausedError)

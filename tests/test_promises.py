"""The promises of the README under whatever comes, in whatever order.

A machine drives bridge, hub and software with random operations and faults, and looks from outside
after each step. A few examples run each time, the same ones; for a long search by hand set
EFACT_PROMISES_EXAMPLES to a number of examples.
"""

import os
import shutil
import sys
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import stamina
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bridge.errors import HubAwayError
from bridge.ledger import Ledger
from bridge.model import FINAL_STATES, HubId, State, StateUpdate
from bridge.placing import prepare
from bridge.repair import put_right
from bridge.sandbox.server import Sandbox
from bridge.taking import retry
from tests.accounts import Office, failing, open_office, settings_for
from tests.breaking_off import broken_off_after
from tests.promises import KINDS, Outside, write_state_file

LONG = int(os.environ.get("EFACT_PROMISES_EXAMPLES", "0"))
EXAMPLES, STEPS = (LONG, 40) if LONG else (25, 25)

ROUNDS_UNTIL_QUIET = 8

WRITES = ("update", "acknowledge_attachment")
READS = (
    "pending_invoices",
    "pending_attachments",
    "invoice",
    "facturae",
    "attachment",
    "receipt",
    "states",
)

FAULTS = st.one_of(
    st.builds(
        dict,
        kind=st.sampled_from(["error", "html", "busy", "reset", "cut", "strange-code"]),
        operation=st.sampled_from([None, *READS, *WRITES, *WRITES]),
        applied=st.booleans(),
        skip=st.sampled_from([0, 0, 1, 3]),
        times=st.sampled_from([1, 1, 2, 7]),
        seconds=st.just(0),
    ),
    # A contract that moves on. What tells whether an update took, the history, stays whole.
    st.builds(
        dict,
        kind=st.sampled_from(["repeat", "reorder", "extra"]),
        times=st.sampled_from([1, 3, None]),
    ),
    st.builds(
        dict,
        kind=st.just("missing"),
        operation=st.sampled_from(["invoice", "pending_invoices"]),
        times=st.sampled_from([1, 3]),
    ),
    st.builds(
        dict,
        kind=st.just("strange-state"),
        operation=st.sampled_from(["invoice", "update"]),
        times=st.sampled_from([1, 3]),
    ),
)

AFTERWARDS = st.sampled_from([(), ("pull",), ("push",), ("pull", "push")])
"""The rounds that follow something at once."""


class Promises(RuleBasedStateMachine):
    """A town hall's software, its bridge and the hub."""

    invoices = Bundle("invoices")

    def __init__(self) -> None:
        super().__init__()
        stamina.set_testing(True, attempts=2)
        self.temporary = TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.ledger = self.folder / "data" / "ledger.db"
        self.backup = self.folder / "backup.db"
        self.sandbox = Sandbox(invoices=0)
        self.sandbox.start()
        self.is_up = True
        self.serials = count(1)
        self.outside: Outside | None = None

    @property
    def office(self) -> Office:
        return self.known.office

    @property
    def known(self) -> Outside:
        assert self.outside is not None
        return self.outside

    def open(self, policy: str) -> Office:
        own = settings_for(
            self.folder, self.sandbox, hub={"max_connections": 1}, acknowledge=policy
        )
        return open_office(self.sandbox, own)

    @initialize(
        target=invoices,
        policy=st.sampled_from(["collected", "stored", "never"]),
        ahead=st.sampled_from([0, 0, 600, -600]),
        rounds=AFTERWARDS,
    )
    def begin(self, policy: str, ahead: float, rounds: tuple[str, ...]) -> HubId:
        self.sandbox.book.clock_offset = ahead
        self.ledger.parent.mkdir()
        for path in (self.ledger, self.backup):
            path.write_bytes(empty_ledger())
        self.outside = Outside(office=self.open(policy), policy=policy)
        prepare(self.office.account)
        return self.an_invoice_arrives(registered=True, receipt=True, enclosed=1, rounds=rounds)

    # -- the hub's side ------------------------------------------------------------------------

    @rule(
        target=invoices,
        registered=st.sampled_from([True, True, True, False]),
        receipt=st.sampled_from([True, True, False]),
        enclosed=st.sampled_from([0, 0, 1, 2]),
        rounds=AFTERWARDS,
    )
    def an_invoice_arrives(
        self, registered: bool, receipt: bool, enclosed: int, rounds: tuple[str, ...]
    ) -> HubId:
        (hub_id,) = self.office.add(registered=registered, receipt=receipt)
        self.known.early[hub_id] = {self.enclose(hub_id) for _ in range(enclosed)}
        self.do_rounds(rounds)
        return hub_id

    @rule(hub_id=invoices, rounds=AFTERWARDS)
    def an_attachment_comes_later(self, hub_id: HubId, rounds: tuple[str, ...]) -> None:
        self.enclose(hub_id)
        self.do_rounds(rounds)

    def enclose(self, hub_id: HubId) -> str:
        """Give an invoice an attachment whose content says which one it is."""
        about = f"{hub_id}/{next(self.serials)}"
        self.sandbox.book.add_attachment(hub_id, "annex.txt", about.encode())
        return about

    @rule(
        hub_id=invoices,
        state=st.sampled_from(["RECEIVED", "ANNOTATED", "ACCEPTED", "PAID", "REJECTED"]),
        rounds=AFTERWARDS,
    )
    def somebody_else_tells_the_hub(
        self, hub_id: HubId, state: str, rounds: tuple[str, ...]
    ) -> None:
        if FINAL_STATES & set(self.sandbox.book.states(hub_id)):
            return
        self.register(hub_id)
        self.known.elsewhere.add(hub_id)
        self.known.note_had(hub_id)
        self.sandbox.book.set_state(hub_id, StateUpdate(state=State(state), reason="altres"))
        self.do_rounds(rounds)

    def register(self, hub_id: HubId) -> None:
        """Let the hub register an invoice, if it is not yet."""
        if self.sandbox.book.invoice(hub_id).registration_number is None:
            self.sandbox.book.register(hub_id, f"E/{hub_id}")

    @rule(fault=FAULTS, rounds=AFTERWARDS)
    def something_goes_wrong(self, fault: dict[str, Any], rounds: tuple[str, ...]) -> None:
        self.sandbox.book.faults.fail(**fault)
        self.do_rounds(rounds)

    @rule(hub_id=invoices, rounds=AFTERWARDS)
    def an_invoice_is_poisoned(self, hub_id: HubId, rounds: tuple[str, ...]) -> None:
        self.sandbox.book.faults.fail(hub_id=hub_id, code=9999, times=None)
        self.do_rounds(rounds)

    @rule(rounds=AFTERWARDS)
    def nothing_goes_wrong_any_more(self, rounds: tuple[str, ...]) -> None:
        self.sandbox.book.faults.clear()
        self.do_rounds(rounds)

    @rule(rounds=AFTERWARDS)
    def the_hub_is_away(self, rounds: tuple[str, ...]) -> None:
        self.sandbox.stop()
        self.is_up = False
        self.do_rounds(rounds)
        self.sandbox.start()
        self.is_up = True

    # -- the software's side -------------------------------------------------------------------

    @rule(which=st.none() | st.integers(0, 9), rounds=AFTERWARDS)
    def the_software_collects(self, which: int | None, rounds: tuple[str, ...]) -> None:
        self.known.collect(lambda place: which in (None, place))
        self.do_rounds(rounds)

    @rule(
        one=invoices,
        other=invoices,
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
        rounds=AFTERWARDS,
    )
    def the_software_drops_a_state_file(
        self, one: HubId, other: HubId, kinds: list[str], rounds: tuple[str, ...]
    ) -> None:
        number = len(self.known.files) + 1
        file = write_state_file(number, list(zip(kinds, (one, one, other), strict=False)))
        self.known.drop(file, f"{number:03}.XML")
        self.do_rounds(rounds)

    @precondition(lambda self: self.known.files)
    @rule(which=st.integers(0, 9), other_name=st.booleans(), rounds=AFTERWARDS)
    def the_software_drops_a_file_again(
        self, which: int, other_name: bool, rounds: tuple[str, ...]
    ) -> None:
        file = self.known.files[which % len(self.known.files)]
        name = f"again-{len(file.names)}-{file.names[0]}" if other_name else file.names[0]
        self.known.drop(file, name)
        self.do_rounds(rounds)

    # -- the bridge's side ---------------------------------------------------------------------

    def do_rounds(self, rounds: tuple[str, ...]) -> None:
        for name in rounds:
            self.do_round(name)
            self.known.check()

    def do_round(self, name: str) -> None:
        """Do a round; it ends well, or says that the hub is away when something may be wrong."""
        calm = self.is_up and not self.sandbox.book.faults.waiting
        error = failing({"pull": self.office.pull, "push": self.office.push}[name])
        if error is not None and (calm or not isinstance(error, HubAwayError)):
            raise error

    @rule(name=st.sampled_from(["pull", "push"]), steps=st.integers(0, 30), serves=st.booleans())
    def the_bridge_breaks_off(self, name: str, steps: int, serves: bool) -> None:
        with broken_off_after(steps):
            self.do_round(name)
        self.known.check()
        self.close()
        self.start(serves=serves)

    @rule(rounds=AFTERWARDS)
    def the_operator_has_everything_tried_again(self, rounds: tuple[str, ...]) -> None:
        refused = self.known.refused()
        self.known.retried |= {update.hub_id for update in refused if update.hub_id is not None}
        for file in self.known.files:
            file.retries += 1
        retry(self.office.account, refused)
        self.do_rounds(rounds)

    @rule()
    def the_ledger_is_backed_up(self) -> None:
        self.close()
        shutil.copy(self.ledger, self.backup)
        self.start(serves=False)

    @rule(serves=st.booleans(), rounds=AFTERWARDS)
    def the_backup_is_restored(self, serves: bool, rounds: tuple[str, ...]) -> None:
        self.close()
        shutil.copy(self.backup, self.ledger)
        self.known.restored += 1
        self.start(serves=serves)
        self.do_rounds(rounds)

    def start(self, *, serves: bool) -> None:
        """Open everything, and put right what is not, as `serve` does."""
        self.known.office = self.open(self.known.policy)
        if serves:
            put_right(self.office.account)

    def close(self) -> None:
        self.office.account.hub.close()
        self.office.account.ledger.close()

    # -- what must hold ------------------------------------------------------------------------

    @invariant()
    def the_promises_hold(self) -> None:
        if self.outside is not None:
            self.outside.check()

    def teardown(self) -> None:
        try:
            if self.outside is not None and sys.exception() is None:
                self.everything_comes_to_rest()
        finally:
            stamina.set_testing(False)
            self.sandbox.stop()
            if self.outside is not None:
                self.close()
            self.temporary.cleanup()

    def everything_comes_to_rest(self) -> None:
        self.sandbox.book.faults.clear()
        for hub_id in self.sandbox.book.hub_ids:
            self.register(hub_id)
        for _ in range(ROUNDS_UNTIL_QUIET):
            before = len(self.sandbox.book.journal)
            self.do_rounds(("pull", "push"))
            self.known.collect()
            self.do_rounds(("push",))
            if len(self.sandbox.book.journal) == before + 2:
                break  # both lists were asked for, and nothing else
        self.known.check_end()


_EMPTY: list[bytes] = []


def empty_ledger() -> bytes:
    """Return a new ledger: to make its tables takes longer than many steps."""
    if not _EMPTY:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "ledger.db"
            Ledger(path).close()
            _EMPTY.append(path.read_bytes())
    return _EMPTY[0]


@pytest.mark.timeout(0 if LONG else 120)
def test_the_promises_hold_whatever_happens_in_whatever_order() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Promises,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=not LONG,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
            report_multiple_bugs=False,
        ),
    )

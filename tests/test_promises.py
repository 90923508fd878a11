"""The promises of the README under whatever comes, in whatever order.

A machine drives bridge, hub and software with random operations and faults, and looks from outside
after each step. A few examples run each time, the same ones; for a long search by hand set
EFACT_PROMISES_EXAMPLES to a number of examples.
"""

import os
import shutil
import sys
from collections.abc import Callable
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
from bridge.inbound.preparing import prepare
from bridge.model import FINAL_STATES, HubId, State, StateUpdate
from bridge.outbound.entering import retry
from bridge.sandbox.server import Sandbox
from bridge.upkeep.repair import put_right
from tests.accounts import Office, failing, open_office, settings_for
from tests.breaking_off import broken_off_after
from tests.ledgers import put_ledger
from tests.ports import free_port
from tests.promises import KINDS, TOLD, Outside, write_state_file

LONG = int(os.environ.get("EFACT_PROMISES_EXAMPLES", "0"))
EXAMPLES, STEPS = (LONG, 40) if LONG else (20, 20)

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

Rounds = list[tuple[str, int | None]]

AFTERWARDS = st.lists(
    st.tuples(st.sampled_from(["pull", "push"]), st.none() | st.none() | st.integers(0, 15)),
    max_size=2,
)
"""The rounds that follow something at once; a number: it breaks off after so many steps."""


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
        self.sandbox = Sandbox(invoices=0, port=free_port())
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
    def begin(self, policy: str, ahead: float, rounds: Rounds) -> HubId:
        self.sandbox.book.clock_offset = ahead
        for path in (self.ledger, self.backup):
            put_ledger(path)
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
        self, registered: bool, receipt: bool, enclosed: int, rounds: Rounds
    ) -> HubId:
        (hub_id,) = self.office.add(registered=registered, receipt=receipt)
        self.known.early[hub_id] = {self.enclose(hub_id) for _ in range(enclosed)}
        self.do_rounds(rounds)
        return hub_id

    @rule(hub_id=invoices, rounds=AFTERWARDS)
    def an_attachment_comes_later(self, hub_id: HubId, rounds: Rounds) -> None:
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
    def somebody_else_tells_the_hub(self, hub_id: HubId, state: str, rounds: Rounds) -> None:
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
    def something_goes_wrong(self, fault: dict[str, Any], rounds: Rounds) -> None:
        self.sandbox.book.faults.fail(**fault)
        self.do_rounds(rounds)

    @rule(hub_id=invoices, rounds=AFTERWARDS)
    def an_invoice_is_poisoned(self, hub_id: HubId, rounds: Rounds) -> None:
        self.sandbox.book.faults.fail(hub_id=hub_id, code=9999, times=None)
        self.do_rounds(rounds)

    @rule(rounds=AFTERWARDS)
    def nothing_goes_wrong_any_more(self, rounds: Rounds) -> None:
        self.sandbox.book.faults.clear()
        self.do_rounds(rounds)

    @rule(rounds=AFTERWARDS)
    def the_hub_is_away(self, rounds: Rounds) -> None:
        self.sandbox.stop()
        self.is_up = False
        self.do_rounds(rounds)
        self.sandbox.start()
        self.is_up = True

    # -- the software's side -------------------------------------------------------------------

    @rule(which=st.none() | st.integers(0, 9), rounds=AFTERWARDS)
    def the_software_collects(self, which: int | None, rounds: Rounds) -> None:
        self.known.collect(lambda place: which in (None, place))
        self.do_rounds(rounds)

    @rule(
        one=invoices,
        other=invoices,
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
        rounds=AFTERWARDS,
    )
    def the_software_drops_a_state_file(
        self, one: HubId, other: HubId, kinds: list[str], rounds: Rounds
    ) -> None:
        number = len(self.known.files) + 1
        file = write_state_file(number, list(zip(kinds, (one, one, other), strict=False)))
        self.known.drop(file, f"{number:03}.XML")
        self.do_rounds(rounds)

    @precondition(lambda self: self.known.files)
    @rule(which=st.integers(0, 9), other_name=st.booleans(), rounds=AFTERWARDS)
    def the_software_drops_a_file_again(self, which: int, other_name: bool, rounds: Rounds) -> None:
        file = self.known.files[which % len(self.known.files)]
        name = f"again-{len(file.names)}-{file.names[0]}" if other_name else file.names[0]
        self.known.drop(file, name)
        self.do_rounds(rounds)

    # -- the bridge's side ---------------------------------------------------------------------

    def do_rounds(self, rounds: Rounds) -> None:
        for name, steps in rounds:
            if steps is None:
                self.do_round(name)
            else:
                with broken_off_after(steps):
                    self.do_round(name)
                self.known.broken_off += 1
                self.known.check()
                self.start_anew(serves=steps % 2 == 0)
            self.known.check()

    def do_round(self, name: str) -> None:
        """Do a round; it ends well, or says that the hub is away when something may be wrong."""
        calm = self.is_up and not self.sandbox.book.faults.waiting
        error = failing({"pull": self.office.pull, "push": self.office.push}[name])
        if error is not None and (calm or not isinstance(error, HubAwayError)):
            raise error

    @rule(one=invoices, state=st.sampled_from(TOLD), asked_again=st.integers(0, 2))
    def an_update_takes_and_its_answer_is_lost(
        self, one: HubId, state: str, asked_again: int
    ) -> None:
        faults = self.sandbox.book.faults
        faults.fail("reset", operation="update", hub_id=one, state=state, applied=True)
        if asked_again:
            faults.fail("html", operation="invoice", hub_id=one, skip=1, times=asked_again)
        self.the_software_drops_a_state_file(
            one=one, other=one, kinds=[state], rounds=[("push", None)]
        )

    @rule(rounds=AFTERWARDS)
    def the_operator_has_everything_tried_again(self, rounds: Rounds) -> None:
        put_right(self.office.account)  # as every command does before anything else
        refused = self.known.refused()
        self.known.retried |= {update.hub_id for update in refused if update.hub_id is not None}
        for file in self.known.files:
            file.retries += len(file.names)  # each drop of it may have a refusal of its own
        retry(self.office.account, refused)
        self.do_rounds(rounds)

    @rule(rounds=AFTERWARDS)
    def the_ledger_is_backed_up(self, rounds: Rounds) -> None:
        self.start_anew(serves=False, meanwhile=lambda: shutil.copy(self.ledger, self.backup))
        self.do_rounds(rounds)

    @rule(serves=st.booleans(), rounds=AFTERWARDS)
    def the_backup_is_restored(self, serves: bool, rounds: Rounds) -> None:
        self.start_anew(serves=serves, meanwhile=lambda: shutil.copy(self.backup, self.ledger))
        self.known.restored += 1
        self.do_rounds(rounds)

    def start_anew(self, *, serves: bool, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Close everything and open it again, and put right what is not, as `serve` does."""
        self.close()
        meanwhile()
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
            self.do_rounds([("pull", None), ("push", None)])
            self.known.collect()
            self.do_rounds([("push", None)])
            if len(self.sandbox.book.journal) == before + 2:
                break  # both lists were asked for, and nothing else
        self.known.check_end()


@pytest.mark.timeout(0 if LONG else 300)
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

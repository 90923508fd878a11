"""Any order of moves, collections, state files and kills: each invoice is imported exactly once.

The old mailbox goes away and comes back in between, and is tidied while REST serves.
The judge is the software's own record of what it has imported, from our mailbox or from a folder
that a rollback wrote. A few histories run each time; for a long search by hand set
EFACT_MOVES_EXAMPLES to a number of histories.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import OldMailboxAwayError
from bridge.inbound.preparing import prepare
from bridge.ledger.moves import MoveKind
from bridge.model import FeedName
from bridge.recording import FeedRecorder
from bridge.rounds import pull_round, push_round
from bridge.sandbox.server import Sandbox
from bridge.upkeep.repair import put_right
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.looking import SuddenlyEmptyError
from reconcile.moves.switching import last_move
from reconcile.moves.way import Way
from tests.accounts import Office, Offices, annotated, no_waiting, state_file
from tests.breaking_off import broken_off_after
from tests.moving import OldHub, balanced, faults

LONG = int(os.environ.get("EFACT_MOVES_EXAMPLES", "0"))
EXAMPLES = LONG or 6

APPLY = Wanted(by="test", apply=True, force=True)


@dataclass(slots=True)
class World:
    """Hub, old mailbox, bridge and software, and what the software has imported."""

    offices: Offices
    old: OldHub
    has_old: bool = True
    imported: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    """What the old hub has not delivered yet."""
    stated: set[str] = field(default_factory=set)
    folders: int = 0
    town: Office = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew, as after a kill."""
        own = {} if self.has_old else {"legacy": None, "serve": "rest", "shadow": ""}
        self.town = self.old.open(self.offices, **own)
        put_right(self.town.account)
        prepare(self.town.account)

    # -- what happens outside ----------------------------------------------------------------------

    def both(self, count: int) -> None:
        for _ in range(count):
            (hub_id,) = self.old.rest(self.town, attachments=count % 2)
            self.delivered.append(hub_id)
            self.late.append(hub_id)
        self.old_hub_catches_up()

    def rest_only(self) -> None:
        (hub_id,) = self.old.rest(self.town)
        self.delivered.append(hub_id)
        self.late.append(hub_id)

    def old_hub_catches_up(self) -> None:
        if self.away.exists():
            return
        for hub_id in self.late:
            self.old.deliver(hub_id)
        self.late.clear()
        self.old.work()

    @property
    def away(self) -> Path:
        """Where the old mailbox is while nobody can reach it."""
        return self.old.root.with_name("away")

    def old_mailbox_goes_away(self) -> None:
        if not self.away.exists():
            self.old.root.rename(self.away)

    def old_mailbox_comes_back(self) -> None:
        if not self.away.exists():
            return
        if self.old.root.exists():  # the empty folder, and what was put there meanwhile
            for path in (self.old.root / "statin").iterdir():
                path.rename(self.away / "statin" / path.name)
            shutil.rmtree(self.old.root)
        self.away.rename(self.old.root)

    def old_mailbox_is_not_mounted(self) -> None:
        """Let an empty folder stand where the old mailbox was."""
        self.old_mailbox_goes_away()
        OldHub(self.old.book, self.old.root)

    def listen(self) -> None:
        """Listen to a shadow, as `serve` does."""
        shadow = self.town.account.feeds().shadow
        if shadow is not None:
            with suppress(OldMailboxAwayError):
                FeedRecorder(self.town.account).round(shadow, only_due=False)

    def tidy(self, share: int) -> None:
        """Take files away in the old mailbox while REST serves: nobody has imported them there."""
        last = last_move(self.town.account)
        is_rolling_back = last is not None and last.is_open and last.kind is MoveKind.ROLLBACK
        if self.town.account.feeds().serve is not FeedName.REST or is_rolling_back:
            return
        for number, path in enumerate(sorted((self.old.root / "out").glob("*.XML"))):
            if number % 3 < share:
                path.unlink()

    def import_some(self, share: int) -> None:
        """Take from our mailbox as software does: the invoice is deleted once it is imported."""
        self._import(self.town.account.mailbox.root, share)

    def _import(self, root: Path, share: int) -> None:
        for number, path in enumerate(sorted((root / "out").glob("*.XML"))):
            if number % 3 >= share:
                continue
            hub_id = path.name.rpartition("@")[2].removesuffix(".XML")
            self.imported.append(hub_id)
            path.unlink()
            for beside in ("statout", "adjout"):
                for file in (root / beside).glob(f"*@{hub_id}@*"):
                    file.unlink()

    def report(self) -> None:
        """Drop a state file about the last imported invoice."""
        hub_id = self.imported[-1] if self.imported else None
        if hub_id and hub_id not in self.stated:
            self.stated.add(hub_id)
            self.town.drop(f"{hub_id}.XML", state_file(annotated(hub_id)))

    # -- what the bridge does ----------------------------------------------------------------------

    def rounds(self) -> None:
        with suppress(OldMailboxAwayError):
            pull_round(self.town.inbound, only_due=False)
            push_round(self.town.account, only_due=False)

    def cut_over(self) -> None:
        cut_over(self.town.account, APPLY)

    def roll_back(self) -> None:
        if self.has_old:
            with suppress(OldMailboxAwayError, SuddenlyEmptyError):
                roll_back(self.town.account, Way(patience=0), APPLY)

    def target(self) -> Path:
        return self.offices.folder / f"target-{self.folders}"

    def into_folder(self) -> None:
        serve, last = self.town.account.feeds().serve, last_move(self.town.account)
        if serve is not FeedName.REST and not (last and last.is_open):
            return  # only what REST serves goes into a folder
        if last and last.is_open and last.switched_at and not last.options["target"]:
            return  # one to the old mailbox must end first
        if not (last and last.is_open):
            self.import_folder()  # each rollback has a folder of its own
        roll_back(self.town.account, Way(target=self.target(), patience=0), APPLY)

    def import_folder(self) -> None:
        """Import what a rollback has put into a folder, once it is finished."""
        if (self.target() / "manifest.json").exists():
            self._import(self.target(), 3)
            self.folders += 1

    def do(self, step: Callable[[], None], kill_after: int | None) -> None:
        """Do something; where it is killed, begin anew and do it once more."""
        if kill_after is None:
            step()
            return
        with broken_off_after(kill_after):
            step()
        self.restart()
        step()

    def finish(self) -> None:
        """Let everything come to rest on REST, and the software take what there is."""
        self.old_mailbox_comes_back()
        last = last_move(self.town.account)
        if last is not None and last.is_open and last.switched_at:
            self.roll_back()  # it has lost the old mailbox on its way
        self.do(self.cut_over, None)
        self.old_hub_catches_up()
        for _ in range(3):
            self.rounds()
            self.import_some(3)
        self.rounds()

    def judge(self) -> None:
        counted = Counter(self.imported)
        assert {it: counted[it] for it in self.delivered} == dict.fromkeys(self.delivered, 1)
        assert counted.keys() <= set(self.delivered)
        assert balanced(self.town).is_zero
        for hub_id in self.stated:
            assert self.town.states(hub_id).count("ANNOTATED") == 1
        assert self.town.open_updates() == []
        assert faults(self.town) == []


@contextmanager
def world(folder: Path, *, has_old: bool = True) -> Iterator[World]:
    with Sandbox(invoices=0) as sandbox, no_waiting():
        offices = Offices(sandbox, folder)
        try:
            yield World(offices, OldHub(sandbox.book, folder / "old"), has_old)
        finally:
            offices.close()


def killed_ever_later(there: World, step: Callable[[], None], done: Callable[[], bool]) -> int:
    """Kill a step after no durable step, after one, after two … until it gets to its end."""
    for steps in range(200):
        with broken_off_after(steps):
            step()
        there.restart()
        if done():
            return steps
    raise AssertionError("it never comes to its end")


def rolled_back(there: World) -> bool:
    return there.town.account.feeds().serve is FeedName.LEGACY and ended(there)


def ended(there: World) -> bool:
    last = last_move(there.town.account)
    return last is not None and not last.is_open


def test_a_cutover_killed_at_every_step_comes_to_its_end(tmp_path: Path) -> None:
    with world(tmp_path) as there:
        there.both(2)
        there.rounds()
        there.import_some(1)
        there.both(1)
        there.rest_only()
        there.report()
        assert killed_ever_later(there, there.cut_over, lambda: ended(there)) > 3
        there.import_some(1)
        there.finish()
        there.judge()


def test_a_rollback_killed_at_every_step_comes_to_its_end(tmp_path: Path) -> None:
    with world(tmp_path) as there:
        there.both(2)
        there.cut_over()
        there.import_some(1)
        there.both(1)
        there.rest_only()
        there.rounds()
        there.report()
        assert killed_ever_later(there, there.roll_back, lambda: rolled_back(there)) > 3
        there.old_hub_catches_up()
        there.rounds()
        there.import_some(3)
        there.finish()
        there.judge()


def test_a_rollback_into_a_folder_killed_at_every_step_comes_to_its_end(tmp_path: Path) -> None:
    with world(tmp_path, has_old=False) as there:
        there.rest_only()
        there.rest_only()
        there.rounds()
        there.import_some(1)
        there.rest_only()
        there.report()
        assert killed_ever_later(there, there.into_folder, lambda: ended(there)) > 3
        there.import_folder()
        there.finish()
        there.judge()


STEP = st.one_of(
    st.tuples(st.just("both"), st.integers(1, 2)),
    st.tuples(st.just("import_some"), st.integers(1, 3)),
    st.tuples(st.just("tidy"), st.integers(1, 3)),
    st.tuples(
        st.sampled_from(["rest_only", "old_hub_catches_up", "report", "import_folder"]), st.none()
    ),
    st.tuples(
        st.sampled_from(
            ["old_mailbox_goes_away", "old_mailbox_is_not_mounted", "old_mailbox_comes_back"]
        ),
        st.none(),
    ),
    st.tuples(
        st.sampled_from(["rounds", "listen", "cut_over", "roll_back", "into_folder"]),
        st.none() | st.integers(0, 25),
    ),
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
@given(
    history=st.lists(STEP, min_size=3, max_size=14 if LONG else 9),
    has_old=st.booleans(),
)
def test_in_any_history_each_invoice_is_imported_exactly_once(
    history: list[tuple[str, int | None]], has_old: bool
) -> None:
    with TemporaryDirectory() as folder, world(Path(folder), has_old=has_old) as there:
        there.both(2)
        for name, number in history:
            step = getattr(there, name)
            if name in {"both", "import_some", "tidy"}:
                step(number)
            else:
                there.do(step, number)
        there.import_folder()
        there.finish()
        there.judge()

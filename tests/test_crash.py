"""The promises, seen from outside, when the process is killed at any of its steps.

Each test kills at the first call of a step, then at the second, and so on until a run survives; in
between the software may empty the mailbox. Then the bridge starts again and has to put it right.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from bridge import feedback
from bridge.model import HubId
from bridge.sandbox.server import Sandbox
from tests.accounts import annotated, said, state_file
from tests.crashing import Crasher, Job

FOLDERS = ("out", "adjout", "statout")

INBOUND_STEPS = [
    ("ledger", "after"),
    ("download", "after"),
    ("archive", "before"),
    ("archive", "after"),
    ("ready", "before"),
    ("ready", "after"),
    ("show", "before"),
    ("show", "after"),
    ("patch", "before"),
    ("patch", "after"),
    ("mark", "before"),
    ("mark", "after"),
]

OUTBOUND_STEPS = [
    ("ledger", "after"),
    ("copy", "before"),
    ("copy", "after"),
    ("archive", "before"),
    ("archive", "after"),
    ("remove", "before"),
    ("remove", "after"),
    ("patch", "before"),
    ("patch", "after"),
    ("ready", "before"),
    ("ready", "after"),
    ("show", "before"),
    ("show", "after"),
]

SHARES = 3
"""The ledger has so many steps that killing at each of them is shared out among tests."""

SHOWING = ("ledger", "show", "ready", "patch")
"""Around these it matters whether the software collects before the bridge starts again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Where processes are killed: at which calls of which step, and who acts in between."""

    step: str
    when: str
    first: int
    by: int
    collects: bool
    """Whether the software empties the mailbox before the bridge starts again."""

    def __str__(self) -> str:
        between = "collected" if self.collects else "left"
        return f"{self.step}-{self.when}-{self.first}-{between}"


def kills(steps: list[tuple[str, str]]) -> list[Kill]:
    return [
        Kill(step=step, when=when, first=first, by=by, collects=collects)
        for step, when in steps
        for by in [SHARES if step == "ledger" else 1]
        for first in range(1, by + 1)
        for collects in ((False, True) if step in SHOWING else (False,))
    ]


@pytest.fixture(scope="module")
def crasher() -> Iterator[Crasher]:
    with Crasher() as running:
        yield running


@dataclass(slots=True)
class Town:
    """One mailbox, and all that its software ever took from it."""

    crasher: Crasher
    sandbox: Sandbox
    folder: Path
    acknowledge: str = "collected"
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)

    def run(
        self, *rounds: str, before: str = "", step: str = "", when: str = "", nth: int = 0
    ) -> bool:
        """Do rounds in a process of their own; tell whether it was killed."""
        self.folder.mkdir(exist_ok=True)
        secret = self.folder / "hub.secret"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text(self.sandbox.secret)
        job = Job(
            folder=str(self.folder),
            base_url=self.sandbox.base_url,
            issuer=self.sandbox.issuer,
            rounds=rounds,
            before=(before,) if before else (),
            acknowledge=self.acknowledge,
            step=step,
            when=when,
            nth=nth,
        )
        return self.crasher.run(job)

    @property
    def root(self) -> Path:
        return self.folder / "data" / "mailboxes" / "town"

    def visible(self) -> list[tuple[str, str, bytes]]:
        """Folder, name and bytes of all that the software sees."""
        return [
            (folder, path.name, path.read_bytes())
            for folder in FOLDERS
            if (self.root / folder).is_dir()
            for path in sorted((self.root / folder).iterdir())
        ]

    def collect(self) -> None:
        """Let the software take, and delete, whatever is there."""
        for folder, name, content in self.visible():
            self.taken.append((folder, name, content))
            (self.root / folder / name).unlink()

    def delivered(self) -> list[tuple[str, str, bytes]]:
        """All that the software has ever seen and still sees."""
        return [*self.taken, *self.visible()]

    def drop(self, name: str, content: bytes) -> None:
        """Upload a state file: the folder may be there before the bridge is."""
        (self.root / "statin").mkdir(parents=True, exist_ok=True)
        (self.root / "statin" / name).write_bytes(content)

    def statin(self) -> list[str]:
        return sorted(path.name for path in (self.root / "statin").iterdir())


def id_of(name: str) -> str:
    """The hub id in a name in `out` or `adjout`."""
    return name.split("@")[3].removesuffix(".XML")


def message_ids(town: Town, *, answers: bool) -> list[str]:
    """The hub ids of the state messages, or the error codes of the answers, ever delivered."""
    entries = [
        entry.hub
        for folder, _, content in town.delivered()
        if folder == "statout"
        for entry in feedback.read(content).entries
        if entry.hub
    ]
    if answers:
        return [entry.error_code or "" for entry in entries if entry.status == "REJECTED"]
    return [entry.hub_id for entry in entries if entry.status != "REJECTED"]


def fresh_invoices(sandbox: Sandbox) -> list[HubId]:
    """Two invoices that the hub did not have; one has two attachments."""
    plain = sandbox.book.add_invoice(attachments=False)
    rich = sandbox.book.add_invoice(attachments=False)
    for name in ("a.pdf", "b.txt"):
        sandbox.book.add_attachment(rich, name, f"{name} of {rich}".encode())
    return [plain, rich]


def assert_whole_and_in_order(town: Town) -> None:
    """What can be seen is complete, and nothing is there before what belongs to it."""
    seen = town.delivered()
    book = town.sandbox.book
    for folder, name, content in seen:
        if folder == "out":
            hub_id = id_of(name)
            assert content == book.held(hub_id).facturae()
            enclosed = [name for folder, name, _ in seen if folder == "adjout"]
            due = len(book.held(hub_id).attachments)
            assert sum(id_of(name) == hub_id for name in enclosed) == due
            assert hub_id in message_ids(town, answers=False)
        elif folder == "adjout":
            assert content.endswith(id_of(name).encode())
        else:
            feedback.read(content)


def assert_each_once(town: Town, hub_ids: list[HubId]) -> None:
    """Each invoice, attachment and message was delivered, and once only."""
    found = Counter((folder, name) for folder, name, _ in town.delivered())
    assert set(found.values()) == {1}
    ids = Counter(id_of(name) for folder, name in found if folder == "out")
    assert ids == Counter(str(hub_id) for hub_id in hub_ids)
    assert Counter(message_ids(town, answers=False)) == ids
    enclosed = sum(len(town.sandbox.book.held(hub_id).attachments) for hub_id in hub_ids)
    assert sum(folder == "adjout" for folder, _ in found) == enclosed


@pytest.mark.parametrize("kill", kills(INBOUND_STEPS), ids=str)
def test_a_kill_on_the_way_in_loses_doubles_and_halves_nothing(
    crasher: Crasher, sandbox: Sandbox, tmp_path: Path, kill: Kill
) -> None:
    acknowledge = "stored" if kill.step in ("patch", "mark") else "collected"
    for nth in count(kill.first, kill.by):
        town = Town(crasher, sandbox, tmp_path / str(nth), acknowledge)
        hub_ids = fresh_invoices(sandbox)
        killed = town.run("pull", "push", step=kill.step, when=kill.when, nth=nth)
        assert_whole_and_in_order(town)
        if kill.collects:
            town.collect()
        town.run("pull", "push")
        assert_whole_and_in_order(town)
        assert_each_once(town, hub_ids)
        town.collect()
        town.run("push", "pull")
        assert_each_once(town, hub_ids)
        for hub_id in hub_ids:
            states = [str(state) for state in sandbox.book.states(hub_id)]
            assert states == ["SENT", "REGISTERED", "DELIVERED"]
        assert not sandbox.book.pending
        assert not sandbox.book.pending_attachments
        if not killed:
            assert nth > kill.first
            return


@pytest.mark.parametrize("kill", kills(OUTBOUND_STEPS), ids=str)
def test_a_kill_on_the_way_out_loses_and_doubles_nothing(
    crasher: Crasher, sandbox: Sandbox, tmp_path: Path, kill: Kill
) -> None:
    for nth in count(kill.first, kill.by):
        town = Town(crasher, sandbox, tmp_path / str(nth), "never")
        one, two = fresh_invoices(sandbox)
        content = state_file(annotated(one), said(one, "RECEIVED"), said(two, "CANCELED"))
        town.drop("1.XML", content)
        town.drop("2.XML", state_file(said(one, "ACCEPTED"), annotated(two)))
        town.drop("3.XML", b"broken")
        town.drop("4.XML", content.replace(b"<Status>", b"<Status> "))
        killed = town.run("push", before="pull", step=kill.step, when=kill.when, nth=nth)
        if kill.collects:
            town.collect()
        town.run("push", "push")
        assert town.statin() == []
        own = [str(state) for state in sandbox.book.states(one)][2:]
        assert own == ["ANNOTATED", "RECEIVED", "ACCEPTED", "ANNOTATED", "RECEIVED"]
        assert [str(state) for state in sandbox.book.states(two)][2:] == ["ANNOTATED"]
        codes = Counter(text.split()[0] for text in message_ids(town, answers=True))
        assert codes == {"BR04": 2, "BR01": 1}
        forget_attachments(sandbox)
        if not killed:
            assert nth > kill.first
            return


def forget_attachments(sandbox: Sandbox) -> None:
    """Take off the list what `never` leaves there: the next town must not get it."""
    for attachment_id in sandbox.book.pending_attachments:
        sandbox.book.acknowledge_attachment(attachment_id)


def test_the_same_file_after_a_kill_is_still_one_effect(
    crasher: Crasher, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The software, too, was not sure that its upload had arrived."""
    for nth in count(1):
        town = Town(crasher, sandbox, tmp_path / str(nth), "never")
        one, _ = fresh_invoices(sandbox)
        town.drop("a.XML", state_file(annotated(one)))
        killed = town.run("push", before="pull", step="ledger", when="after", nth=nth)
        town.drop("b.XML", state_file(annotated(one)))
        town.run("push")
        assert town.statin() == []
        assert [str(state) for state in sandbox.book.states(one)][2:] == ["ANNOTATED"]
        forget_attachments(sandbox)
        if not killed:
            return


def test_kills_one_after_the_other_do_no_harm(
    crasher: Crasher, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Each start is killed a little further on; the software collects all the time."""
    town = Town(crasher, sandbox, tmp_path / "town")
    hub_ids = fresh_invoices(sandbox)
    for nth in count(1):
        if not town.run("pull", "push", step="ledger", when="after", nth=nth):
            break
        assert_whole_and_in_order(town)
        town.collect()
    town.collect()
    town.run("pull", "push")
    assert_each_once(town, hub_ids)
    assert not sandbox.book.pending

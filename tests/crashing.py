"""Commands of the bridge, each in a process of its own that can be killed at any durable step.

Run as `python -m tests.crashing`: it warms up once, then forks for each job that it reads (a line
of JSON) and answers how the fork ended. So a kill costs no start of an interpreter. What runs in
the fork are the commands as they are installed; the bridge itself knows nothing of it.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from bridge import cli
from bridge.account import Account, open_account, utc_now
from bridge.errors import HubAwayError
from bridge.facade.events import LogEvents, Session
from bridge.facade.folders import DoorMailbox
from bridge.facade.tree import Visit
from bridge.facade.uploads import Start
from bridge.ledger import Ledger
from bridge.model import FeedName
from bridge.naming import Folder
from bridge.recording import FeedRecorder
from bridge.settings import load_settings
from bridge.upkeep.cut_offs import note_cut_off
from bridge.upkeep.retention import remove_outdated
from tests.durable_steps import Steps
from tests.warm import warm_up

CONFIG = "efact-bridge.toml"

GOOD_ENOUGH = (0, 1, 3)
"""Exit codes of a command that ran: something may have been refused, the hub may be away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Where a process dies: just before it makes a step for the `nth` time (from 1)."""

    step: str = ""
    """Empty: any, counted together."""
    nth: int = 1
    power_cut: bool = False
    """Take with it what was not synced, as when the power fails."""

    def __str__(self) -> str:
        return f"{'power cut' if self.power_cut else 'kill'} at {self.step or 'step'} {self.nth}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a process ended."""

    killed: bool
    steps: tuple[str, ...] = ()
    """The durable steps that it made, in order, where it was not killed."""


@dataclass(slots=True)
class Crasher:
    """Does commands, each job in a process of its own."""

    _process: "subprocess.Popen[str]" = field(init=False)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashing"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(self, folder: Path, *commands: str, kill: Kill | None = None) -> Outcome:
        """Do commands one after the other in one process; fail when they went wrong.

        A command is one of `efact-bridge`, with its arguments, or one of `EXTRA`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"folder": str(folder), "commands": commands, "kill": kill and asdict(kill)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        said = (folder / "said").read_text(errors="replace")
        assert answer["trouble"] == "", f"{answer['trouble']}\n{said}"
        return Outcome(killed=answer["killed"], steps=tuple(answer["steps"]))


def serve() -> None:
    """Do the jobs that come on standard input."""
    warm_up()
    for line in sys.stdin:
        job = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _child(job, writer)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as said:
            answer = json.loads(said.read() or '{"trouble": "", "steps": []}')
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"killed": killed} | answer), flush=True)  # noqa: T201


def _child(job: dict[str, Any], writer: int) -> NoReturn:
    steps: list[str] = []
    trouble = ""
    try:
        folder = Path(job["folder"])
        os.chdir(folder)
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        _watch(folder / "data", job["kill"] and Kill(**job["kill"]), steps)
        for command in job["commands"]:
            _do(folder, command.split())
    except BaseException:  # whatever it is, the test wants to read it
        trouble = traceback.format_exc()
    os.write(writer, json.dumps({"trouble": trouble, "steps": steps}).encode())
    os._exit(0)


def _watch(data: Path, kill: Kill | None, made: list[str]) -> None:
    """Write the steps down, or die at one of them."""
    times: Counter[str] = Counter()

    def reached(step: str) -> None:
        made.append(step)
        times.update((step, ""))
        if kill is not None and kill.step in (step, "") and times[kill.step] == kill.nth:
            if kill.power_cut:
                watched.cut_power()
            os.kill(os.getpid(), signal.SIGKILL)

    watched = Steps(data, reached)
    watched.watch()


def _do(folder: Path, words: list[str]) -> None:
    if words[0] in EXTRA:
        EXTRA[words[0]](folder, *words[1:])
        return
    sys.argv = ["efact-bridge", words[0], "-c", str(folder / CONFIG), *words[1:]]
    try:
        cli.main()
    except SystemExit as end:
        if end.code not in GOOD_ENOUGH or (words[0] == "verify" and end.code):
            raise


# -- what `serve` does beside the rounds ----------------------------------------------------------


def _account(folder: Path) -> Account:
    settings = load_settings(folder / CONFIG)
    return open_account(settings, settings.account[0], Ledger(settings.data_dir / "ledger.db"))


def _cut_off(folder: Path, name: str) -> None:
    """Hand over an upload that was cut off, if it is still there, as `serve` does at its start."""
    partial = folder / "data" / "staging" / "uploads" / "town" / "token.statin" / name
    if partial.exists():
        note_cut_off(_account(folder), Folder.STATIN, name, partial)


def _remove_outdated(folder: Path) -> None:
    """Look at the archive as it will be when everything in it is old."""
    later = utc_now() + timedelta(days=400)
    remove_outdated(replace(_account(folder), clock=lambda: later))


@dataclass(frozen=True, slots=True)
class VisitStep:
    """One thing that a client of a door does, and what lies in `statin` afterwards."""

    do: Callable[[Visit], None]
    after: Mapping[str, str]


def _upload(name: str, content: str, *, exclusive: bool = False) -> Callable[[Visit], None]:
    def do(visit: Visit) -> None:
        upload = visit.write(f"/statin/{name}", start=Start.EMPTY, create=True, exclusive=exclusive)
        upload.write(0, content[:3].encode())
        upload.write(3, content[3:].encode())
        visit.finish(upload)

    return do


VISIT: tuple[VisitStep, ...] = (
    VisitStep(_upload("a.tmp", "first"), {"a.tmp": "first"}),
    VisitStep(_upload("a.tmp", "second"), {"a.tmp": "second"}),
    VisitStep(_upload("b.tmp", "third", exclusive=True), {"a.tmp": "second", "b.tmp": "third"}),
    VisitStep(
        lambda visit: visit.rename("/statin/a.tmp", "/statin/c.tmp", replace=False),
        {"b.tmp": "third", "c.tmp": "second"},
    ),
    VisitStep(
        lambda visit: visit.rename("/statin/b.tmp", "/statin/c.tmp", replace=True),
        {"c.tmp": "third"},
    ),
    VisitStep(lambda visit: visit.remove("/statin/c.tmp"), {}),
)
"""A client that uploads, overwrites, renames and deletes."""


def _visit(folder: Path) -> None:
    """Be that client; the file `done` gets a byte for each thing that was confirmed to it."""
    mailbox = DoorMailbox(
        account="town",
        root=folder / "data" / "mailboxes" / "town",
        folders={role.value: role.value for role in Folder},
        staging=folder / "data" / "staging",
    )
    mailbox.prepare()
    session = Session(user="rcf", account="town", address="127.0.0.1", protocol="sftp")
    visit = Visit(mailbox, session, LogEvents())
    for step in VISIT:
        step.do(visit)
        with (folder / "done").open("a") as done:
            done.write(".")
    visit.end()


def _record(folder: Path, feed: str) -> None:
    """Listen to a feed once, as `serve` does."""
    try:
        FeedRecorder(_account(folder)).round(FeedName(feed), only_due=False)
    except HubAwayError as error:  # it was noted, and the next round is another one
        print(error)  # noqa: T201


EXTRA: dict[str, Callable[..., None]] = {
    "cut-off": _cut_off,
    "record": _record,
    "remove-outdated": _remove_outdated,
    "visit": _visit,
}


if __name__ == "__main__":
    serve()

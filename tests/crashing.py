"""A process that does rounds and is killed at a named step; the bridge itself knows nothing of it.

Run as `python -m tests.crashing`: it imports the bridge once, then forks for each job that it reads
(a line of JSON) and answers how the fork ended. So a kill costs no start of an interpreter.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import structlog
from sqlalchemy import Connection

from bridge.account import open_account
from bridge.hub import HubClient
from bridge.inbound import Inbound
from bridge.ledger import Ledger
from bridge.mailbox import Archive, Mailbox
from bridge.outbound import outbound_round
from bridge.settings import Settings

STEPS: dict[str, tuple[type, str]] = {
    "ledger": (Ledger, "write"),
    "archive": (Archive, "keep"),
    "ready": (Mailbox, "make_ready"),
    "show": (Mailbox, "show"),
    "copy": (Mailbox, "keep_dropped"),
    "remove": (Mailbox, "remove"),
    "patch": (HubClient, "patch"),
    "mark": (HubClient, "drop_pending_attachment"),
    "download": (HubClient, "facturae"),
}
"""The durable steps, and what the hub is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a process is to do, and where it dies: at the `nth` call (from 1) of a step."""

    folder: str
    base_url: str
    issuer: str
    rounds: tuple[str, ...]
    before: tuple[str, ...] = ()
    """Rounds in which it does not die."""
    acknowledge: str = "collected"
    step: str = ""
    """Empty: it lives."""
    when: str = "after"
    """`before` the step or `after` it; a transaction's `before` is the one before its commit."""
    nth: int = 0


class Crasher:
    """Runs jobs, each in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashing"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(self, job: Job) -> bool:
        """Do a job; return whether it was killed, fail when it ended in any other way."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer["trouble"] == "", answer["trouble"]
        return bool(answer["killed"])


def serve() -> None:
    """Do the jobs that come on standard input."""
    empty = _empty_ledger()
    for line in sys.stdin:
        job = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _child(Job(**job), empty, writer)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as said:
            trouble = said.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"killed": killed, "trouble": trouble}), flush=True)  # noqa: T201


def _empty_ledger() -> bytes:
    """Return a new ledger: to make its tables takes longer than all the rest of a job."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        Ledger(path).close()
        return path.read_bytes()


def _child(job: Job, empty_ledger: bytes, writer: int) -> None:
    try:
        data = Path(job.folder) / "data"
        data.mkdir(exist_ok=True)
        if not (data / "ledger.db").exists():
            (data / "ledger.db").write_bytes(empty_ledger)
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        _work(job)
    except BaseException:  # whatever it is, the test wants to read it
        os.write(writer, traceback.format_exc().encode())
    finally:
        os._exit(0)


def _work(job: Job) -> None:
    folder = Path(job.folder)
    own = {
        "name": "town",
        "issuer": job.issuer,
        "secret_file": folder / "hub.secret",
        "acknowledge": job.acknowledge,
    }
    settings = Settings(
        data_dir=folder / "data",
        hub={"base_url": job.base_url, "max_connections": 1},  # type: ignore[arg-type]
        push={"settle": 0},  # type: ignore[arg-type]
        account=[own],  # type: ignore[arg-type]
    )
    account = open_account(settings, settings.account[0], Ledger(settings.data_dir / "ledger.db"))
    flow = Inbound(account)
    rounds: dict[str, Callable[[], object]] = {
        "pull": lambda: flow.round(only_due=False),
        "push": lambda: outbound_round(account, only_due=False),
    }
    for name in job.before:
        rounds[name]()
    if job.step:
        _kill_at(job)
    for name in job.rounds:
        rounds[name]()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_at(job: Job) -> None:
    owner, name = STEPS[job.step]
    original: Any = getattr(owner, name)
    calls = count(1)

    def step(*args: Any, **options: Any) -> Any:
        mine = next(calls) == job.nth
        if mine and job.when == "before":
            _die()
        result = original(*args, **options)
        if mine and job.when == "after":
            _die()
        return result

    @contextmanager
    def transaction(ledger: Ledger) -> Iterator[Connection]:
        mine = next(calls) == job.nth
        with original(ledger) as connection:
            yield connection
            if mine and job.when == "before":
                _die()
        if mine and job.when == "after":
            _die()

    setattr(owner, name, transaction if job.step == "ledger" else step)


if __name__ == "__main__":
    serve()

"""The other processes of a benchmark: its hub, servers to fetch from, and clients."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bridge.sandbox.book import CAP
from bridge.settings import HubSettings

CONNECTIONS = 8
"""To the hub, on either side; the default of `hub.max_connections`."""


class UnevenError(Exception):
    """The two sides did not do the same work: their times cannot be compared."""


class HubProcess:
    """The hub, steered from here."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take a process that has just been started."""
        self._process = process
        told = self._answer()
        self.base_url = f"http://127.0.0.1:{told['port']}/rcf"
        self.issuer: str = told["issuer"]
        self.secret: str = told["secret"]

    @property
    def settings(self) -> HubSettings:
        """Settings that lead here."""
        return HubSettings(base_url=self.base_url, max_connections=CONNECTIONS)

    def fill(self, count: int) -> list[str]:
        """Let exactly so many new invoices be pending; return their ids."""
        return list(self._tell(do="fill", count=count))

    def add(self, count: int) -> list[str]:
        """Let so many more invoices be pending; return their ids."""
        return list(self._tell(do="add", count=count))

    def renew(self, hub_ids: Sequence[str]) -> None:
        """Let these show what they showed before anybody told anything of them."""
        self._tell(do="renew", hub_ids=list(hub_ids))

    def pending(self) -> int:
        """Return how many invoices are pending."""
        return int(self._tell(do="pending"))

    def delay(self, seconds: float) -> None:
        """Let every answer take so long."""
        self._tell(do="delay", seconds=seconds)

    def tally(self) -> Mapping[str, int]:
        """Return requests and bytes of bodies by operation, since the last call."""
        return dict(self._tell(do="tally"))

    def _tell(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the benchmark's hub has ended: see its traceback above")
        return json.loads(line)


@contextmanager
def running_hub(*, size: int, rows: int = CAP) -> Iterator[HubProcess]:
    """Run a hub with invoices of so many bytes; its lists show so many rows."""
    command = [sys.executable, "-m", "tests.bench.hub", str(size), str(rows)]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield HubProcess(process)


@contextmanager
def running(command: Sequence[str | Path], **options: Any) -> "Iterator[subprocess.Popen[str]]":
    """Run a process until the block ends."""
    process = subprocess.Popen([str(part) for part in command], text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.communicate()


def client(command: Sequence[str], script: str) -> None:
    """Run a client with a script until it is done; raises UnevenError when it fails."""
    all_at_once([(command, script)])


def all_at_once(clients: Sequence[tuple[Sequence[str], str]]) -> None:
    """Run clients at the same time, each with its script."""
    with ExitStack() as stack:
        processes = [
            (stack.enter_context(running(command, **_PIPES)), script) for command, script in clients
        ]
        for process, script in processes:
            assert process.stdin is not None
            process.stdin.write(script)
            process.stdin.close()
            process.stdin = None  # `communicate` would use it
        for process, _ in processes:
            assert process.stderr is not None
            trouble = process.stderr.read()
            if process.wait(600):
                raise UnevenError(f"{process.args}: {trouble.strip()}")


_PIPES: Mapping[str, Any] = {
    "stdin": subprocess.PIPE,
    "stdout": subprocess.DEVNULL,
    "stderr": subprocess.PIPE,
}


def listens(port: int, process: "subprocess.Popen[str]") -> bool:
    """Wait until a process listens; False when it has ended instead."""
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.02)
    return False

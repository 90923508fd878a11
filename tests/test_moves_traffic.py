"""Moves in the middle of traffic: `serve` runs, the software comes all the time, commands die.

The old mailbox is a real SSH server's; the software comes through the bridge's SFTP door, and its
own record of what it has imported is the judge.
"""

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.sandbox.legacy_client import Endpoint, over_sftp
from bridge.sandbox.server import Sandbox
from tests.door_libraries import PASSWORD, USER
from tests.gateway import Gateway, Result, install
from tests.moving import OldHub
from tests.old_mailboxes import Servers

RECONCILE = Path(sys.executable).with_name("efact-reconcile")

PATIENCE = 180
"""Seconds that a move, or what the traffic brings, is waited for; far more than needed."""

FORCED = ("--force",)
"""The report is not asked to be ready in the middle of traffic."""

KILLED_AFTER = (1.0, 1.6)
"""Seconds after which a command is killed: it has begun, and has not ended."""


AGAIN = 10
"""So often a move is run again, as it says, because the hub has gone on delivering meanwhile."""


def move(gateway: Gateway, kind: str, *options: str) -> Result:
    """Run a move to its end."""
    command = [str(RECONCILE), kind, "-c", str(gateway.config), "--apply", *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=3 * PATIENCE, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


def killed(gateway: Gateway, kind: str, after: float, *options: str) -> None:
    """Begin a move, and kill it."""
    command = [str(RECONCILE), kind, "-c", str(gateway.config), "--apply", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)


class Software:
    """Accounting software that never rests, and what it has imported."""

    def __init__(self, port: int) -> None:
        self.at = Endpoint(port=port, user=USER, password=PASSWORD)
        self.imported: list[str] = []
        self.troubles: list[str] = []

    def round(self) -> None:
        with over_sftp(self.at) as client:
            for name in client.names("out"):
                client.read("out", name)
                self.imported.append(name.rpartition("@")[2].removesuffix(".XML"))
                client.delete("out", name)
            for folder in ("adjout", "statout"):
                for name in client.names(folder):
                    client.delete(folder, name)


@contextmanager
def ever_again(do: Callable[[], object], *, pause: float) -> Iterator[list[BaseException]]:
    """Do something in a thread, over and over, until the block ends."""
    stop, troubles = threading.Event(), list[BaseException]()

    def run() -> None:
        while not stop.wait(pause):
            try:
                do()
            except Exception as error:
                troubles.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield troubles
    finally:
        stop.set()
        thread.join(PATIENCE)


def until(done: Callable[[], bool]) -> None:
    """Wait for something that the traffic brings."""
    waiting = threading.Event()
    for _ in range(PATIENCE * 20):
        if done():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not come about")


@pytest.mark.timeout(400)
def test_in_the_middle_of_traffic_each_invoice_is_imported_exactly_once(
    sandbox: Sandbox, servers: Servers, tmp_path: Path
) -> None:
    server = servers("sftp").mailbox(f"{tmp_path.name}-traffic")
    old = OldHub(sandbox.book, server.base)
    gateway = install(
        tmp_path,
        sandbox,
        account=f"""\
serve = "legacy"
shadow = "rest"

[account.legacy]
url = "{server.legacy.url}"
password_file = "{server.legacy.password_file}"
host_key = "{server.legacy.host_key}"
""",
    )
    software, delivered = Software(gateway.sftp), list[str]()

    def deliver() -> None:
        hub_id = sandbox.book.add_invoice(attachments=False)
        delivered.append(hub_id)
        old.deliver(hub_id)
        old.work()

    def imported(more: int) -> Callable[[], bool]:
        wanted = len(set(software.imported)) + more
        return lambda: len(set(software.imported)) >= wanted

    with (
        gateway.serving(),
        ever_again(software.round, pause=0.1) as software_troubles,
    ):
        with ever_again(deliver, pause=0.3) as hub_troubles:
            until(imported(2))
            for kind in ("cutover", "rollback", "cutover"):
                options = FORCED if kind == "cutover" else ()
                for after in KILLED_AFTER:
                    killed(gateway, kind, after, *options)
                result = move(gateway, kind, *options)
                for _ in range(AGAIN):
                    if "run this again afterwards" in result.out:  # delivered since
                        result = move(gateway, kind, *options)
                assert result.code == 0, result.out
                until(imported(2))
        until(lambda: set(software.imported) >= set(delivered))
        again = move(gateway, "cutover", "--force")
        assert "Nothing is left to be done" in again.out
        assert again.code == 0, again
        software.round()
    counted = Counter(software.imported)
    assert counted == Counter(dict.fromkeys(delivered, 1))
    assert [str(it) for it in (*software_troubles, *hub_troubles)] == []
    assert gateway.run("verify").code == 0

"""A real `serve`: its memory while invoices pass, and its start after it was killed."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tests.accounts import annotated, state_file
from tests.bench.figures import Figure
from tests.bench.ledgers import grow_ledger
from tests.bench.processes import HubProcess, running_hub
from tests.bench.rig import UnevenError
from tests.gateway import Gateway, install

FEED = 400
"""Invoices that are pending at most, while memory is looked at: the lists stay under their cap."""

MOST_MEMORY = 150
"""Megabytes that `serve` may take."""

BATCH = 40
"""Invoices of a batch, half of which is in the mailbox when the process is killed."""

MOST_RESTARTS = 3
"""Rounds that count; a restart with all around it takes some ten seconds."""


# -- memory ----------------------------------------------------------------------------------------


def memory_table(folder: Path, *, size: int, invoices: int) -> str:
    """Let so many invoices pass through `serve`; return its memory on the way, as a table.

    The software on the other side collects each file at once and answers with a state file.
    """
    folder.mkdir()
    with running_hub(size=size) as hub:
        gateway = gateway_at(hub, folder, acknowledge="stored")
        process = gateway.start()
        try:
            with _software(gateway.mailbox):
                samples = [("at the start", memory_of(process.pid, "VmRSS"))]
                samples += _samples(hub, gateway, process, invoices=invoices)
                peak = memory_of(process.pid, "VmHWM")
        finally:
            _kill(process)
    head = f"\nMemory of `serve` while {invoices:,} invoices pass, each collected and annotated:"
    rows = [f"  {what:<16} {size:>4} MB" for what, size in samples]
    return "\n".join([head, *rows, f"  {'at its most':<16} {peak:>4} MB  goal ≤ {MOST_MEMORY}"])


def _samples(
    hub: HubProcess, gateway: Gateway, process: "Popen[str]", *, invoices: int
) -> Iterator[tuple[str, int]]:
    added = 0
    for tenth in range(1, 11):
        target = invoices * tenth // 10
        while _registered(gateway) < target:
            _ensure_alive(process)
            if (missing := min(FEED - hub.pending(), target - added)) > 0:
                added += len(hub.add(missing))
            time.sleep(0.2)
        memory = memory_of(process.pid, "VmRSS")
        print(f"  {target:,} invoices: {memory} MB", flush=True)  # it may take an hour
        yield f"after {tenth * 10} %", memory


def _registered(gateway: Gateway) -> int:
    """Return how many invoices the software has had, and registered at the hub."""
    done = _look(gateway, "SELECT count(*) FROM state_update WHERE settled_at IS NOT NULL")
    assert isinstance(done, int)
    return done


@contextmanager
def _software(mailbox: Path) -> Iterator[None]:
    """Collect all that appears in the mailbox, and register each invoice."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.1):
            for role in ("adjout", "statout", "out"):
                for path in (mailbox / role).iterdir():
                    path.unlink()
                    if role == "out":
                        hub_id = path.stem.rpartition("@")[2]
                        said = state_file(annotated(hub_id, f"R-{hub_id}"))
                        (mailbox / "statin" / f"{hub_id}.XML").write_bytes(said)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def memory_of(pid: int, which: str) -> int:
    """Return megabytes of a process: `VmRSS` for what it has now, `VmHWM` for its most.

    One that has just ended has none.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(which)), 0) // 1024


# -- recovery --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Site:
    """A gateway with a hub of its own."""

    hub: HubProcess
    gateway: Gateway

    def uncollected(self) -> int:
        """Return how many invoices lie in the mailbox."""
        return len(list((self.gateway.mailbox / "out").iterdir()))

    def have_all_collected(self, process: "Popen[str]") -> None:
        """Return when the software has all invoices, and nothing is left to tell the hub."""
        with _software(self.gateway.mailbox):
            _wait(process, lambda: self.hub.pending() == 0 == _untold(self.gateway))


def recovery_figures(folder: Path, *, size: int, deliveries: int, rounds: int) -> list[Figure]:
    """Kill `serve` in the midst of a batch and start it again, with a long past and with none."""
    folder.mkdir()
    sides = ("long", "short")
    ready: dict[str, list[float]] = {side: [] for side in sides}
    ended: dict[str, list[float]] = {side: [] for side in sides}
    with running_hub(size=size) as one, running_hub(size=size) as other:
        sites = {"long": _site(one, folder / "long"), "short": _site(other, folder / "short")}
        grow_ledger(folder / "long" / "data", deliveries=deliveries)
        for _ in range(min(rounds, MOST_RESTARTS)):
            for side in sides:
                _kill_halfway(sites[side])
                was_ready, had_ended = _restart(sites[side])
                ready[side].append(was_ready)
                ended[side].append(had_ended)
    return [
        Figure(
            what=f"start after kill -9: until {until}",
            reference=f"with {BATCH} deliveries, not {deliveries:,}",
            amount=1,
            ours=seconds["long"],
            theirs=seconds["short"],
            seconds=True,
        )
        for until, seconds in (("ready", ready), ("a round ended", ended))
    ]


def _site(hub: HubProcess, folder: Path) -> _Site:
    """Install a gateway that has had one batch, collected and acknowledged."""
    folder.mkdir()
    site = _Site(hub, gateway_at(hub, folder, acknowledge="collected"))
    hub.add(BATCH)
    with site.gateway.serving() as process:
        _wait(process, lambda: site.uncollected() == BATCH)
        site.have_all_collected(process)
    return site


def _kill_halfway(site: _Site) -> None:
    """Start, and kill when half of a batch is in the mailbox."""
    site.hub.add(BATCH)
    process = site.gateway.start()
    try:
        _wait(process, lambda: site.uncollected() >= BATCH // 2)
    finally:
        _kill(process)


def _restart(site: _Site) -> tuple[float, float]:
    """Return the seconds until `ready` and until a round of inbound has ended."""
    before = _last_round(site.gateway)
    began = time.perf_counter()
    process = site.gateway.start()
    try:
        ready = time.perf_counter() - began
        _wait(process, lambda: _last_round(site.gateway) != before)
        ended = time.perf_counter() - began
        site.have_all_collected(process)
    finally:
        _kill(process)
    return ready, ended


def _last_round(gateway: Gateway) -> object:
    """Return when a round last ended well: then it is noted that the hub was reached."""
    return _look(gateway, "SELECT hub_asked_at FROM account")


def _untold(gateway: Gateway) -> object:
    """Return how much of what the ledger holds the hub must still be told."""
    return _look(
        gateway,
        "SELECT (SELECT count(*) FROM delivery WHERE acknowledged_at IS NULL)"
        " + (SELECT count(*) FROM attachment WHERE acknowledged_at IS NULL)"
        " + (SELECT count(*) FROM state_update WHERE settled_at IS NULL)",
    )


def _look(gateway: Gateway, query: str) -> object:
    ledger = sqlite3.connect(gateway.folder / "data" / "ledger.db")
    try:
        return ledger.execute(query).fetchone()[0]
    finally:
        ledger.close()


def _wait(process: "Popen[str]", until: Callable[[], bool]) -> None:
    while not until():
        _ensure_alive(process)
        time.sleep(0.01)


def _kill(process: "Popen[str]") -> None:
    process.kill()
    process.communicate()


def _ensure_alive(process: "Popen[str]") -> None:
    if process.poll() is not None:
        raise UnevenError("`serve` has ended by itself: see serve.log")


def gateway_at(hub: HubProcess, folder: Path, *, acknowledge: str = "collected") -> Gateway:
    """Install the bridge on a folder, in front of a hub."""
    return install(folder, hub, account=f'acknowledge = "{acknowledge}"')

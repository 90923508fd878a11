"""Files over both doors with real clients: beside OpenSSH's server for SFTP, vsftpd for FTP."""

import os
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.bench import ftp_clients, sftp_clients
from tests.bench.figures import Figure, Run, alternate, timed
from tests.bench.processes import UnevenError
from tests.bench.processor import processor_time
from tests.bench.servers import Server, bare_pyftpdlib, make_key, openssh, our_doors, vsftpd

SIZE, SMALL = 20_000, 2_000
"""Bytes of a file that is fetched, and of one that is sent."""

CLIENTS = 8
"""Clients at once, each with its share of the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much there is to transfer."""

    files: int
    uploads: int
    large: int
    """Bytes of the large file."""
    listed: int
    ftp_files: int
    """Each leaves a port unusable for a minute, so these are fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something that a client does, with either server."""

    what: str
    amount: int
    work: Callable[[Server, Path], object]
    """Does it; the folder is empty and the client's own."""
    prepare: Callable[[Path], object] = lambda folder: None
    """Fills the folder before."""
    arrived: Mapping[str, int] = field(default_factory=dict)
    """What must be in the folder afterwards: so many files that fit a pattern."""


def sftp_figures(folder: Path, *, amounts: Amounts, rounds: int) -> list[Figure]:
    """Measure SFTP with OpenSSH's client and lftp."""
    if missing := sftp_clients.missing():
        print(f"\nLeft out: SFTP: {missing}")
        return []
    mailbox, key = _mailbox(folder, amounts), make_key(folder / "key")
    with ExitStack() as servers:
        ours, _ = servers.enter_context(our_doors(mailbox, folder, key))
        theirs = servers.enter_context(openssh(mailbox, folder, key))
        tasks = _sftp_tasks(sftp_clients.Client(key), amounts)
        return _figures("SFTP", tasks, ours, theirs, reference="OpenSSH's server", rounds=rounds)


def ftp_figures(folder: Path, *, amounts: Amounts, rounds: int) -> list[Figure]:
    """Measure FTP with lftp and Python's own client."""
    if missing := ftp_clients.missing() or sftp_clients.missing():
        print(f"\nLeft out: FTP: {missing}")
        return []
    mailbox, key = _mailbox(folder, amounts), make_key(folder / "key")
    with ExitStack() as servers:
        _, ours = servers.enter_context(our_doors(mailbox, folder, key))
        theirs = servers.enter_context(vsftpd(mailbox, folder))
        bare = servers.enter_context(bare_pyftpdlib(mailbox))
        tasks = _ftp_tasks(amounts)
        figures = _figures("FTP", tasks, ours, theirs, reference="vsftpd", rounds=rounds)
        figures += _figures("FTP", tasks, ours, bare, reference="pyftpdlib alone", rounds=rounds)
        return figures


def _sftp_tasks(client: sftp_clients.Client, amounts: Amounts) -> Sequence[Task]:
    files = {"*.XML": amounts.files}
    return [
        Task(
            what=f"{amounts.files:,} files of 20 KB down",
            amount=amounts.files,
            work=lambda server, at: client.fetch(server, "out/*", at),
            arrived=files,
        ),
        Task(
            what=f"{amounts.uploads:,} files of 2 KB up",
            amount=amounts.uploads,
            work=lambda server, at: client.send(server, at / "*", "in"),
            prepare=partial(_fill_anew, count=amounts.uploads, size=SMALL),
        ),
        Task(
            what=f"{amounts.uploads:,} files of 2 KB up, synced (put -f)",
            amount=amounts.uploads,
            work=lambda server, at: client.send(server, at / "*", "in", synced=True),
            prepare=partial(_fill_anew, count=amounts.uploads, size=SMALL),
        ),
        Task(
            what=f"{amounts.large // 1_000_000} MB down",
            amount=1,
            work=lambda server, at: client.fetch(server, "adjout/large", at),
            arrived={"large": 1},
        ),
        Task(
            what=f"{amounts.large // 1_000_000} MB up",
            amount=1,
            work=lambda server, at: client.send(server, at / "large", "in"),
            prepare=partial(_large, size=amounts.large),
        ),
        Task(
            what=f"a list of {amounts.listed:,}",
            amount=amounts.listed,
            work=lambda server, at: client.list(server, "statout"),
        ),
        Task(
            what=f"{CLIENTS} clients at once, files of 20 KB",
            amount=amounts.files,
            work=lambda server, at: client.fetch_at_once(server, _shares("out/"), at),
            arrived=files,
        ),
        Task(
            what=f"lftp's mirror of {amounts.files:,} files",
            amount=amounts.files,
            work=lambda server, at: client.mirror(server, "out", at),
            arrived=files,
        ),
    ]


def _ftp_tasks(amounts: Amounts) -> Sequence[Task]:
    files = {"*.XML": amounts.ftp_files}
    return [
        Task(
            what=f"lftp's mirror of {amounts.ftp_files:,} files of 20 KB",
            amount=amounts.ftp_files,
            work=lambda server, at: ftp_clients.mirror(server, "adjout", at),
            arrived=files,
        ),
        Task(
            what=f"{amounts.large // 1_000_000} MB down",
            amount=1,
            work=lambda server, at: ftp_clients.fetch(server, "adjout/large", at / "large"),
            arrived={"large": 1},
        ),
        Task(
            what=f"a list of {amounts.listed:,}",
            amount=amounts.listed,
            work=lambda server, at: ftp_clients.list_folder(server, "statout", amounts.listed),
        ),
        Task(
            what=f"{CLIENTS} clients at once, files of 20 KB",
            amount=amounts.ftp_files,
            work=lambda server, at: ftp_clients.mirror_at_once(server, "adjout", _shares(), at),
            arrived=files,
        ),
    ]


def _figures(
    protocol: str,
    tasks: Sequence[Task],
    ours: Server,
    theirs: Server | str,
    *,
    reference: str,
    rounds: int,
) -> list[Figure]:
    if isinstance(theirs, str):
        print(f"\nLeft out: {protocol}: {theirs}")
        return []
    return [_figure(protocol, task, (ours, theirs), reference, rounds=rounds) for task in tasks]


def _figure(
    protocol: str, task: Task, servers: tuple[Server, Server], reference: str, *, rounds: int
) -> Figure:
    processor: dict[str, list[float]] = {"ours": [], "theirs": []}
    runs: Mapping[str, Run] = {
        side: partial(_run, task, server, processor[side])
        for side, server in zip(("ours", "theirs"), servers, strict=True)
    }
    seconds = alternate(runs, rounds=rounds)
    return Figure(
        what=f"{protocol}: {task.what}",
        reference=reference,
        amount=task.amount,
        ours=seconds["ours"],
        theirs=seconds["theirs"],
        our_processor=processor["ours"][1:],
        their_processor=processor["theirs"][1:],
        goal=_goal(protocol, task, reference),
        seconds=task.amount == 1,
    )


def _goal(protocol: str, task: Task, reference: str) -> str:
    if reference == "pyftpdlib alone":
        return ""
    return "≥ 0.67" if protocol == "FTP" and "list" in task.what else "≥ 1"


def _run(task: Task, server: Server, processor: list[float], _round: int) -> float:
    with tempfile.TemporaryDirectory(dir=_fast_folder(), prefix="efact-bench-") as name:
        folder = Path(name)
        task.prepare(folder)
        before = processor_time(server.process)
        took = timed(lambda: task.work(server, folder))
        processor.append(processor_time(server.process) - before)
        for pattern, count in task.arrived.items():
            _ensure_whole(list(folder.rglob(pattern)), count, task)
    return took


def _ensure_whole(files: Sequence[Path], count: int, task: Task) -> None:
    sizes = {path.stat().st_size for path in files}
    if len(files) != count or len(sizes) != 1:
        raise UnevenError(f"{task.what}: {len(files)} of {count} files came, of {sizes} bytes")


def _mailbox(folder: Path, amounts: Amounts) -> Path:
    mailbox = folder / "mailbox"
    for name in ("out", "adjout", "statout", "in"):
        (mailbox / name).mkdir(parents=True)
    _fill(mailbox / "out", count=amounts.files, size=SIZE)
    _fill(mailbox / "adjout", count=amounts.ftp_files, size=SIZE)
    _large(mailbox / "adjout", size=amounts.large)
    _fill(mailbox / "statout", count=amounts.listed, size=10)
    return mailbox


def _fill(folder: Path, *, count: int, size: int, series: str = "P2") -> None:
    for number in range(count):
        name = f"B{number % CLIENTS}@{series}@{number:06d}@{number}.XML"
        (folder / name).write_bytes(os.urandom(size))


def _fill_anew(folder: Path, *, count: int, size: int) -> None:
    """Fill with names that were never sent before: no state file has another's name."""
    _fill(folder, count=count, size=size, series=uuid.uuid4().hex)


def _large(folder: Path, *, size: int) -> None:
    (folder / "large").write_bytes(os.urandom(size))


def _shares(folder: str = "") -> Sequence[str]:
    return [f"{folder}B{number}@*" for number in range(CLIENTS)]


def _fast_folder() -> str | None:
    """Keep the client's own writing out of the time where memory serves as a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

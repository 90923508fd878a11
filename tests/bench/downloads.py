"""Fetching a full `out` over SFTP with real clients: our door beside OpenSSH's server."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure, Run, alternate, timed
from tests.bench.rig import UnevenError
from tests.bench.servers import Server, make_key, openssh, our_door

SIZE = 20_000
"""Bytes a file."""

Fetch = Callable[[Server, Path, Path], None]
"""Fetches `out` from a server, with a key, into a folder."""


def download_figures(folder: Path, *, files: int, rounds: int) -> list[Figure]:
    """Fetch so many files from both servers with each client that is installed."""
    clients = {name: fetch for name, fetch in CLIENTS.items() if shutil.which(name)}
    for name in CLIENTS.keys() - clients.keys():
        print(f"\nLeft out: SFTP with {name}: it is not installed.")
    if not clients or not shutil.which("ssh-keygen"):
        print("\nLeft out: SFTP downloads: OpenSSH's client is not installed.")
        return []
    mailbox, key = folder / "mailbox", make_key(folder / "key")
    (mailbox / "out").mkdir(parents=True)
    for number in range(files):
        (mailbox / "out" / f"B1@P2@{number:06d}@{number}.XML").write_bytes(os.urandom(SIZE))
    with our_door(mailbox, folder, key) as ours, openssh(mailbox, folder, key) as theirs:
        if isinstance(theirs, str):
            print(f"\nLeft out: SFTP downloads: {theirs}")
            return []
        return [
            _figure(name, fetch, (ours, theirs), key, files=files, rounds=rounds)
            for name, fetch in clients.items()
        ]


def _figure(
    name: str,
    fetch: Fetch,
    servers: tuple[Server, Server],
    key: Path,
    *,
    files: int,
    rounds: int,
) -> Figure:
    runs: Mapping[str, Run] = {
        side: partial(_run, fetch, server, key, files)
        for side, server in zip(("ours", "theirs"), servers, strict=True)
    }
    seconds = alternate(runs, rounds=rounds)
    return Figure(
        what=f"SFTP to {name}: files of 20 KB",
        reference="OpenSSH's server, same folder",
        amount=files,
        ours=seconds["ours"],
        theirs=seconds["theirs"],
        goal="≥ 1",
    )


def _run(fetch: Fetch, server: Server, key: Path, files: int, _round: int) -> float:
    with tempfile.TemporaryDirectory(dir=_fast_folder(), prefix="efact-bench-") as target:
        took = timed(lambda: fetch(server, key, Path(target)))
        sizes = [path.stat().st_size for path in Path(target).rglob("*.XML")]
    if sizes != [SIZE] * files:
        raise UnevenError(f"{len(sizes)} of {files} files came whole from {server}")
    return took


def _fast_folder() -> str | None:
    """Keep the client's own writing out of the time where memory serves as a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _with_sftp(server: Server, key: Path, target: Path) -> None:
    command = ["sftp", "-q", *_options(key), "-P", str(server.port), "-b", "-", _where(server)]
    _client(command, f"get {server.mailbox}/out/* {target}/\n")


def _with_lftp(server: Server, key: Path, target: Path) -> None:
    connect = " ".join(["ssh", "-a", "-x", *_options(key)])
    script = (
        f'set sftp:connect-program "{connect}"; set net:max-retries 1; set cmd:fail-exit yes\n'
        f"open -u {server.user}, -p {server.port} sftp://127.0.0.1\n"
        f"mirror {server.mailbox}/out {target}/out\n"
    )
    _client(["lftp", "-f", "/dev/stdin"], script)


CLIENTS: Mapping[str, Fetch] = {"sftp": _with_sftp, "lftp": _with_lftp}


def _options(key: Path) -> Sequence[str]:
    return (
        *("-F", "none", "-i", str(key)),
        *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    )


def _where(server: Server) -> str:
    return f"{server.user}@127.0.0.1"


def _client(command: Sequence[str], script: str) -> None:
    done = subprocess.run(
        command, input=script, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise UnevenError(f"{command[0]} failed: {done.stderr.strip()}")

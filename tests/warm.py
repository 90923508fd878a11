"""The command `efact-bridge` in processes that have imported everything before they begin.

To import the bridge takes a second, many times what most commands take. Run as `python -m
tests.warm`, it imports and tries everything once, then forks for each command line that it reads
(JSON) and answers with its exit code. `serve` itself, and what the demo starts, begin as they do
in an installation.
"""

import atexit
import functools
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from bridge import cli
from bridge.ledger import Ledger
from bridge.sandbox.server import Sandbox


@dataclass(frozen=True, slots=True)
class Result:
    """What a command came to."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Warm:
    """A process that forks for each command; one command at a time."""

    _process: "subprocess.Popen[str]" = field(init=False)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(
        self, *arguments: str, stdin: str, environment: Mapping[str, str], patience: float
    ) -> Result:
        """Run a command to its end; what it reads and writes may hold bytes that are no text."""
        with self._turn, TemporaryDirectory() as name:
            files = [Path(name) / str(number) for number in range(3)]
            files[0].write_bytes(stdin.encode("utf-8", "surrogateescape"))
            job = {
                "arguments": arguments,
                "files": list(map(str, files)),
                "folder": str(Path.cwd()),
                "environment": dict(environment),
            }
            code = self._ask(json.dumps(job), patience)
            out, err = (file.read_bytes().decode("utf-8", "surrogateescape") for file in files[1:])
            return Result(code, out, err)

    def end(self) -> None:
        """Let the process end."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, job: str, patience: float) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(job + "\n")
        self._process.stdin.flush()
        if not select([self._process.stdout], [], [], patience)[0]:
            warm.cache_clear()
            self.end()
            raise TimeoutError(f"not done after {patience} s: {job}")
        return int(self._process.stdout.readline())


@functools.cache
def warm() -> Warm:
    """Return the one of this process."""
    started = Warm()
    atexit.register(started.end)
    return started


# -- in the process that forks --------------------------------------------------------------------


def warm_up() -> None:
    """Do a round of a small town hall, without a word."""
    with TemporaryDirectory() as folder, Sandbox(invoices=1) as hub, _silence():
        config = _settings(Path(folder), hub)
        Ledger(Path(folder) / "new.db").close()  # so that every fork has Alembic
        for command in ("pull", "push", "verify", "status"):
            sys.argv = ["efact-bridge", command, "-c", str(config)]
            with suppress(SystemExit):
                cli.main()


def serve() -> None:
    """Do the commands that come on standard input."""
    umask = os.umask(0)
    os.umask(umask)
    warm_up()
    os.umask(umask)
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _child(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _child(job: dict[str, Any]) -> NoReturn:
    """Be the command; end as an interpreter does."""
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, path in enumerate(job["files"]):
        file = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", errors=sys.stdin.errors)  # noqa: SIM115
    sys.argv = ["efact-bridge", *job["arguments"]]
    code: Any = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _settings(folder: Path, hub: Sandbox) -> Path:
    secret = folder / "hub.secret"
    secret.touch(mode=0o600)
    secret.write_text(hub.secret)
    config = folder / "efact-bridge.toml"
    config.write_text(
        f"""\
data_dir = "data"
[hub]
base_url = "{hub.base_url}"
[[account]]
name = "town"
issuer = "{hub.issuer}"
secret_file = "hub.secret"
"""
    )
    return config


@contextmanager
def _silence() -> Iterator[None]:
    """Let nothing that is written to standard output or error be seen."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    kept = {number: os.dup(number) for number in (1, 2)}
    try:
        for number in kept:
            os.dup2(nothing, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, real in kept.items():
            os.dup2(real, number)
            os.close(real)
        os.close(nothing)


if __name__ == "__main__":
    serve()

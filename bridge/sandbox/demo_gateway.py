"""The bridge of the demo: the installed command as a process of its own, as a user starts it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import argon2

from bridge.errors import BridgeError
from bridge.sandbox.legacy_client import Endpoint
from bridge.sandbox.server import Sandbox

ACCOUNT, USER, PASSWORD = "ajuntament", "rcf", "demo-password"

SETTINGS = "efact-bridge.toml"

PATIENCE = 60
"""Seconds that the demo waits for anything; each takes a second or two."""

_STOP_PATIENCE = 30
"""Seconds; `serve` promises to end within a few."""
_LOOK_AGAIN = 0.05
_TAIL = 12
"""Lines of the log that are shown when something fails."""


class DemoError(BridgeError):
    """The round cannot go on; the text says what did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The ports of the bridge; the web page has one because it has one in real life too."""

    sftp: int
    ftp: int
    web: int


class Gateway:
    """`efact-bridge serve`, its settings and its log, in a folder that somebody else removes."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        folder.mkdir()
        self._folder = folder
        self._kept = contextlib.ExitStack()
        self.doors = _free_doors(self._kept)
        self._output, self._log = folder / "serve.out", folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        secret = folder / "ajuntament.secret"
        secret.touch(mode=0o600)
        secret.write_text(sandbox.secret, encoding="utf-8")
        old = folder / "old-mailbox.password"
        old.touch(mode=0o600)
        assert sandbox.old_mailbox is not None
        old.write_text(sandbox.old_mailbox.password, encoding="utf-8")
        (folder / SETTINGS).write_text(_settings(sandbox, self.doors), encoding="utf-8")

    def endpoint(self, port: int) -> Endpoint:
        """Return where the old client finds its mailbox."""
        return Endpoint(port=port, user=USER, password=PASSWORD)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run `serve` until the block ends; raises DemoError when it does not get ready."""
        try:
            self._process = self._start()
            self.wait_for("the bridge's line `ready`", self._is_ready)
            yield
            self._process.terminate()
            self._wait_for_its_end(self._process)
        finally:
            self._put_away()

    def wait_for(
        self, what: str, reached: Callable[[], bool], *, patience: float = PATIENCE
    ) -> None:
        """Return once a condition holds; raises DemoError when it does not, or the bridge ends."""
        deadline = time.monotonic() + patience
        while not reached():
            code = self._process.poll() if self._process else None
            if code is not None:
                raise DemoError(f"the bridge ended with exit code {code} before {what} came")
            if time.monotonic() > deadline:
                raise DemoError(f"{what} did not come within {patience:.0f} s")
            time.sleep(_LOOK_AGAIN)

    def status(self) -> str:
        """Return what `efact-bridge status` says; raises DemoError when it says nothing."""
        code, said = self._say("efact-bridge", "status")
        if code:
            raise DemoError(f"`efact-bridge status` ended with exit code {code}")
        return said

    def report(self, *options: str) -> str:
        """Return what `efact-reconcile report` says; raises DemoError when it makes none."""
        code, said = self._say("efact-reconcile", "report", *options)
        if code not in (0, 1):  # ready, or not
            raise DemoError(f"`efact-reconcile report` ended with exit code {code}")
        return said

    def _say(self, command: str, *arguments: str) -> tuple[int, str]:
        """Run a command on the settings; return its exit code and what it prints."""
        name = f"`{command} {arguments[0]}`"
        try:
            done = subprocess.run(  # noqa: S603  (our own command)
                [*_command(command), arguments[0], "-c", SETTINGS, *arguments[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._log.open("ab"),
                timeout=PATIENCE,
                cwd=self._folder,
                env=_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"{name} did not end within {PATIENCE} s") from error
        return done.returncode, done.stdout.decode(errors="replace").rstrip()

    def log_tail(self) -> list[str]:
        """Return the last lines that the bridge logged."""
        with contextlib.suppress(OSError):
            return self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
        return []

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._output.open("wb") as output, self._log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603  (our own command)
                [*_command("efact-bridge"), "serve", "-c", SETTINGS, "--log-format", "text"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                cwd=self._folder,
                env=_environment(),
            )

    def _is_ready(self) -> bool:
        return b"ready" in self._output.read_bytes().splitlines()

    def _wait_for_its_end(self, process: "subprocess.Popen[bytes]") -> None:
        try:
            code = process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"the bridge did not end within {_STOP_PATIENCE} s") from error
        if code:
            raise DemoError(f"the bridge ended with exit code {code}")

    def _put_away(self) -> None:
        """End the process whatever it is doing; nothing of it is needed any more."""
        self._kept.close()
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_PATIENCE)
        process.kill()
        process.wait()


_MODULES = {"efact-bridge": "bridge.cli", "efact-reconcile": "reconcile.cli"}
"""Where the commands begin: what is not beside Python is run by its module's name."""


def _command(name: str) -> list[str]:
    """Return an installed command, or the same thing where the script is not beside Python."""
    script = Path(sys.executable).with_name(name)
    if script.is_file():
        return [str(script)]
    return [sys.executable, "-c", f"from {_MODULES[name]} import main; main()"]


def _environment() -> dict[str, str]:
    """Return ours without settings that would win over the demo's."""
    kept = {key: value for key, value in os.environ.items() if "EFACT_BRIDGE" not in key.upper()}
    return kept | {"PYTHONIOENCODING": "utf-8"}


def _free_doors(kept: contextlib.ExitStack) -> Doors:
    """Find ports that nothing listens on.

    They stay bound until `kept` is closed, so that nobody else is given them before the bridge
    listens there: that it may, as it allows itself to use an address again.
    """
    ports = []
    for _ in range(3):
        probe = kept.enter_context(socket.socket())
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        ports.append(probe.getsockname()[1])
    sftp, ftp, web = ports
    return Doors(sftp=sftp, ftp=ftp, web=web)


def _settings(sandbox: Sandbox, doors: Doors) -> str:
    old = sandbox.old_mailbox
    assert old is not None
    return f"""\
data_dir = "data"

[hub]
base_url = "{sandbox.base_url}"

[pull]
interval = 0.3

[push]
settle = 0.2
retry_initial = 0.2

[sftp]
port = {doors.sftp}

[ftp]
port = {doors.ftp}

[web]
port = {doors.web}

[[account]]
name = "{ACCOUNT}"
issuer = "{sandbox.issuer}"
secret_file = "ajuntament.secret"
shadow = "legacy"

[account.legacy]
url = "{old.url}"
password_file = "old-mailbox.password"
host_key = "{old.host_key}"

[[account.user]]
name = "{USER}"
password_hash = "{argon2.PasswordHasher().hash(PASSWORD)}"
"""

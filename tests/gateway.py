"""The installed commands as processes of their own, on settings written for the test."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from bridge.sandbox.server import Sandbox
from tests.door_rig import PASSWORD_HASH, USER, host_keys, user_key
from tests.ledgers import put_ledger
from tests.ports import free_port
from tests.warm import Result, warm

COMMAND = Path(sys.executable).with_name("efact-bridge")

PATIENCE = 60
"""Seconds that a test waits for a process; far more than any needs."""


@dataclass(slots=True, kw_only=True)
class Gateway:
    """An installation: a folder with settings and secret, and the commands on it."""

    folder: Path
    sftp: int
    ftp: int
    web: int

    @property
    def config(self) -> Path:
        return self.folder / "efact-bridge.toml"

    @property
    def mailbox(self) -> Path:
        return self.folder / "data" / "mailboxes" / "ajuntament"

    def forget(self) -> None:
        """Be new: the first command makes everything itself."""
        shutil.rmtree(self.folder / "data")

    def run(self, *arguments: str, config: bool = True, stdin: str = "") -> Result:
        """Run a command to its end; `-c FILE` is added unless it takes none."""
        options = ["-c", str(self.config)] if config else []
        result = warm().run(
            arguments[0],
            *options,
            *arguments[1:],
            stdin=stdin,
            environment=_environment(),
            patience=PATIENCE,
        )
        assert "Traceback" not in result.err, result.err
        return result

    def status(self, *arguments: str) -> dict[str, Any]:
        """Return what `status --json` says."""
        result = self.run("status", "--json", *arguments)
        assert result.code == 0, result.err
        found: dict[str, Any] = json.loads(result.out)
        return found

    @contextmanager
    def serving(self, *, within: Sequence[str] = ()) -> Iterator["subprocess.Popen[str]"]:
        """Run `serve` until the block ends; it must end cleanly by itself."""
        process = self.start(within=within)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()
                process.communicate()

    def start(self, *, within: Sequence[str] = ()) -> "subprocess.Popen[str]":
        """Start `serve` and wait for its line `ready`; `within` is a command that runs it."""
        process = subprocess.Popen(
            [*within, str(COMMAND), "serve", "-c", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=(self.folder / "serve.log").open("a"),
            text=True,
            env=_environment(),
        )
        lines: Queue[str] = Queue()
        assert process.stdout is not None
        Thread(target=_first_line, args=(process.stdout, lines), daemon=True).start()
        try:
            line = lines.get(timeout=PATIENCE)
        except Empty:
            line = ""
        assert line == "ready\n", (self.folder / "serve.log").read_text()
        return process


def _first_line(stream: Any, lines: "Queue[str]") -> None:
    lines.put(stream.readline())


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if "EFACT_BRIDGE" not in name}


def install(
    folder: Path,
    sandbox: Sandbox,
    *,
    secret: str | None = None,
    account: str = "",
    sections: Sequence[str] = (),
) -> Gateway:
    """Write settings and a secret; `account` and `sections` are TOML lines to add.

    Ledger and host keys are there, as after a first start; see `forget` for a new installation.
    """
    gateway = Gateway(folder=folder, sftp=free_port(), ftp=free_port(), web=free_port())
    put_ledger(folder / "data" / "ledger.db")
    shutil.copytree(host_keys(), folder / "data" / "host-keys")
    secret_file = folder / "ajuntament.secret"
    secret_file.write_text(sandbox.secret if secret is None else secret)
    secret_file.chmod(0o600)
    extra = "\n".join(sections)
    gateway.config.write_text(
        f"""\
data_dir = "data"

[hub]
base_url = "{sandbox.base_url}"
timeout = 20

[pull]
interval = 0.3

[push]
settle = 0.1
retry_initial = 0.1

[sftp]
port = {gateway.sftp}

[ftp]
port = {gateway.ftp}

[web]
port = {gateway.web}

{extra}

[[account]]
name = "ajuntament"
issuer = "{sandbox.issuer}"
secret_file = "ajuntament.secret"
{account}

[[account.user]]
name = "{USER}"
password_hash = "{PASSWORD_HASH}"
authorized_keys = ["{user_key()[1]}"]
"""
    )
    return gateway

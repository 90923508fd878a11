"""A town hall between the two systems: the sandbox's feeds, a real ledger, the commands."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bridge import commands, logs
from bridge.sandbox.server import Sandbox
from reconcile.cli import app
from tests.gateway import Gateway, Result, install


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A town hall between the two systems."""

    sandbox: Sandbox
    gateway: Gateway
    saved: Path
    """A folder of all that the old mailbox held."""

    def run(self, *arguments: str) -> Result:
        """Run a command of `efact-reconcile`, in this process."""
        command = [arguments[0], "-c", str(self.gateway.config), *arguments[1:]]
        logs.configure(
            "json"
        )  # as a command does at its start: what the sandbox says goes there, too
        done = CliRunner().invoke(app, command, catch_exceptions=False)
        return Result(done.exit_code, done.stdout, done.stderr)

    def pull(self) -> None:
        """Let the bridge fetch what REST has."""
        for done in commands.pull(self.gateway.config):
            assert done.error is None

    def let_old_mailbox_serve(self) -> None:
        """Let the settings say so, with REST as the shadow."""
        text = self.gateway.config.read_text()
        served = text.replace('shadow = "legacy"', 'serve = "legacy"\nshadow = "rest"')
        self.gateway.config.write_text(served)

    def push(self) -> None:
        """Let the bridge pass on, or send, what the software said."""
        for done in commands.push(self.gateway.config):
            assert done.error is None

    def is_verified(self) -> bool:
        """Tell whether ledger, events and archive agree."""
        return all(checked.right for checked in commands.verify(self.gateway.config, None))

    def report(self, *arguments: str, code: int | None = None) -> dict[str, Any]:
        """Return what a report says as JSON."""
        result = self.run("report", "--format", "json", *arguments)
        assert code in (None, result.code), result.err
        found: dict[str, Any] = json.loads(result.out)
        return found

    def of_folder(self, *arguments: str, code: int | None = None) -> dict[str, Any]:
        """Return what a report on the saved folder says."""
        return self.report("--legacy", str(self.saved), *arguments, code=code)


@contextmanager
def town(folder: Path, mix: str, *, shadow: bool = False, invoices: int = 0) -> Iterator[Town]:
    """Set up a town hall with these invoices; with `shadow` it listens to the old mailbox."""
    with Sandbox(invoices=invoices, mix=mix, old_mailbox=True) as sandbox:
        old = sandbox.old_mailbox
        assert old is not None
        account = ""
        if shadow:
            password = folder / "old.password"
            password.touch(mode=0o600)
            password.write_text(old.password)
            account = (
                f'shadow = "legacy"\n[account.legacy]\nurl = "{old.url}"\n'
                f'password_file = "old.password"\nhost_key = "{old.host_key}"\n'
            )
        gateway = install(folder, sandbox, account=account)
        saved = folder / "saved"
        shutil.copytree(old.root, saved)
        yield Town(sandbox=sandbox, gateway=gateway, saved=saved)


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {row["hub_id"]: row["outcome"] for row in report["invoices"]}

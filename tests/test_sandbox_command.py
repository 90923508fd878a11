"""The sandbox as a process of its own: what it prints, and that it ends when it is told to."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import argon2
import httpx
import pytest

from bridge.errors import PortTakenError
from bridge.sandbox.scenarios import Kind
from bridge.sandbox.server import Sandbox
from bridge.settings import load_settings
from tests.gateway import COMMAND
from tests.ports import free_port

PROGRAM = "from bridge.sandbox.command import run_sandbox; run_sandbox(invoices=2, seed=3)"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def printed(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        if line == "ready\n":
            break
        lines.append(line)
    return "".join(lines)


def test_it_prints_what_is_needed_to_connect(process: subprocess.Popen[str]) -> None:
    text = printed(process)
    fields = dict(re.findall(r"^([a-zA-Z ]+?)  +(\S.*)$", text, re.MULTILINE))
    expected = Sandbox(invoices=0, seed=3)
    assert fields["user"] == expected.issuer
    assert fields["secret"] == expected.secret
    assert httpx.get(fields["REST API"] + "/ens").status_code == 401
    assert httpx.get(fields["control"] + "/state").json()["invoices"] == 2
    assert fields["old mailbox"].startswith("sftp://rcf@127.0.0.1:")


def test_what_it_prints_works_as_printed(process: subprocess.Popen[str], tmp_path: Path) -> None:
    before, text = printed(process).split("For efact-bridge.toml:\n")
    (command,) = re.findall(r"^\(umask .*$", before, re.MULTILINE)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    ports = "".join(f"\n[{name}]\nport = {free_port()}\n" for name in ("sftp", "ftp", "web"))
    config = tmp_path / "efact-bridge.toml"
    config.write_text(text.replace("\n[[account]]", f"{ports}\n[[account]]"))
    check = subprocess.run(
        [str(COMMAND), "check", "-c", str(config)], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
    assert "FAILED" not in check.stdout
    user = load_settings(config).account[0].user[0]
    (password,) = re.findall(r"with the password (\S+)", text)
    assert argon2.PasswordHasher().verify(user.password_hash, password)


def test_the_old_mailbox_that_it_prints_is_a_setting_too(
    process: subprocess.Popen[str], tmp_path: Path
) -> None:
    text = printed(process).split("For efact-bridge.toml:\n")[1]
    config = tmp_path / "efact-bridge.toml"
    config.write_text(re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE))
    legacy = load_settings(config).account[0].legacy
    assert legacy is not None
    assert legacy.host_key.startswith("ssh-ed25519 ")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(process: subprocess.Popen[str], stop: signal.Signals) -> None:
    printed(process)
    process.send_signal(stop)
    assert process.wait(timeout=60) == 0


def test_its_help_names_every_kind_of_a_mix() -> None:
    asked = [COMMAND, "sandbox", "--help"]
    text = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert [kind for kind in Kind if kind not in text] == []


def test_a_port_that_is_taken_is_named() -> None:
    with Sandbox(invoices=0) as sandbox:
        port = int(sandbox.base_url.split(":")[2].split("/")[0])
        with pytest.raises(PortTakenError, match=str(port)):
            Sandbox(invoices=0, port=port).start()

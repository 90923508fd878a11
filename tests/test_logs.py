"""What goes to standard error: text or JSON lines, and never a secret."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.sandbox.server import Sandbox
from tests.door_rig import PASSWORD, PASSWORD_HASH, wait_until
from tests.gateway import COMMAND, install
from tests.test_round import client_of

SAY = """
import sys, structlog, logging
from bridge import logs
logs.configure(sys.argv[1] or None)
structlog.get_logger().info("invoice placed", hub_id="7", secret="s3cret", password="s3cret")
logging.getLogger("paramiko").warning("a %s", "library")
"""


SET_UP_TWICE = """
import structlog
from structlog.testing import capture_logs
from bridge import logs
log = structlog.get_logger()
logs.configure("json")
log.info("before")
logs.configure("json")
with capture_logs() as captured:
    log.info("after")
print([line["event"] for line in captured])
"""


def said(log_format: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SAY, log_format], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("log_format", ["json", ""])
def test_a_log_that_no_terminal_reads_is_json_lines(log_format: str) -> None:
    ours, theirs = (json.loads(line) for line in said(log_format))
    assert (ours["event"], ours["hub_id"], ours["level"]) == ("invoice placed", "7", "info")
    assert (theirs["event"], theirs["level"]) == ("a library", "warning")


def test_a_logger_that_was_used_before_follows_a_new_set_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SET_UP_TWICE], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['after']"


def test_text_can_be_asked_for() -> None:
    first, _ = said("text")
    assert "invoice placed" in first
    assert "hub_id=7" in first


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_values_under_secret_names_are_not_written(log_format: str) -> None:
    assert "s3cret" not in "".join(said(log_format))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=3) as sandbox:
        yield sandbox


def test_no_secret_is_in_anything_that_the_bridge_writes(tmp_path: Path, sandbox: Sandbox) -> None:
    gateway = install(tmp_path, sandbox)
    sandbox.book.faults.fail(operation="receipt", code=9002, times=None)
    outputs = []
    with gateway.serving():
        client = client_of("paramiko", gateway)
        wait_until(lambda: len(client.names("out")) == 3, "all invoices are there")
        outputs += [gateway.run("status").out, gateway.run("status", "--json").out]
    for command in ("check", "pull", "push"):
        result = gateway.run(command)
        outputs += [result.out, result.err]
    outputs.append((tmp_path / "serve.log").read_text())
    ledger = (tmp_path / "data" / "ledger.db").read_bytes().decode("latin-1")
    for secret in (sandbox.secret, PASSWORD, PASSWORD_HASH, "Bearer ey"):
        assert not [text for text in [*outputs, ledger] if secret in text]


def test_a_log_format_counts_before_the_commands_name_too(tmp_path: Path, sandbox: Sandbox) -> None:
    gateway = install(tmp_path, sandbox)
    done = subprocess.run(
        [str(COMMAND), "--log-format", "text", "pull", "-c", str(gateway.config)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "invoice placed" in done.stderr
    assert '"event"' not in done.stderr


def test_an_unknown_log_format_is_wrong_usage() -> None:
    done = subprocess.run(
        [str(COMMAND), "--log-format", "xml", "status"], capture_output=True, check=False
    )
    assert done.returncode == 2

"""`efact-bridge demo`, run as people run it: what it shows, and that it leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.sandbox.demo_gateway import Gateway
from bridge.sandbox.server import Sandbox

COMMAND = Path(sys.executable).with_name("efact-bridge")
REAL_INVOICES = Path(__file__).parents[2] / "shared" / "data" / "facturae"

PATIENCE = 100
"""Seconds that a test waits for a demo; one takes a few."""


class Demo:
    """A demo in its own process group, whose temporary files have a folder of their own."""

    def __init__(self, temporary: Path, *options: str) -> None:
        temporary.mkdir(exist_ok=True)
        self.temporary = temporary
        self.process = subprocess.Popen(
            # Whoever runs the tests in the background may have it ignored.
            ["env", "--default-signal=INT", str(COMMAND), "demo", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env=os.environ | {"TMPDIR": str(temporary), "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
        )

    def read_until(self, text: str) -> None:
        """Read the output up to a line that has this text."""
        assert self.process.stdout is not None
        assert any(text in line for line in self.process.stdout), f"{text!r} did not come"

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and the (rest of the) output."""
        try:
            out, _ = self.process.communicate(timeout=PATIENCE)
        finally:
            self.process.kill()
        assert "Traceback" not in out
        return self.process.returncode, out

    def left(self) -> list[str]:
        """Return what is left: files, and a word for processes."""
        files = [path.name for path in self.temporary.iterdir()]
        return files + (["a process"] if self._process_left() else [])

    def _process_left(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def test_the_demo_shows_the_round_and_leaves_nothing(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "tmp")
    code, out = demo.end()
    assert code == 0, out
    assert demo.left() == []
    for fact in (
        "The hub has 8 invoices",
        "efact-bridge serve -c efact-bridge.toml",
        "over SFTP",
        "over FTP",
        "8 × DELIVERED",
        '{"estat": "ANNOTATED", "numeroRegistreRCF": "RCF-0001"}',
        '"estat": "PAID"',
        '"estat": "REJECTED"',
        "BR05 ANNOTATED needs a register number",
        "REGISTERED > DELIVERED > ANNOTATED > RECOGNISED > PAID",
        "8 of 8 invoices",
        "Both feeds agree",
    ):
        assert fact in out
    assert "NO:" not in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_two_demos_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    demos = [Demo(tmp_path / name) for name in ("one", "other")]
    for demo in demos:
        code, out = demo.end()
        assert code == 0, out
        assert demo.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_puts_everything_away(
    tmp_path: Path, number: signal.Signals
) -> None:
    demo = Demo(tmp_path / "tmp")
    demo.read_until("ready after")
    if number is signal.SIGINT:
        os.killpg(demo.process.pid, number)  # as a terminal does
    else:
        demo.process.send_signal(number)
    code, out = demo.end()
    assert code == 130, out
    assert "Stopped" in out
    assert demo.left() == []


def test_a_bridge_that_dies_is_told_and_everything_is_put_away(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "tmp")
    demo.read_until("The hub has")
    os.kill(_child_of(demo.process.pid), signal.SIGKILL)
    code, out = demo.end()
    assert code == 1, out
    assert "efact-bridge: the bridge ended" in out or "efact-bridge: the old client" in out
    assert demo.left() == []


def _child_of(pid: int) -> int:
    """Wait until a process has a child; return its id."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                return int(stat.parent.name)
        time.sleep(0.02)
    raise AssertionError("the demo started no bridge")


def test_the_ports_of_the_demo_are_kept_until_its_bridge_listens(tmp_path: Path) -> None:
    with Sandbox(invoices=0, old_mailbox=True) as sandbox:
        gateway = Gateway(tmp_path / "bridge", sandbox)
        for port in (gateway.doors.sftp, gateway.doors.ftp, gateway.doors.web):
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
        with gateway.serving():
            pass


def test_a_single_invoice_is_enough(tmp_path: Path) -> None:
    book = Sandbox(invoices=1, seed=5).book
    folder = tmp_path / "invoices"
    folder.mkdir()
    (folder / "one.xml").write_bytes(book.held(book.hub_ids[0]).facturae())
    demo = Demo(tmp_path / "tmp", "--facturae", str(folder))
    code, out = demo.end()
    assert code == 0, out
    assert "The hub has 1 invoice, real ones from" in out
    assert "1 of 1 invoice" in out


@pytest.mark.skipif(not REAL_INVOICES.is_dir(), reason="the real files are not here")
def test_the_demo_takes_a_folder_of_real_files(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "tmp", "--facturae", str(REAL_INVOICES))
    code, out = demo.end()
    assert code == 0, out
    count = len(list(REAL_INVOICES.glob("*.xml")))
    assert f"{count} of {count} invoices" in out
    assert demo.left() == []


def test_a_folder_without_invoices_is_a_wrong_setting(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    code, out = Demo(tmp_path / "tmp", "--facturae", str(empty)).end()
    assert code == 2
    assert (
        out == f"efact-bridge: {empty}: no Facturae file (.xml, .xsig) was found in this folder\n"
    )

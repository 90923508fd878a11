"""What bad input gets: one test for each line of the table in docs/errors.md."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from bridge import feedback
from bridge.model import State, StateUpdate
from bridge.sandbox.server import Sandbox
from tests.gateway import Gateway, install


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=2) as sandbox:
        yield sandbox


@pytest.fixture
def gateway(tmp_path: Path, sandbox: Sandbox) -> Gateway:
    return install(tmp_path, sandbox)


def change(gateway: Gateway, old: str, new: str) -> None:
    text = gateway.config.read_text()
    assert old in text
    gateway.config.write_text(text.replace(old, new, 1))


def state_file(*, hub_id: str = "", status: str = "ACCEPTED") -> bytes:
    state = feedback.Feedback(status=status)
    entry = feedback.StatusFeedback(
        hub=feedback.HubFeedback(hub_id=hub_id),
        invoice=feedback.InvoiceFeedback(invoice_id="F-1", feedbacks=(state,)),
    )
    content = feedback.write(
        feedback.DeliveryFeedback(
            entries=(
                feedback.StatusFeedback(
                    hub=entry.hub,
                    invoice=feedback.InvoiceFeedback(
                        invoice_id="F-1",
                        feedbacks=(feedback.Feedback(status="ACCEPTED"),),
                    ),
                ),
            )
        )
    )
    return content.replace(b"ACCEPTED", status.encode())


def answers(gateway: Gateway) -> list[str]:
    """Every HubErrorCode in `statout`."""
    found = [path.read_text() for path in (gateway.mailbox / "statout").iterdir()]
    return [code for text in found for code in re.findall("<HubErrorCode>(.*)</Hub", text)]


def only_line(text: str) -> str:
    (line,) = text.strip().splitlines()
    return line


def test_a_wrong_value_is_named_with_its_key_and_line(gateway: Gateway) -> None:
    change(gateway, "interval = 0.3", 'interval = "soon"')
    result = gateway.run("pull")
    assert result.code == 2
    line = only_line(result.err)
    assert "pull.interval" in line
    assert "line 8" in line


def test_an_unknown_key_is_named_with_its_line(gateway: Gateway) -> None:
    change(gateway, "timeout = 20", "timeout = 20\ntimeuot = 6")
    result = gateway.run("pull")
    assert result.code == 2
    assert "line 6: hub.timeuot: there is no such setting" in only_line(result.err)


def test_settings_that_are_not_there_are_said_so(gateway: Gateway) -> None:
    gateway.config.unlink()
    result = gateway.run("pull")
    assert result.code == 2
    assert "efact-bridge init" in only_line(result.err)


def test_settings_that_are_not_toml_are_said_so(gateway: Gateway) -> None:
    gateway.config.write_text("[hub\n")
    result = gateway.run("pull")
    assert result.code == 2
    assert "not TOML" in only_line(result.err)


def test_a_missing_secret_is_a_wrong_setting(gateway: Gateway) -> None:
    (gateway.folder / "ajuntament.secret").unlink()
    for command in ("pull", "push", "serve"):
        result = gateway.run(command)
        assert result.code == 2
        assert "ajuntament.secret" in only_line(result.err)
        assert "mode 600" in result.err


def test_a_damaged_ledger_put_aside_as_the_message_says_is_made_anew(gateway: Gateway) -> None:
    assert gateway.run("pull").code == 0
    ledger = gateway.folder / "data" / "ledger.db"
    ledger.write_bytes(b"no database" * 500)
    result = gateway.run("pull")
    assert result.code == 3
    assert "put it aside with its -wal and -shm" in only_line(result.err)
    for part in ledger.parent.glob("ledger.db*"):
        part.unlink()
    assert gateway.run("pull").code == 0
    assert gateway.run("verify").code == 0


def test_a_secret_that_others_can_read_is_refused(gateway: Gateway) -> None:
    (gateway.folder / "ajuntament.secret").chmod(0o644)
    result = gateway.run("pull")
    assert result.code == 2
    assert "chmod 600" in only_line(result.err)


def test_a_wrong_secret_is_the_hubs_no(tmp_path: Path, sandbox: Sandbox) -> None:
    gateway = install(tmp_path, sandbox, secret="not the secret, but long enough for a key")
    result = gateway.run("pull")
    assert result.code == 1
    assert "1012" in result.err
    assert "not the secret" not in result.err + result.out
    assert gateway.run("check").code == 1


def test_a_hub_that_is_down_is_out_of_reach(gateway: Gateway, sandbox: Sandbox) -> None:
    sandbox.stop()
    assert gateway.run("pull").code == 3
    result = gateway.run("check")
    assert result.code == 1
    assert re.search("FAILED.*hub", result.out)
    assert gateway.status()["hub"]["reachable"] is False


def test_a_port_that_is_taken_is_named_with_its_setting(gateway: Gateway) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does
        taken.bind(("127.0.0.1", gateway.ftp))
        taken.listen()
        result = gateway.run("serve")
        assert result.code == 1
        assert str(gateway.ftp) in result.err
        assert "ftp" in result.err
        assert gateway.run("check").code == 1


def test_a_second_serve_on_the_same_data_says_so(gateway: Gateway) -> None:
    with gateway.serving():
        result = gateway.run("serve")
        assert result.code == 1
        assert "another efact-bridge" in result.err


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if os.geteuid() != 0 or mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_at_the_start_is_said_so(gateway: Gateway, full_disk: Path) -> None:
    (full_disk / "filler").write_bytes(b"x" * 50_000)
    change(gateway, 'data_dir = "data"', f'data_dir = "{full_disk}"')
    for command in ("pull", "serve"):
        result = gateway.run(command)
        assert result.code == 3
        assert str(full_disk) in result.err
        assert "full" in result.err
    assert gateway.run("check").code == 1


def test_a_state_file_that_is_no_xml_is_answered(gateway: Gateway) -> None:
    assert gateway.run("pull").code == 0
    (gateway.mailbox / "statin" / "broken.XML").write_text("this is no XML")
    result = gateway.run("push")
    assert result.code == 1
    assert "BR01" in result.err
    (code,) = answers(gateway)
    assert code.startswith("BR01 ")
    assert not list((gateway.mailbox / "statin").iterdir())


def test_a_state_file_on_an_unknown_invoice_is_answered(gateway: Gateway) -> None:
    assert gateway.run("pull").code == 0
    (gateway.mailbox / "statin" / "no-id.XML").write_bytes(state_file())
    (gateway.mailbox / "statin" / "wrong-id.XML").write_bytes(state_file(hub_id="999"))
    result = gateway.run("push")
    assert result.code == 1
    codes = sorted(code.split()[0] for code in answers(gateway))
    assert codes == ["2001", "BR02"]


def test_a_state_file_with_a_hub_id_that_cannot_be_one_is_answered(gateway: Gateway) -> None:
    assert gateway.run("pull").code == 0
    (gateway.mailbox / "statin" / "dots.XML").write_bytes(state_file(hub_id=".."))
    assert gateway.run("push").code == 1
    (code,) = answers(gateway)
    assert code == 'BR02 ".." cannot be the id of an invoice (update 1 of 1)'


def test_a_state_that_is_not_allowed_is_answered(gateway: Gateway, sandbox: Sandbox) -> None:
    assert gateway.run("pull").code == 0
    hub_id = sandbox.book.hub_ids[0]
    content = state_file(hub_id=hub_id, status="CANCELED")
    (gateway.mailbox / "statin" / "cancel.XML").write_bytes(content)
    result = gateway.run("push")
    assert result.code == 1
    (code,) = answers(gateway)
    assert code.startswith("BR04 ")
    assert code.endswith("(update 1 of 1)")


def test_a_state_after_the_end_is_answered(gateway: Gateway, sandbox: Sandbox) -> None:
    assert gateway.run("pull").code == 0
    hub_id = sandbox.book.hub_ids[0]
    sandbox.book.set_state(hub_id, StateUpdate(state=State.REJECTED, reason="duplicated"))
    (gateway.mailbox / "statin" / "late.XML").write_bytes(state_file(hub_id=hub_id))
    assert gateway.run("push").code == 1
    (code,) = answers(gateway)
    assert code.startswith("BR06 ")


def test_retry_wants_to_know_what(gateway: Gateway) -> None:
    assert gateway.run("retry").code == 2
    result = gateway.run("retry", "7")
    assert result.code == 1
    assert "7" in result.err


def test_an_unknown_command_or_option_is_wrong_usage(gateway: Gateway) -> None:
    assert gateway.run("polish", config=False).code == 2
    assert gateway.run("pull", "--sideways").code == 2
    assert gateway.run("pull", config=False).code == 2


def test_init_overwrites_nothing(tmp_path: Path, gateway: Gateway) -> None:
    before = gateway.config.read_text()
    result = gateway.run("init", "--directory", str(tmp_path), config=False)
    assert result.code == 1
    assert "nothing was changed" in result.err
    assert gateway.config.read_text() == before


def test_an_empty_password_has_no_hash(gateway: Gateway) -> None:
    result = gateway.run("hash-password", config=False, stdin="\n")
    assert result.code == 2
    assert "empty" in result.err


def test_a_password_that_is_not_utf8_is_refused(gateway: Gateway) -> None:
    result = gateway.run("hash-password", config=False, stdin="\udcff\udcfe\n")
    assert result.code == 2
    assert "UTF-8" in only_line(result.err)


@pytest.mark.parametrize("port", ["99999", "-1", "ssh"])
def test_a_port_that_is_none_is_wrong_usage(gateway: Gateway, port: str) -> None:
    result = gateway.run("sandbox", "--port", port, config=False)
    assert result.code == 2
    assert "--port" in result.err


def test_a_data_dir_that_cannot_be_used_fails_the_check(gateway: Gateway) -> None:
    for data_dir in ("ajuntament.secret", "ajuntament.secret/data", "/proc/efact"):
        text = re.sub('data_dir = ".*"', f'data_dir = "{data_dir}"', gateway.config.read_text())
        gateway.config.write_text(text)
        result = gateway.run("check")
        assert result.code == 1
        assert re.search(f"FAILED +disk: .*{data_dir}", result.out)
        assert re.search("FAILED +ledger", result.out)
        assert result.err == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be the wrong user everywhere")
def test_root_makes_nothing_in_the_services_folder(gateway: Gateway) -> None:
    gateway.forget()
    data = gateway.folder / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    result = gateway.run("check")
    assert result.code == 0
    assert re.search("warning +user: .*sudo -u", result.out)
    assert not list(data.iterdir())


def test_wrong_usage_is_one_line(gateway: Gateway) -> None:
    for arguments in (["polish"], ["--sideways"], ["pull"], ["sandbox", "--port", "x"]):
        result = gateway.run(*arguments, config=False)
        assert result.code == 2
        assert only_line(result.err).startswith("efact-bridge: ")


def test_an_invoice_that_the_hub_fails_on_leaves_the_others(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    bad, good = sandbox.book.hub_ids
    sandbox.book.faults.fail(operation="facturae", hub_id=bad, code=9999, times=None)
    result = gateway.run("pull")
    assert result.code == 1
    assert bad in result.err
    (placed,) = (gateway.mailbox / "out").iterdir()
    assert placed.name.endswith(f"@{good}.XML")


def test_a_receipt_that_the_hub_cannot_make_holds_nothing_back(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    sandbox.book.faults.fail(operation="receipt", code=9002, times=None)
    assert gateway.run("pull").code == 0
    assert len(list((gateway.mailbox / "out").iterdir())) == 2
    (account,) = gateway.status()["accounts"]
    assert len(account["without_receipt"]) == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<DeliveryFeedback><StatusFeedback/></DeliveryFeedback>", "BR05"),
        (b"<DeliveryFeedback/>" + b" " * (10 * 1024 * 1024), "BR07"),
    ],
)
def test_a_state_file_that_is_empty_or_too_large_is_answered(
    gateway: Gateway, content: bytes, code: str
) -> None:
    assert gateway.run("pull").code == 0
    (gateway.mailbox / "statin" / "a.XML").write_bytes(content)
    assert gateway.run("push").code == 1
    (answer,) = answers(gateway)
    assert answer.startswith(f"{code} ")


def test_a_state_file_that_fits_two_invoices_is_answered(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    facts = {"number": "F-1", "supplier_nif": "B12345674", "issue_date": date(2026, 3, 1)}
    for _ in range(2):
        sandbox.book.add_invoice(**facts)  # type: ignore[arg-type]
    assert gateway.run("pull").code == 0
    (gateway.mailbox / "statin" / "a.XML").write_bytes(
        b"<DeliveryFeedback><StatusFeedback><InvoiceFeedback><InvoiceId>F-1</InvoiceId>"
        b"<Supplier><Cif>B12345674</Cif></Supplier><InvoiceDate>2026-03-01</InvoiceDate>"
        b"<Feedback><Status>ACCEPTED</Status></Feedback>"
        b"</InvoiceFeedback></StatusFeedback></DeliveryFeedback>"
    )
    assert gateway.run("push").code == 1
    (answer,) = answers(gateway)
    assert answer.startswith("BR03 ")


def test_a_data_dir_that_cannot_be_used_is_said_so(gateway: Gateway) -> None:
    gateway.forget()
    (gateway.folder / "data").touch()
    for command in ("pull", "push", "serve"):
        result = gateway.run(command)
        assert result.code == 3
        assert str(gateway.folder / "data") in only_line(result.err)
        assert "permissions" in result.err

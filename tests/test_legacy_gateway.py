"""`serve` as installed, in front of the old mailbox: the software comes by SFTP and FTP as ever."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.sandbox.legacy_client import Endpoint, over_ftp, over_sftp
from bridge.sandbox.server import Sandbox
from tests.accounts import annotated, state_file
from tests.door_rig import PASSWORD, PASSWORD_HASH, USER, wait_until
from tests.gateway import Gateway, install


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=3, old_mailbox=True) as running:
        yield running


@pytest.fixture
def gateway(tmp_path: Path, sandbox: Sandbox) -> Gateway:
    """Two accounts: `ajuntament` in front of the old mailbox, `consell` at the hub."""
    old = sandbox.old_mailbox
    assert old is not None
    password = tmp_path / "old.password"
    password.touch(mode=0o600)
    password.write_text(old.password)
    legacy = f"""\
[account.legacy]
url = "{old.url}"
password_file = "old.password"
host_key = "{old.host_key}"
"""
    gateway = install(tmp_path, sandbox, account='serve = "legacy"')
    with gateway.config.open("a") as more:
        more.write(
            f"""
{legacy}
[[account]]
name = "consell"
issuer = "{sandbox.issuer}"
secret_file = "ajuntament.secret"
[[account.user]]
name = "other"
password_hash = "{PASSWORD_HASH}"
"""
        )
    return gateway


def test_the_software_in_front_of_the_old_mailbox_notices_nothing(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    old, book = sandbox.old_mailbox, sandbox.book
    assert old is not None
    before = {path.name: path.read_bytes() for path in (old.root / "out").iterdir()}
    with gateway.serving():
        out = gateway.mailbox / "out"
        wait_until(lambda: out.is_dir() and len(list(out.iterdir())) == 3, "the invoices are there")
        other = gateway.mailbox.with_name("consell") / "out"
        wait_until(lambda: len(list(other.iterdir())) == 3, "the other account has them too")
        taken = {}
        with over_sftp(Endpoint(port=gateway.sftp, user=USER, password=PASSWORD)) as session:
            for name in session.names("out"):
                taken[name] = session.read("out", name)
                session.delete("out", name)
        assert taken == before
        hub_id = book.hub_ids[0]
        with over_ftp(Endpoint(port=gateway.ftp, user=USER, password=PASSWORD)) as session:
            session.drop("statin", "a@b@c.XML", state_file(annotated(hub_id)))
        wait_until(lambda: not list((old.root / "out").iterdir()), "they left the old mailbox")
        wait_until(lambda: "ANNOTATED" in map(str, book.states(hub_id)), "the old hub was told")
    assert book.requests(operation="update")[0].method == "STATIN"
    assert gateway.run("verify").code == 0


def test_the_commands_do_the_same_round_by_round(gateway: Gateway, sandbox: Sandbox) -> None:
    assert gateway.run("pull").code == 0
    assert len(list((gateway.mailbox / "out").iterdir())) == 3
    (gateway.mailbox / "statin" / "a@b@c.XML").write_bytes(
        state_file(annotated(sandbox.book.hub_ids[0]))
    )
    assert gateway.run("push").code == 0
    assert sandbox.old_mailbox is not None
    sandbox.old_mailbox.stop()
    assert gateway.run("pull").code == 3
    (account, _) = gateway.status()["accounts"]
    assert account["serve"] == "legacy"
    assert account["deliveries"]["placed"] == 3
    assert account["updates"]["accepted"] == 1

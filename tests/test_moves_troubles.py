"""Moves on a bad day: a full or read-only old mailbox, a full disk of our own, nobody at home."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.errors import BridgeError, OldMailboxUnwritableError, StorageError
from bridge.model import FeedName, digest_of
from bridge.sandbox.server import Sandbox
from reconcile.cli import app
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.rules import OldMailboxMode
from reconcile.moves.way import Way
from tests.accounts import Office, Offices, failing, pull
from tests.gateway import Gateway, Result, install
from tests.moving import OldHub, balanced, collect, faults, names, out_of
from tests.old_mailboxes import OldServer, old_server
from tests.ports import free_port
from tests.small_disk import SmallDisk, small_disk

APPLY = Wanted(by="test", apply=True, force=True)


def opened(open_account: Offices, sandbox: Sandbox, server: OldServer) -> tuple[Office, OldHub]:
    """Open an account that has cut over from a server's mailbox."""
    old = OldHub(sandbox.book, server.base)
    town = old.open(open_account, legacy=server.legacy)
    assert cut_over(town.account, APPLY) == 0
    return town, old


# -- a full old mailbox ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sftp", "ftps"])
def test_a_full_old_mailbox_takes_nothing_half_and_all_once_there_is_room(
    kind: str, open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        old_server(kind, tmp_path / "server", disk.root) as server,
    ):
        town, old = opened(open_account, sandbox, server.mailbox("old"))
        had = old.both(town)
        pull(town)
        collect(town)
        old.rest(town, 2, attachments=1)
        pull(town)
        waiting = names(town)
        disk.fill()
        error = failing(lambda: roll_back(town.account, Way(), APPLY))
        assert isinstance(error, OldMailboxUnwritableError)
        assert "--target" in str(error)
        assert town.account.feeds().serve is FeedName.REST
        assert names(town) == waiting
        disk.make_room()
        assert roll_back(town.account, Way(), APPLY) == 0
        assert old.names() == waiting
        assert old.has(had) == []
        assert faults(town) == []


# -- a read-only one -------------------------------------------------------------------------------


def test_an_old_mailbox_behind_a_read_only_server_asks_for_a_folder_and_the_balance_names_the_rest(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    with _served(tmp_path) as (writing, reading):
        town, old = opened(open_account, sandbox, reading)
        had = old.both(town)
        pull(town)
        collect(town)
        (waiting,) = old.rest(town)
        pull(town)
        error = failing(lambda: roll_back(town.account, Way(), APPLY))
        assert isinstance(error, OldMailboxUnwritableError)
        assert town.account.feeds().serve is FeedName.REST
        way = Way(target=tmp_path / "target", patience=0)
        assert roll_back(town.account, way, APPLY) == 1
        balance = balanced(town)
        assert [it.hub_id for it in balance.twice] == [had]
        assert list(balance.to_take_away) == old.names()
        (handed,) = (tmp_path / "target" / "out").iterdir()
        assert f"@{waiting}" in handed.name
        assert out_of(town, waiting) == []
        assert writing.base == reading.base


# -- one where nothing may be renamed --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sftp", "ftps"])
def test_where_a_server_forbids_renaming_and_allows_deleting_it_is_deleted_there(
    kind: str, open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    base = tmp_path / "served"
    base.mkdir()
    with old_server(kind, tmp_path / "server", base, renames=False) as server:
        town, old = opened(open_account, sandbox, server.mailbox("old"))
        had = old.both(town, attachments=1)
        pull(town)
        bytes_there = {path.read_bytes() for path in old.root.glob("*/*") if path.is_file()}
        collect(town)
        assert roll_back(town.account, Way(), APPLY) == 0
        assert old.has(had) == old.names() == []
        assert list(old.root.glob("collected-by-rest/*/*")) == []
        assert all(town.account.mailbox.archive.path(digest_of(it)).exists() for it in bytes_there)
        assert faults(town) == []


def test_what_waits_cannot_be_put_where_a_server_forbids_renaming_and_goes_into_a_folder(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    base = tmp_path / "served"
    base.mkdir()
    with old_server("sftp", tmp_path / "server", base, renames=False) as server:
        town, old = opened(open_account, sandbox, server.mailbox("old"))
        had = old.both(town)
        pull(town)
        collect(town)
        (waiting,) = old.rest(town)
        pull(town)
        error = failing(lambda: roll_back(town.account, Way(), APPLY))
        assert isinstance(error, OldMailboxUnwritableError)
        assert town.account.feeds().serve is FeedName.REST
        target = tmp_path / "target"
        assert roll_back(town.account, Way(target=target, patience=0), APPLY) == 0
        assert old.has(had) == []
        (handed,) = (target / "out").iterdir()
        assert f"@{waiting}" in handed.name
        assert list(old.root.glob("*/.*")) == []
        assert faults(town) == []


def test_what_lay_ready_where_nothing_could_be_renamed_never_appears_once_the_software_has_it(
    open_account: Offices, sandbox: Sandbox, tmp_path: Path
) -> None:
    base = tmp_path / "served"
    base.mkdir()
    with old_server("sftp", tmp_path / "strict", base, renames=False) as server:
        town, old = opened(open_account, sandbox, server.mailbox("old"))
        old.rest(town)
        pull(town)
        assert isinstance(failing(lambda: roll_back(town.account, Way(), APPLY)), BridgeError)
        assert list(old.root.glob("out/.*")) != []
        collect(town)
    with old_server("sftp", tmp_path / "other", base) as server:
        legacy = server.changed(url=f"{server.url}/old/")
        town = old.open(open_account, legacy=legacy)
        assert roll_back(town.account, Way(mode=OldMailboxMode.LIST), APPLY) == 0
        assert list(old.root.glob("out/*")) == []
        assert faults(town) == []


@contextmanager
def _served(folder: Path) -> Iterator[tuple[OldServer, OldServer]]:
    """Give one mailbox behind two servers of the system: one that may write, one that may not."""
    base = folder / "served"
    base.mkdir()
    with (
        old_server("folder", folder / "writing", base) as writing,
        old_server("sftp", folder / "reading", base, read_only=True) as reading,
    ):
        made = writing.mailbox("old")
        legacy = reading.changed(url=f"{reading.url}/old/")
        yield made, replace(reading, base=made.base, legacy=legacy)


# -- a full disk of our own ------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def cramped(sandbox: Sandbox, disk: SmallDisk) -> Iterator[Offices]:
    """Open accounts whose data lies on the small disk."""
    offices = Offices(sandbox, disk.root)
    yield offices
    offices.close()


def test_a_cutover_on_a_full_disk_goes_on_once_there_is_room(
    cramped: Offices, sandbox: Sandbox, disk: SmallDisk, tmp_path: Path
) -> None:
    old = OldHub(sandbox.book, tmp_path / "old")
    town = old.open(cramped)
    had, waiting = old.both(town), old.both(town)
    pull(town)
    collect(town)
    disk.fill()
    assert isinstance(failing(lambda: cut_over(town.account, APPLY)), BridgeError)
    assert town.account.feeds().serve is FeedName.LEGACY
    disk.make_room()
    assert cut_over(town.account, APPLY) == 0
    pull(town)
    assert out_of(town, had) == out_of(town, waiting) == []
    assert faults(town) == []


def test_a_rollback_on_a_full_disk_goes_on_once_there_is_room(
    cramped: Offices, sandbox: Sandbox, disk: SmallDisk, tmp_path: Path
) -> None:
    old = OldHub(sandbox.book, tmp_path / "old")
    town = old.open(cramped)
    assert cut_over(town.account, APPLY) == 0
    (waiting,) = old.rest(town)
    pull(town)
    before = names(town)
    disk.fill()
    assert isinstance(failing(lambda: roll_back(town.account, Way(), APPLY)), BridgeError)
    disk.make_room()
    assert roll_back(town.account, Way(), APPLY) == 0
    assert old.names() == before
    assert len(old.has(waiting)) == 1
    assert faults(town) == []


def test_a_rollback_into_a_folder_on_a_full_disk_goes_on_once_there_is_room(
    open_account: Offices, disk: SmallDisk
) -> None:
    town = open_account()
    had, waiting = town.served(2)
    town.collect(had)
    way = Way(target=disk.root / "target", patience=0)
    disk.fill()
    error = failing(lambda: roll_back(town.account, way, APPLY))
    assert isinstance(error, StorageError)
    assert "make room; the rollback has begun and not ended, rest serves now" in str(error)
    assert "by itself" not in str(error)
    disk.make_room()
    assert roll_back(town.account, way, APPLY) == 0
    (file,) = (disk.root / "target" / "out").iterdir()
    assert f"@{waiting}" in file.name
    assert out_of(town, waiting) == []
    assert faults(town) == []


# -- nobody at home: the command line --------------------------------------------------------------


def command(gateway: Gateway, kind: str, *options: str) -> Result:
    """Run a move's command in this process."""
    done = CliRunner().invoke(
        app, [kind, "-c", str(gateway.config), *options], catch_exceptions=False
    )
    return Result(done.exit_code, done.stdout, done.stderr)


def beside(folder: Path, sandbox: Sandbox, *, url: str, serve: str) -> Gateway:
    """Install a gateway with an old mailbox at an address."""
    legacy = f'serve = "{serve}"\n[account.legacy]\nurl = "{url}"'
    if url.startswith("sftp"):
        (folder / "old.password").touch(mode=0o600)
        (folder / "old.password").write_text("x")
        key = "SHA256:" + 43 * "a"
        legacy += f'\npassword_file = "old.password"\nhost_key = "{key}"'
    return install(folder, sandbox, account=legacy)


MOVES = ("cutover", "rollback")


@pytest.mark.parametrize("kind", MOVES)
def test_a_move_ends_with_3_when_the_old_mailbox_is_out_of_reach(
    kind: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    url = f"sftp://town@127.0.0.1:{free_port()}/"
    serve = "legacy" if kind == "cutover" else "rest"
    result = command(beside(tmp_path, sandbox, url=url, serve=serve), kind, "--apply")
    assert result.code == 3, result
    assert "nothing was moved" in result.err


def test_a_cutover_ends_with_3_when_the_hub_is_out_of_reach(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    gateway = beside(tmp_path, sandbox, url=f"file://{tmp_path}/old", serve="legacy")
    away = f"http://127.0.0.1:{free_port()}/rcf"
    gateway.config.write_text(gateway.config.read_text().replace(sandbox.base_url, away))
    result = command(gateway, "cutover", "--apply", "--force")
    assert result.code == 3, result
    assert "nothing was moved" in result.err


@pytest.mark.parametrize("kind", MOVES)
def test_a_move_ends_with_3_when_the_ledger_cannot_be_opened(
    kind: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    gateway = beside(tmp_path, sandbox, url=f"file://{tmp_path}/old", serve="rest")
    (tmp_path / "data" / "ledger.db").write_bytes(b"this is no database" * 1000)
    result = command(gateway, kind, "--apply")
    assert result.code == 3, result

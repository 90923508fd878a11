"""What the tests of the flows share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from pydantic import SecretStr

from bridge.hub import HubClient
from bridge.sandbox.server import Sandbox
from tests.accounts import Office, Offices, no_waiting
from tests.clients_table import TableWriter
from tests.door_rig import Rig, open_doors
from tests.hub_server import HubServer
from tests.old_mailboxes import Servers, old_servers
from tests.ports import free_port

# A slow machine is no failure; and what is tried is the same each time, so that no change is held
# up by what it did not do. `--hypothesis-profile=searching` tries other things.
UNHURRIED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("unhurried", **UNHURRIED, derandomize=True)
hypothesis.settings.register_profile("searching", **UNHURRIED)
hypothesis.settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-clients", action="store_true", help="write the results into docs/clients.md"
    )


MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes; the tests together need about one GB."""


def work_in_memory() -> None:
    """Let temporary files be in memory: each account makes 256 folders, and syncs what it does.

    Disks that are full, slow or read-only have tests of their own, with a disk of their own. Set
    TMPDIR to have it otherwise.
    """
    if "TMPDIR" not in os.environ and MEMORY.is_dir():
        found = os.statvfs(MEMORY)
        if found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC:
            os.environ["TMPDIR"] = str(MEMORY)
            tempfile.tempdir = None


def pytest_configure(config: pytest.Config) -> None:
    work_in_memory()
    if config.getoption("--write-clients"):
        config.pluginmanager.register(TableWriter())


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Give a hub without invoices."""
    with Sandbox(invoices=0, port=free_port()) as running:
        yield running


@pytest.fixture
def open_account(sandbox: Sandbox, tmp_path: Path) -> Iterator[Offices]:
    """Give a way to open accounts at that hub; opening again is a restart of the bridge."""
    offices = Offices(sandbox, tmp_path)
    with no_waiting():
        yield offices
    offices.close()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Give a hub whose answers a test writes."""
    with HubServer() as server:
        yield server


@pytest.fixture
def client(hub: HubServer) -> Iterator[HubClient]:
    """Give a client of that hub."""
    with HubClient(hub.settings(), issuer="hub_0012", secret=SecretStr("k" * 32)) as client:
        yield client


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Give both doors, in front of a mailbox."""
    with open_doors(tmp_path) as rig:
        yield rig


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Give old mailboxes behind real servers."""
    with old_servers(tmp_path_factory.mktemp("old-mailboxes")) as servers:
        yield servers


@pytest.fixture
def office(open_account: Offices) -> Office:
    """Give an account with the default settings."""
    return open_account()

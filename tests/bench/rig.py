"""An account of the bridge beside the bare loops, on one hub, in one folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.account import Account, open_account
from bridge.inbound.round import Inbound
from bridge.ledger import Ledger
from bridge.settings import Settings
from tests.bench.bare import BareClient, BareMailbox
from tests.bench.processes import HubProcess, UnevenError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What the flows' benchmarks share; batches are kept by the delay at which they were pulled."""

    hub: HubProcess
    account: Account
    inbound: Inbound
    bare: BareClient
    bare_mailbox: BareMailbox
    batches: dict[float, list[list[str]]] = field(default_factory=dict)


@contextmanager
def open_rig(hub: HubProcess, folder: Path) -> Iterator[Rig]:
    """Open an account with the default settings, which acknowledge once collected."""
    secret = folder / "hub.secret"
    secret.touch(mode=0o600)
    secret.write_text(hub.secret)
    settings = Settings(
        data_dir=folder / "data",
        hub=hub.settings,
        push={"settle": 0},  # type: ignore[arg-type]  # state files need no rest here
        account=[{"name": "town", "issuer": hub.issuer, "secret_file": secret}],  # type: ignore[list-item]
    )
    ledger = Ledger(settings.data_dir / "ledger.db", lean=True)  # as `serve` does
    account = open_account(settings, settings.account[0], ledger)
    bare = BareClient(hub)
    try:
        yield Rig(
            hub=hub,
            account=account,
            inbound=Inbound(account),
            bare=bare,
            bare_mailbox=BareMailbox(folder / "bare"),
        )
    finally:
        bare.close()
        account.hub.close()
        ledger.close()


def ensure_same(what: str, tallies: Mapping[str, Mapping[str, int]]) -> None:
    """See that all sides asked the same of the hub, to the byte; raises UnevenError."""
    first, *others = tallies.values()
    if any(other != first for other in others):
        raise UnevenError(f"{what}: not the same requests and bytes: {dict(tallies)}")

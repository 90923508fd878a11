"""An account at work: the real flows against a sandbox over HTTP, and the software's side of it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import stamina

from bridge import feedback
from bridge.account import Account, open_account
from bridge.errors import BridgeError
from bridge.inbound.round import Inbound
from bridge.inbound.round import Round as InboundRound
from bridge.ledger import invoices, updates
from bridge.ledger.deliveries import Delivery
from bridge.ledger.updates import Update
from bridge.model import Digest, HubId, State
from bridge.outbound.round import Round as OutboundRound
from bridge.outbound.round import outbound_round
from bridge.rounds import pull_round
from bridge.sandbox.server import Sandbox
from bridge.settings import AccountSettings, Settings
from tests.door_rig import PATIENCE, wait_until
from tests.ledgers import open_ledger


@dataclass(slots=True)
class Clock:
    """This machine's time, moved on by a test."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_by(self, **amount: float) -> None:
        self.ahead += timedelta(**amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A town hall's account, with its mailbox at hand."""

    sandbox: Sandbox
    account: Account
    inbound: Inbound
    clock: Clock

    # -- the bridge's rounds -----------------------------------------------------------------

    def pull(self, *, only_due: bool = False) -> InboundRound:
        self.account.circuit.close()  # like a command that has just begun
        return self.inbound.round(only_due=only_due)

    def push(self, *, only_due: bool = False) -> OutboundRound:
        self.account.circuit.close()
        return outbound_round(self.account, only_due=only_due)

    def push_in_vain(self) -> None:
        """Push while the hub hangs at an update, and give up on it as when its time is over.

        A short timeout would do the same, and now and then to a hub that is merely slow.
        """
        book, lines = self.sandbox.book, self.account.hub._wire._lines
        before = len(self.patches())
        with ThreadPoolExecutor(1) as pool:
            pushing = pool.submit(failing, self.push)
            wait_until(lambda: "hang" not in [it.kind for it in book.faults.waiting], "it hangs")
            for line in lines._all:
                if line not in lines._free:
                    line.interrupt("the answer comes too slowly")
            pushing.result(PATIENCE)
        wait_until(lambda: len(self.patches()) > before, "the hub has written it down")

    # -- the software's side -----------------------------------------------------------------

    def folder(self, name: str) -> Path:
        return self.account.mailbox.root / name

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in self.folder(folder).iterdir())

    def out_of(self, hub_id: str) -> list[Path]:
        """The files of an invoice in `out`."""
        return sorted(self.folder("out").glob(f"*@{hub_id}.XML"))

    def collect(self, *hub_ids: str) -> None:
        """Delete invoices from `out`, as the software does once it has them."""
        for hub_id in hub_ids:
            (path,) = self.out_of(hub_id)
            path.unlink()

    def drop(self, name: str, content: bytes) -> Path:
        """Upload a state file."""
        path = self.folder("statin") / name
        path.write_bytes(content)
        return path

    def answers(self) -> dict[str, feedback.DeliveryFeedback]:
        """The answers in `statout`, by name."""
        messages = {
            path.name: feedback.read(path.read_bytes())
            for path in sorted(self.folder("statout").iterdir())
        }
        return {
            name: message
            for name, message in messages.items()
            if any(entry.hub and entry.hub.status == "REJECTED" for entry in message.entries)
        }

    def refusals(self) -> list[str]:
        """Every `HubErrorCode` in `statout`, by the name of its answer."""
        return [
            entry.hub.error_code or ""
            for message in self.answers().values()
            for entry in message.entries
            if entry.hub
        ]

    # -- what the ledger says ------------------------------------------------------------------

    def delivery(self, hub_id: str) -> Delivery:
        with self.account.ledger.read() as connection:
            found = invoices.known(connection, self.account.name, HubId(hub_id))
        assert found is not None
        return found

    def digest(self, hub_id: str) -> Digest:
        """The digest of the invoice's file that stands in `out`."""
        (path,) = self.out_of(hub_id)
        return Digest(hashlib.sha256(path.read_bytes()).hexdigest())

    def open_updates(self) -> list[Update]:
        with self.account.ledger.read() as connection:
            return updates.open_updates(connection, self.account.name)

    # -- what the hub says ---------------------------------------------------------------------

    def states(self, hub_id: str) -> list[str]:
        """The hub's history of an invoice."""
        return [str(state) for state in self.sandbox.book.states(hub_id)]

    def patches(self, hub_id: str | None = None) -> list[str]:
        """The states of the PATCH calls that the hub got, in order."""
        return [
            request.state or ""
            for request in self.sandbox.book.requests(operation="update")
            if hub_id in (None, request.hub_id)
        ]

    def add(self, count: int = 1, **facts: Any) -> list[HubId]:
        """Let the hub have so many more invoices, without attachments unless told."""
        facts = {"attachments": False} | facts
        return [self.sandbox.book.add_invoice(**facts) for _ in range(count)]

    def served(self, count: int = 1, **facts: Any) -> list[HubId]:
        """Let the hub have so many more invoices, and bring them into the mailbox."""
        hub_ids = self.add(count, **facts)
        self.pull()
        assert all(self.out_of(hub_id) for hub_id in hub_ids)
        return hub_ids


def settings_for(
    folder: Path, sandbox: Sandbox, *, hub: dict[str, Any] | None = None, **own: Any
) -> Settings:
    """Return settings of one account that leads to a sandbox; `own` are the account's."""
    secret = folder / "hub.secret"
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(sandbox.secret)
    account = {"name": "town", "issuer": sandbox.issuer, "secret_file": secret} | own
    return Settings(
        data_dir=folder / "data",
        hub={"base_url": sandbox.base_url, "timeout": 20, **(hub or {})},  # type: ignore[arg-type]
        push={"settle": 0},  # type: ignore[arg-type]
        account=[account],  # type: ignore[arg-type]
    )


def open_office(sandbox: Sandbox, settings: Settings) -> Office:
    """Open the first account of these settings; the caller closes its ledger."""
    clock = Clock()
    own: AccountSettings = settings.account[0]
    account = open_account(settings, own, open_ledger(settings.data_dir / "ledger.db"))
    account = replace(account, clock=clock)
    return Office(sandbox=sandbox, account=account, inbound=Inbound(account), clock=clock)


@dataclass(slots=True)
class Offices:
    """Opens accounts on one folder, and closes them when the test ends."""

    sandbox: Sandbox
    folder: Path
    opened: list[Office] = field(default_factory=list)

    def __call__(self, **own: Any) -> Office:
        office = open_office(self.sandbox, settings_for(self.folder, self.sandbox, **own))
        self.opened.append(office)
        return office

    def close(self) -> None:
        for office in self.opened:
            office.account.hub.close()
            office.account.ledger.close()


@contextmanager
def no_waiting() -> Iterator[None]:
    """Let repeated downloads follow each other at once."""
    stamina.set_testing(True, attempts=3)
    try:
        yield
    finally:
        stamina.set_testing(False)


def failing(call: Callable[[], object]) -> BridgeError | None:
    """Return the error of ours that ends a call, if one does."""
    try:
        call()
    except BridgeError as error:
        return error
    return None


# -- state files, as accounting software writes them ---------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One update as a state file tells it."""

    hub_id: str = ""
    status: str | State = State.RECEIVED
    details: str = ""
    """More elements of its Feedback, as XML."""
    number: str = "F1"
    supplier: str = "B00000000"
    date: str = "2026-03-02"


def annotated(hub_id: str, register_number: str = "R-1") -> Said:
    details = f"<RcfRegNumber>{register_number}</RcfRegNumber>"
    return Said(hub_id=hub_id, status=State.ANNOTATED, details=details)


def paid(hub_id: str, day: str = "2026-04-01") -> Said:
    details = f"<PaymentDate>{day}T00:00:00</PaymentDate>"
    return Said(hub_id=hub_id, status=State.PAID, details=details)


def rejected(hub_id: str, reason: str = "import erroni") -> Said:
    details = f"<Reason><Code>01</Code><Description>{reason}</Description></Reason>"
    return Said(hub_id=hub_id, status=State.REJECTED, details=details)


def said(hub_id: str, status: str | State) -> Said:
    return Said(hub_id=hub_id, status=status)


def state_file(*updates: Said) -> bytes:
    """Write a state file of these updates, one entry each."""
    return f"<DeliveryFeedback>{''.join(map(_entry, updates))}</DeliveryFeedback>".encode()


def _entry(update: Said) -> str:
    hub = f"<HubFeedback><HubId>{update.hub_id}</HubId></HubFeedback>" if update.hub_id else ""
    return (
        f"<StatusFeedback>{hub}<InvoiceFeedback><InvoiceId>{update.number}</InvoiceId>"
        f"<Supplier><Cif>{update.supplier}</Cif></Supplier><Buyer><Cif>P0000000A</Cif></Buyer>"
        f"<InvoiceDate>{update.date}</InvoiceDate><Feedback><Status>{update.status}</Status>"
        f"<StatusDate>2026-03-05T10:00:00</StatusDate>{update.details}</Feedback>"
        "</InvoiceFeedback></StatusFeedback>"
    )


def statuses(found: Sequence[Update]) -> list[str]:
    return [str(update.status) for update in found]


def pull(office: Office) -> None:
    """Do one round of inbound with everything that is there, due or not."""
    pull_round(office.inbound, only_due=False)

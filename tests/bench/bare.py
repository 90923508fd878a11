"""The references: plain httpx loops that ask the same of the hub, as bare as they can be.

As many threads as connections, each with a client of its own (faster than one client for all), a
token for each request. Answers are trusted, nothing is checked, nothing is remembered.
"""

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jwt

from bridge.durable import sync_file, sync_folder
from tests.bench.processes import CONNECTIONS, HubProcess

MESSAGE_FRAME = 1400
"""Bytes of a state message beside its receipt."""


class BareClient:
    """Asks the hub with so many connections at once."""

    def __init__(self, hub: HubProcess) -> None:
        self._hub = hub
        self._mine = threading.local()
        self._pool = ThreadPoolExecutor(CONNECTIONS)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown()

    def each(self, do: Callable[[Any], object], items: Iterable[Any]) -> None:
        """Do all items, side by side."""
        for _ in self._pool.map(do, items):
            pass

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the body of an answer."""
        headers = {"Authorization": f"Bearer {self._token()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = self._client().request(method, path, content=body, headers=headers)
        answer.raise_for_status()
        return answer.content

    def _client(self) -> httpx.Client:
        if not hasattr(self._mine, "client"):
            self._mine.client = httpx.Client(
                base_url=self._hub.base_url,
                headers={"Accept-Encoding": "identity"},
                trust_env=False,
                verify=False,
                timeout=30,
            )
        client: httpx.Client = self._mine.client
        return client

    def _token(self) -> str:
        now = int(time.time())
        claims = {"iss": self._hub.issuer, "aud": "efact", "iat": now, "nbf": now, "exp": now + 60}
        return jwt.encode(claims, self._hub.secret, algorithm="HS256")


class BareMailbox:
    """Files on disk with the bridge's durable steps, and no ledger beside them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging, self._placing = root / "staging", root / "placing"
        self._archive = root / "archive"
        for folder in (self._staging, self._placing, self._archive):
            folder.mkdir(parents=True)
        for name in ("out", "adjout", "statout"):
            (root / name).mkdir()

    def keep(self, content: bytes) -> Path:
        """Write, sync, link into the archive, sync the file's folder there."""
        name = uuid.uuid4().hex
        staged, kept = self._staging / name, self._archive / name[:2] / name
        staged.write_bytes(content)
        kept.parent.mkdir(exist_ok=True)
        sync_file(staged)
        kept.hardlink_to(staged)
        sync_folder(kept.parent)
        staged.unlink()
        return kept

    def place(self, files: Sequence[tuple[str, str, Path]]) -> None:
        """Link into `placing`, sync it, rename one by one into the mailbox, syncing each."""
        for _, name, kept in files:
            (self._placing / name).hardlink_to(kept)
        sync_folder(self._placing)
        for folder, name, _ in files:
            (self._placing / name).rename(self._root / folder / name)
            sync_folder(self._root / folder)


def pull(client: BareClient, mailbox: BareMailbox | None) -> None:
    """Fetch all that is pending, whole; with a mailbox write the same files, else none."""
    pending = json.loads(client.ask("GET", "/factures-pendents"))["factures"]
    client.ask("GET", "/adjunts-pendents")
    client.each(lambda row: _pull_one(client, mailbox, row["id"]), pending)


def _pull_one(client: BareClient, mailbox: BareMailbox | None, hub_id: str) -> None:
    def fetch(path: str) -> Path | bytes:
        content = client.ask("GET", path)
        return mailbox.keep(content) if mailbox else content

    data = json.loads(client.ask("GET", f"/factura/{hub_id}"))
    facturae = fetch(f"/factura/{hub_id}/facturae")
    ids = [row["idAdjunt"] for row in data["adjunts"]]
    enclosed = [fetch(f"/factura/{hub_id}/adjunts/{attachment_id}") for attachment_id in ids]
    receipt = fetch(f"/factura/{hub_id}/rebut")
    if mailbox is None:
        return
    message = mailbox.keep(base64.b64encode(receipt.read_bytes()) + b" " * MESSAGE_FRAME)
    files = [
        ("adjout", attachment_id, kept) for attachment_id, kept in zip(ids, enclosed, strict=True)
    ]
    mailbox.place([*files, ("statout", f"s{hub_id}", message), ("out", hub_id, facturae)])


def send(client: BareClient, bodies: Mapping[str, Sequence[bytes]], *, ask_first: bool) -> None:
    """PATCH all invoices, each with its bodies in order; `ask_first` gets it before each."""

    def one(item: tuple[str, Sequence[bytes]]) -> None:
        hub_id, mine = item
        for body in mine:
            if ask_first:
                json.loads(client.ask("GET", f"/factura/{hub_id}"))
            client.ask("PATCH", f"/factura/{hub_id}", body)

    client.each(one, bodies.items())

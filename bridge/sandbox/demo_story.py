"""The round of the demo, step by step: each does something, waits for its effect and shows it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bridge.model import State
from bridge.naming import Folder, NameParts, Profile
from bridge.sandbox import demo_plan
from bridge.sandbox.book import CAP, Book
from bridge.sandbox.demo_display import Display
from bridge.sandbox.demo_gateway import PATIENCE, Gateway
from bridge.sandbox.demo_plan import Drop, Imported, Role
from bridge.sandbox.legacy_client import (
    Endpoint,
    Fetched,
    LegacyClient,
    collect,
    over_ftp,
    over_sftp,
)
from bridge.sandbox.server import Sandbox
from bridge.status.words import counted, safe

FOLDERS = (Folder.STATOUT, Folder.OUT, Folder.ADJOUT)
"""In the order in which the client goes through them."""

_AGREEING = ("identical", "duplicate")
"""Outcomes that are no fault of a feed: real files may hold one invoice twice."""

_SECONDS_EACH = 0.5
"""How much longer an invoice may make a wait: a folder of real ones may hold hundreds."""


@dataclass(slots=True, kw_only=True)
class Story:
    """The parts of the demo, and what the client gathers on its way."""

    sandbox: Sandbox
    gateway: Gateway
    display: Display
    fetched: list[Fetched] = field(default_factory=list)
    dropped: list[Drop] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def tell(self, facturae: Path | None) -> list[str]:
        """Go through the whole round; return what is not as it should be.

        Raises DemoError or LegacyClientError where it cannot go on.
        """
        self._show_the_hub(facturae)
        began = time.monotonic()
        with self.gateway.serving():
            self._show_the_bridge(time.monotonic() - began)
            self._collect_a_part_over_sftp()
            self._collect_the_rest_over_ftp()
            self._drop_state_files()
            self._await_their_effect()
            self._show_what_the_hub_was_told()
            self._show_the_status()
            self._compare_the_feeds()
        return self.problems

    # -- what came -----------------------------------------------------------------------------

    def _show_the_hub(self, facturae: Path | None) -> None:
        book = self._book
        whose = f"real ones from {safe(str(facturae))}" if facturae else "made up for this demo"
        self.display.title(
            "efact-bridge demo",
            "A pretend e-FACT hub, the bridge, and old accounting software, all on this",
            "machine. Nothing leaves it, and nothing stays.",
        )
        self.display.step(f"The hub has {counted(len(book.hub_ids), 'invoice')}, {whose}")
        self.display.say(
            f"It speaks REST at {self.sandbox.base_url} and delivers the same invoices "
            "a second time to an old mailbox, as during the migration."
        )
        self.display.invoices([book.invoice(hub_id) for hub_id in book.hub_ids])

    def _show_the_bridge(self, seconds: float) -> None:
        doors = self.gateway.doors
        self.display.step("The bridge starts")
        self.display.say(
            "efact-bridge serve -c efact-bridge.toml",
            f"ready after {seconds:.1f} s: SFTP on port {doors.sftp}, FTP on port {doors.ftp}",
        )

    # -- what the client saw -------------------------------------------------------------------

    def _collect_a_part_over_sftp(self) -> None:
        with over_sftp(self._sftp) as client:
            wanted = min(len(self._book.hub_ids), CAP)
            self._wait(
                f"in `out`, all of {counted(wanted, 'invoice')}",
                lambda: len(client.names(self._name(Folder.OUT))) >= wanted,
            )
            names = client.names(self._name(Folder.OUT))
            half = {self._reference(Folder.OUT, name) for name in names[: (len(names) + 1) // 2]}
            taken = [
                file
                for folder in FOLDERS
                for file in collect(
                    client,
                    self._name(folder),
                    lambda name, folder=folder: self._reference(folder, name) in half,  # type: ignore[misc]
                )
            ]
        self.display.step("The old client collects a part of them over SFTP")
        self._show_collected(taken)

    def _collect_the_rest_over_ftp(self) -> None:
        taken: list[Fetched] = []
        with over_ftp(self._ftp) as client:
            self._wait(
                "the acknowledgement of everything at the hub",
                lambda: self._nothing_is_left(client, taken),
            )
        self.display.step("It collects the rest over FTP")
        self._show_collected(taken)
        self.display.say("A file is read, then deleted: deleting is how old software acknowledges.")

    def _nothing_is_left(self, client: LegacyClient, taken: list[Fetched]) -> bool:
        """Collect what there is; tell whether nothing was due before (so nothing was missed)."""
        nothing_due = not self._book.pending and not self._book.pending_attachments
        for folder in FOLDERS:
            taken += collect(client, self._name(folder))
        return nothing_due

    def _show_collected(self, taken: list[Fetched]) -> None:
        self.display.collected(taken)
        self.fetched += taken

    # -- what it dropped -----------------------------------------------------------------------

    def _drop_state_files(self) -> None:
        self.display.step("It drops state files into statin")
        known = demo_plan.imported(self.fetched, self._profile)
        half = (len(known) + 1) // 2
        with over_sftp(self._sftp) as sftp:
            over_sftp_dropped = self._drop(sftp, known[:half], demo_plan.OVER_SFTP)
        with over_ftp(self._ftp) as ftp:
            over_ftp_dropped = self._drop(ftp, known[half:], demo_plan.OVER_FTP)
        self.display.dropped({"SFTP": over_sftp_dropped, "FTP": over_ftp_dropped})
        self.display.say(
            "Over SFTP it writes under a temporary name and renames, over FTP it writes under "
            "the final name."
        )

    def _drop(
        self, client: LegacyClient, known: tuple[Imported, ...], roles: tuple[Role, ...]
    ) -> list[Drop]:
        drops = demo_plan.drops(known, roles, self._profile, now=datetime.now(UTC))
        for drop in drops:
            client.drop(self._name(Folder.STATIN), drop.name, drop.content)
        self.dropped += drops
        return list(drops)

    # -- what the hub was told -----------------------------------------------------------------

    def _await_their_effect(self) -> None:
        refused = sum(drop.says.refused for drop in self.dropped)
        with over_ftp(self._ftp) as client:
            self._wait("every state at the hub", lambda: not self._states_to_come())
            self._wait(
                "the answer to what is refused",
                lambda: len(self._read_answers(client)) >= refused,
            )
            left = client.names(self._name(Folder.STATIN))
        if left:
            self.problems.append(f"still in statin: {', '.join(left)}")

    def _states_to_come(self) -> list[str]:
        expected = demo_plan.expected_states(self._book.hub_ids, self.dropped)
        return [
            hub_id
            for hub_id, state in expected.items()
            if self._book.invoice(hub_id).state != state
        ]

    def _read_answers(self, client: LegacyClient) -> list[tuple[str, str]]:
        for file in collect(client, self._name(Folder.STATOUT)):
            self.answers += demo_plan.refusals(file)
        return self.answers

    def _show_what_the_hub_was_told(self) -> None:
        book = self._book
        patches = [it for it in book.requests(operation="update") if it.method == "PATCH"]
        delivered = [it for it in patches if it.state == State.DELIVERED]
        enclosed = book.requests(operation="acknowledge_attachment")
        self.display.step("What the hub was told")
        self.display.say(
            f"{len(delivered)} × DELIVERED and {len(enclosed)} × DELETE of an attachment's mark, "
            "for what the client collected. Then:"
        )
        self.display.patches([it for it in patches if it not in delivered])
        if self.answers:
            self.display.say("What could not be told came back to the client in statout:")
            self.display.quote(safe(f"{hub_id} {said}") for hub_id, said in self.answers)
        expected = demo_plan.expected_states(book.hub_ids, self.dropped)
        self.display.states(expected, {hub_id: book.states(hub_id) for hub_id in expected})
        for it in (*patches, *enclosed):
            if it.code is not None:
                self.problems.append(f"the hub refused {it.method} {it.path}: {it.code}")

    # -- what the bridge says, and the two feeds -----------------------------------------------

    def _show_the_status(self) -> None:
        self.display.step("What the bridge says of itself: efact-bridge status")
        self.display.quote(self.gateway.status().splitlines())

    def _compare_the_feeds(self) -> None:
        self.display.step("Both feeds, invoice by invoice: efact-reconcile report")
        self.display.say(
            "The bridge has listened to the old mailbox all the time, and changed nothing there."
        )
        self.display.quote(self.gateway.report().splitlines())
        rows = json.loads(self.gateway.report("--format", "json", "--all"))["invoices"]
        outcomes = {row["hub_id"]: row["outcome"] for row in rows}
        agreeing = [hub_id for hub_id in self._book.hub_ids if outcomes.get(hub_id) in _AGREEING]
        self.display.say(
            f"{len(agreeing)} of {counted(len(self._book.hub_ids), 'invoice')} came by both feeds "
            "and say the same."
        )
        self.problems += [
            f"invoice {hub_id}: {outcomes.get(hub_id, 'came by neither feed')}"
            for hub_id in self._book.hub_ids
            if hub_id not in agreeing
        ]

    # -- small things --------------------------------------------------------------------------

    @property
    def _book(self) -> Book:
        return self.sandbox.book

    @property
    def _profile(self) -> Profile:
        assert self.sandbox.old_mailbox is not None
        return self.sandbox.old_mailbox.profile

    @property
    def _sftp(self) -> Endpoint:
        return self.gateway.endpoint(self.gateway.doors.sftp)

    @property
    def _ftp(self) -> Endpoint:
        return self.gateway.endpoint(self.gateway.doors.ftp)

    def _name(self, role: Folder) -> str:
        return self._profile.folder(role)

    def _reference(self, folder: Folder, name: str) -> tuple[str, str, str]:
        """Return what the names of an invoice's files have in common."""
        parts = self._profile.parse(folder, name) or NameParts(reference=name)
        return parts.sender, parts.receiver, parts.reference

    def _wait(self, what: str, reached: Callable[[], bool]) -> None:
        patience = PATIENCE + _SECONDS_EACH * len(self._book.hub_ids)
        self.gateway.wait_for(what, reached, patience=patience)

"""What the bridge is doing when it is killed, and what has to be true in the end.

A scenario brings a town hall so far that something is to be done, names the commands that do it
(the ones that are killed), and knows how to go on after the restart and what to look for.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bridge.ledger import Ledger, sides
from bridge.mailbox import CONFIRMATION
from bridge.model import FeedName, HubId, State, StateUpdate
from bridge.naming import Folder
from bridge.recorded import Recorded
from bridge.sandbox.server import Sandbox
from tests.accounts import annotated, said, state_file
from tests.crashing import CONFIG, VISIT, Crasher, Kill, Outcome
from tests.ledgers import put_ledger
from tests.old_folder import OldFolder
from tests.seen import Seen, answers, applied, check_each_once, check_files, visible


@dataclass(slots=True)
class Town:
    """One mailbox, and all that its software ever took from it."""

    crasher: Crasher
    sandbox: Sandbox
    folder: Path
    acknowledge: str
    feeds: str = ""
    """Lines of the account's settings."""
    taken: list[Seen] = field(default_factory=list)
    hub_ids: list[HubId] = field(default_factory=list)
    """The invoices that have to arrive."""
    due: dict[HubId, int] = field(default_factory=dict)
    """How many attachments come with an invoice."""

    def __post_init__(self) -> None:
        secret = self.folder / "hub.secret"
        self.folder.mkdir()
        secret.touch(mode=0o600)
        secret.write_text(self.sandbox.secret)
        (self.folder / CONFIG).write_text(
            f"""\
data_dir = "data"
keep_archive = "1d"
[hub]
base_url = "{self.sandbox.base_url}"
max_connections = 1
[push]
settle = 0
retry_initial = 0.01
[[account]]
name = "town"
issuer = "{self.sandbox.issuer}"
secret_file = "hub.secret"
acknowledge = "{self.acknowledge}"
{self.feeds}
[account.legacy]
url = "file://{self.folder}/old-mailbox"
"""
        )
        put_ledger(self.folder / "data" / "ledger.db")

    @property
    def root(self) -> Path:
        return self.folder / "data" / "mailboxes" / "town"

    def run(self, *commands: str, kill: Kill | None = None) -> Outcome:
        return self.crasher.run(self.folder, *commands, kill=kill)

    def collect(self) -> None:
        """Let the software take, and delete, whatever is there."""
        for file in visible(self.root):
            self.taken.append(file)
            (self.root / file.folder / file.name).unlink()

    def seen(self) -> list[Seen]:
        """All that the software has ever taken, and still sees."""
        return [*self.taken, *visible(self.root)]

    def drop(self, name: str, content: bytes) -> None:
        """Upload a state file."""
        (self.root / "statin" / name).write_bytes(content)

    def invoice(self, attachments: int = 0) -> HubId:
        """Let the hub have one more invoice, which has to arrive."""
        hub_id = self.sandbox.book.add_invoice(attachments=False)
        for number in range(attachments):
            self.attach(hub_id, f"{number}.pdf")
        self.hub_ids.append(hub_id)
        self.due[hub_id] = attachments
        return hub_id

    def attach(self, hub_id: HubId, name: str) -> None:
        content = f"%PDF- {name} of {hub_id}".encode() * 20
        self.sandbox.book.add_attachment(hub_id, name, content)

    def states(self, hub_id: HubId) -> list[str]:
        """What the RCF's side made of an invoice at the hub."""
        return [str(state) for state in self.sandbox.book.states(hub_id)][2:]

    def check_files(self) -> None:
        check_files(self.sandbox.book, self.seen(), self.due)

    def check_each_once(self) -> None:
        check_each_once(self.sandbox.book, self.seen(), self.hub_ids)

    def check_applied_once(self) -> None:
        """No write took effect at the hub a second time."""
        assert max(applied(self.sandbox.book).values(), default=1) == 1


Act = Callable[[Town], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing that the bridge does."""

    arrange: Act
    """Everything that came before."""
    commands: tuple[str, ...]
    """In which it is killed."""
    go_on: Act
    """The restart, what follows, and what has to be true then."""
    acknowledge: str = "collected"
    feeds: str = ""


def go_on_in(town: Town) -> None:
    """Everything arrives, is collected and acknowledged, each once."""
    town.check_files()
    town.run("pull", "push")
    town.check_files()
    town.check_each_once()
    town.collect()
    town.run("push", "pull", "verify")
    town.check_each_once()
    for hub_id in town.hub_ids:
        assert town.states(hub_id) == ["DELIVERED"]
    assert not set(town.sandbox.book.pending) & set(town.hub_ids)
    assert not town.sandbox.book.pending_attachments
    town.check_applied_once()


# -- a first pull: nothing is there yet, not even the ledger ---------------------------------------


def nothing_yet(town: Town) -> None:
    shutil.rmtree(town.folder / "data")
    town.invoice()
    town.invoice(attachments=2)


# -- a pull among others: some was collected, something comes late, something is broken ------------


def a_usual_day(town: Town) -> None:
    early, _ = town.invoice(), town.invoice(attachments=1)
    town.run("pull")
    town.collect()
    town.attach(early, "late.pdf")
    town.invoice(attachments=1)
    broken = town.sandbox.book.add_invoice(attachments=False, facturae=b"<html>")
    assert broken not in town.hub_ids


def go_on_while_it_collects(town: Town) -> None:
    """The software does not wait for the bridge to come back."""
    town.check_files()
    town.collect()
    go_on_in(town)


# -- a push of state files, good and bad ones ------------------------------------------------------


def state_files(town: Town) -> None:
    one, two = town.invoice(attachments=1), town.invoice()
    three = town.sandbox.book.add_invoice(attachments=False, registered=False)
    town.run("pull", "push")
    town.collect()
    town.hub_ids.append(three)
    content = state_file(annotated(one), said(one, "RECEIVED"), said(two, "CANCELED"))
    town.drop("1.XML", content)
    town.drop("2.XML", state_file(said(one, "ACCEPTED"), annotated(two)))
    town.drop("3.XML", b"broken")
    town.drop("4.XML", content.replace(b"<Status>", b"<Status> "))
    town.drop("5.XML", content)
    town.drop("6.XML", state_file(annotated(three)))
    uploads = town.folder / "data" / "staging" / "uploads" / "town" / "token.statin"
    uploads.mkdir(parents=True)
    (uploads / "7.XML").write_bytes(content[:100])


def go_on_pushing(town: Town) -> None:
    """Every update took effect once and in order, every no was answered once."""
    town.run("cut-off 7.XML", "push", "push")
    assert list((town.root / "statin").iterdir()) == []
    assert not list((town.folder / "data" / "staging" / "uploads" / "town").rglob("*.XML"))
    one, two, _ = town.hub_ids
    assert town.states(one) == ["ANNOTATED", "RECEIVED", "ACCEPTED", "ANNOTATED", "RECEIVED"]
    assert town.states(two) == ["ANNOTATED"]
    assert answers(town.seen()) == {"BR04": 3, "BR01": 1, "3005": 1}
    town.check_each_once()
    assert not town.sandbox.book.pending_attachments
    town.run("push", "pull", "verify")
    assert answers(town.seen()) == {"BR04": 3, "BR01": 1, "3005": 1}


# -- a refused update that is queued again ---------------------------------------------------------


def a_refused_update(town: Town) -> None:
    hub_id = town.sandbox.book.add_invoice(attachments=False, registered=False)
    town.run("pull")
    town.drop("1.XML", state_file(annotated(hub_id)))
    town.run("push")
    assert answers(town.seen()) == {"3005": 1}
    town.sandbox.book.register(hub_id, "R/1")
    town.hub_ids.append(hub_id)


def go_on_retrying(town: Town) -> None:
    town.run("retry --all", "push", "verify")
    assert town.states(town.hub_ids[0]) == ["ANNOTATED"]
    assert answers(town.seen()) == {"3005": 1}
    town.check_applied_once()
    town.check_each_once()


# -- a staging folder that somebody emptied while files were on their way through it ---------------


def emptied_staging(town: Town) -> None:
    town.invoice(attachments=1)
    killed = town.run("pull", kill=Kill(step="rename in mailbox.Mailbox.show", nth=2))
    assert killed.killed
    shutil.rmtree(town.folder / "data" / "staging")


# -- a folder put in the place of another, with files missing that the operator vouches for --------


def a_replaced_folder(town: Town) -> None:
    town.invoice()
    town.invoice()
    town.run("pull")
    out = town.root / "out"
    first = min(visible(town.root), key=lambda seen: seen.folder != "out")
    town.taken.append(first)
    (out / first.name).unlink()
    shutil.copytree(out, town.folder / "copy")
    shutil.rmtree(out)
    (town.folder / "copy").rename(out)
    (town.root / CONFIRMATION).touch()


def go_on_confirming(town: Town) -> None:
    """Whoever is asked once more confirms once more."""
    town.run("pull")
    if CONFIRMATION in (town.folder / "said").read_text():
        (town.root / CONFIRMATION).touch()
    go_on_in(town)


# -- a day on which the hub fails whatever can fail ------------------------------------------------


def a_bad_day(town: Town) -> None:
    book = town.sandbox.book
    one, two = town.invoice(), town.invoice(attachments=1)
    town.run("pull")
    town.collect()
    town.attach(one, "late.pdf")
    three = town.invoice()
    town.drop("1.XML", state_file(annotated(one), said(one, "RECEIVED"), said(one, "ACCEPTED")))
    town.drop("2.XML", state_file(said(three, "RECEIVED")))
    book.faults.fail("extra", operation="pending_invoices")
    book.faults.fail(operation="attachment")
    book.faults.fail(operation="acknowledge_attachment")
    book.faults.fail(operation="update", hub_id=two, state="DELIVERED")
    book.faults.fail(operation="update", hub_id=three, state="DELIVERED", applied=True)
    book.faults.fail(operation="update", hub_id=one, state="RECEIVED")
    book.faults.fail(operation="update", hub_id=one, state="ACCEPTED", code=1012)


def go_on_when_all_is_well(town: Town) -> None:
    town.sandbox.book.faults.clear()
    town.check_files()
    town.run("pull", "push", "push")
    town.collect()
    town.run("pull", "push", "push", "verify")
    one, two, three = town.hub_ids
    own = [state for state in town.states(one) if state != "DELIVERED"]
    assert own == ["ANNOTATED", "RECEIVED", "ACCEPTED"]
    assert town.states(two) == ["DELIVERED"]
    assert town.states(three) == ["DELIVERED", "RECEIVED"]
    town.check_each_once()
    town.check_applied_once()
    assert not answers(town.seen())
    assert not town.sandbox.book.pending
    assert not town.sandbox.book.pending_attachments


# -- a hub that asks for a pause, a short one, and answers after it --------------------------------


def a_busy_hub(town: Town) -> None:
    town.invoice()
    town.sandbox.book.faults.fail("busy", operation="pending_invoices", seconds=0)


def go_on_answered(town: Town) -> None:
    town.sandbox.book.faults.clear()
    go_on_in(town)


# -- a ledger that comes out of an old backup ------------------------------------------------------


def an_old_ledger(town: Town) -> None:
    one, two = town.invoice(attachments=1), town.invoice()
    town.run("pull")
    ledger, backup = town.folder / "data" / "ledger.db", town.folder / "backup"
    with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(backup)) as copy:
        source.backup(copy)
    town.collect()
    town.drop("1.XML", state_file(annotated(one), said(two, "CANCELED")))
    town.run("push", "push")
    for path in ledger.parent.glob("ledger.db*"):
        path.unlink()
    backup.rename(ledger)


def go_on_remembering(town: Town) -> None:
    """Nothing is served, sent or answered once more; what is new has a name of its own."""
    town.drop("2.XML", b"broken")
    town.run("pull", "push")
    town.run("pull", "push", "verify")
    one, two = town.hub_ids
    assert [state for state in town.states(one) if state != "DELIVERED"] == ["ANNOTATED"]
    assert town.states(two) == ["DELIVERED"]
    town.check_each_once()
    town.check_applied_once()
    assert answers(town.seen()) == {"BR04": 1, "BR01": 1}


# -- everything comes out of an old backup, the mailbox too ----------------------------------------


def an_old_backup(town: Town) -> None:
    town.invoice(attachments=1)
    town.run("pull")
    data, backup = town.folder / "data", town.folder / "backup"
    shutil.copytree(data, backup)
    town.collect()
    town.run("push", "push")
    shutil.rmtree(data)
    backup.rename(data)
    (town.root / CONFIRMATION).touch()


def go_on_taking_back(town: Town) -> None:
    """What the software had taken does not stay on offer."""
    town.run("pull", "push")
    if CONFIRMATION in (town.folder / "said").read_text():
        (town.root / CONFIRMATION).touch()
    town.run("pull", "push", "verify")
    town.check_each_once()
    town.check_applied_once()


# -- a file that comes back after it was collected -------------------------------------------------


def a_file_put_back(town: Town) -> None:
    town.invoice()
    town.run("pull")
    town.collect()
    town.run("push")
    for file in town.taken:
        (town.root / file.folder / file.name).write_bytes(file.content)


def go_on_without_it(town: Town) -> None:
    town.run("pull", "push", "verify")
    assert visible(town.root) == []
    town.check_each_once()
    town.check_applied_once()


# -- starts after a kill, which have something to mend ---------------------------------------------


def a_broken_off_pull(town: Town) -> None:
    a_usual_day(town)
    kill = Kill(step="commit in inbound.placing._note_shown")
    assert town.run("pull", kill=kill).killed
    town.collect()


def a_broken_off_push(town: Town) -> None:
    state_files(town)
    kill = Kill(step="rename in statin.Statin._remove", nth=2)
    assert town.run("push", kill=kill).killed


# -- an old mailbox to learn from, before the first pull -----------------------------------------


def an_old_mailbox(town: Town) -> None:
    town.invoice(attachments=1)
    town.run("pull")
    for file in visible(town.root):
        town.taken.append(file)
    town.root.rename(town.folder / "old")
    (town.folder / "old" / ".efact-bridge").unlink()
    shutil.rmtree(town.folder / "data")


def go_on_learning(town: Town) -> None:
    """What the archive of the old mailbox shows is not served once more."""
    town.run("learn old", "pull", "push", "verify")
    town.check_each_once()
    assert town.states(town.hub_ids[0]) == ["DELIVERED"]
    town.check_applied_once()


# -- an archive with files that nothing needs any more ---------------------------------------------


def an_old_archive(town: Town) -> None:
    town.invoice(attachments=1)
    town.run("pull")
    town.collect()
    town.invoice()
    town.run("pull", "push")


def go_on_removing(town: Town) -> None:
    """What was not collected, or not acknowledged, is still there."""
    town.run("remove-outdated", "verify")
    go_on_in(town)
    town.run("remove-outdated", "verify")


# -- a client at a door: what it was told to be done is done ---------------------------------------


def no_client_yet(town: Town) -> None:
    town.run("pull")


def go_on_visiting(town: Town) -> None:
    """What was confirmed is there; what was under way is there or not, but never by half."""
    done = town.folder / "done"
    count = len(done.read_text()) if done.exists() else 0
    before = VISIT[count - 1].after if count else {}
    after = VISIT[count].after if count < len(VISIT) else before
    statin = {path.name: path.read_text() for path in (town.root / "statin").iterdir()}
    for name, content in statin.items():
        assert content in (before.get(name), after.get(name))
    for name in before.keys() & after.keys():
        assert name in statin


# -- listening to the old mailbox: something is new, changed, gone, late, broken -------------------


def an_old_mailbox_at_work(town: Town) -> None:
    old = OldFolder(town.folder / "old-mailbox", town.sandbox.book)
    one, two, three = town.invoice(attachments=1), town.invoice(), town.invoice()
    old.deliver(one, two)
    town.run("record legacy")
    old.invoice(two).unlink()
    town.run("record legacy")
    path = old.invoice(one)
    path.write_bytes(path.read_bytes() + b"\n")
    old.deliver(three, folders=(Folder.OUT,))
    old.deliver(three, folders=(Folder.STATOUT,))
    (old.root / "out" / "A@B@C@4100.XML").symlink_to(path)


def go_on_listening(town: Town) -> None:
    """Each invoice is known with its registration; what changed is kept twice, what is gone is."""
    old = OldFolder(town.folder / "old-mailbox", town.sandbox.book)
    shown = old.everything()
    town.run("record legacy", "record legacy", "verify")
    assert old.everything() == shown
    one, two, three = (found_in(town, FeedName.LEGACY)[hub_id] for hub_id in town.hub_ids)
    assert all(it.digest and it.registration_number and it.receipt for it in (one, two, three)), (
        one,
        two,
        three,
    )
    assert (len(one.others), len(one.attachments)) == (1, 1)
    assert two.gone_at is not None
    assert three.gone_at is None


def found_in(town: Town, feed: FeedName) -> dict[HubId, Recorded]:
    """What was recorded of a feed."""
    ledger = Ledger(town.folder / "data" / "ledger.db")
    with closing(ledger), ledger.read() as connection:
        return {it.hub_id: it for it in sides.of_feed(connection, "town", feed)}


# -- listening to the hub: a late attachment, a broken invoice, one that is gone -------------------


def a_hub_to_listen_to(town: Town) -> None:
    one, two = town.invoice(), town.invoice(attachments=1)
    town.run("record rest")
    town.sandbox.book.set_state(two, StateUpdate(state=State.DELIVERED))
    town.run("record rest")
    town.attach(one, "late.pdf")
    town.attach(one, "broken.pdf")
    town.invoice()
    town.invoice(attachments=1)
    town.sandbox.book.add_invoice(attachments=False, facturae=b"<html>")
    town.sandbox.book.faults.fail(operation="attachment", times=2)


def go_on_listening_to_the_hub(town: Town) -> None:
    """All is recorded, and the hub was told nothing."""
    town.sandbox.book.faults.clear()
    town.run("record rest", "record rest", "verify")
    found = [found_in(town, FeedName.REST)[hub_id] for hub_id in town.hub_ids]
    assert all(it.digest and it.registration_number and it.receipt for it in found)
    assert [len(it.attachments) for it in found] == [2, 1, 0, 1]
    assert all(enclosed.digest for it in found for enclosed in it.attachments)
    assert found[1].gone_at is not None
    assert {request.method for request in town.sandbox.book.journal} == {"GET"}


SCENARIOS: dict[str, Scenario] = {
    "first pull": Scenario(
        arrange=nothing_yet, commands=("pull", "push"), go_on=go_on_in, acknowledge="stored"
    ),
    "usual day": Scenario(
        arrange=a_usual_day, commands=("pull", "push"), go_on=go_on_while_it_collects
    ),
    "state files": Scenario(
        arrange=state_files,
        commands=("cut-off 7.XML", "push"),
        go_on=go_on_pushing,
        acknowledge="never",
    ),
    "retry": Scenario(
        arrange=a_refused_update,
        commands=("retry --all", "push"),
        go_on=go_on_retrying,
        acknowledge="never",
    ),
    "emptied staging": Scenario(arrange=emptied_staging, commands=("pull",), go_on=go_on_in),
    "replaced folder": Scenario(
        arrange=a_replaced_folder, commands=("pull",), go_on=go_on_confirming
    ),
    "bad day": Scenario(
        arrange=a_bad_day,
        commands=("pull", "push", "push", "push"),
        go_on=go_on_when_all_is_well,
    ),
    "busy hub": Scenario(arrange=a_busy_hub, commands=("pull", "pull"), go_on=go_on_answered),
    "old ledger": Scenario(
        arrange=an_old_ledger, commands=("pull", "push"), go_on=go_on_remembering
    ),
    "old backup": Scenario(
        arrange=an_old_backup, commands=("pull", "push"), go_on=go_on_taking_back
    ),
    "file put back": Scenario(arrange=a_file_put_back, commands=("pull",), go_on=go_on_without_it),
    "broken off pull": Scenario(
        arrange=a_broken_off_pull, commands=("pull", "push"), go_on=go_on_while_it_collects
    ),
    "broken off push": Scenario(
        arrange=a_broken_off_push,
        commands=("cut-off 7.XML", "push"),
        go_on=go_on_pushing,
        acknowledge="never",
    ),
    "learning": Scenario(
        arrange=an_old_mailbox, commands=("learn old", "pull"), go_on=go_on_learning
    ),
    "retention": Scenario(
        arrange=an_old_archive, commands=("remove-outdated", "verify"), go_on=go_on_removing
    ),
    "listening": Scenario(
        arrange=an_old_mailbox_at_work,
        commands=("record legacy",),
        go_on=go_on_listening,
        feeds='shadow = "legacy"',
    ),
    "listening to the hub": Scenario(
        arrange=a_hub_to_listen_to,
        commands=("record rest",),
        go_on=go_on_listening_to_the_hub,
        feeds='serve = "legacy"\nshadow = "rest"',
    ),
    "client at the door": Scenario(
        arrange=no_client_yet, commands=("visit",), go_on=go_on_visiting
    ),
}


def forget(sandbox: Sandbox) -> None:
    """Take everything off the hub's lists and its journal: the next town starts with nothing."""
    for hub_id in sandbox.book.pending:
        sandbox.book.set_state(hub_id, StateUpdate(state=State.DELIVERED))
    for attachment_id in sandbox.book.pending_attachments:
        sandbox.book.acknowledge_attachment(attachment_id)
    sandbox.book.clear_journal()

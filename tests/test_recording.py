"""Recording a shadow feed: `record`, `serve` and `status`, and a hub that is only asked."""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import HubAwayError
from bridge.model import FeedName, State, StateUpdate
from bridge.recording import FeedRecorder, Round
from bridge.sandbox.book import CAP
from bridge.sandbox.server import Sandbox
from bridge.upkeep.retention import remove_outdated
from tests.accounts import Offices, failing
from tests.gateway import COMMAND, PATIENCE, Gateway, Result, install
from tests.old_folder import Listener, OldFolder

RECONCILE = COMMAND.with_name("efact-reconcile")
REST = FeedName.REST


@pytest.fixture
def old(tmp_path: Path, sandbox: Sandbox) -> OldFolder:
    return OldFolder(tmp_path / "old", sandbox.book)


@pytest.fixture
def listener(open_account: Offices, old: OldFolder) -> Listener:
    """An account whose mailbox the old FTP fills, so that the hub is only listened to."""
    return Listener(open_account(serve="legacy", shadow="rest", legacy={"url": old.url}))


def recorded(listener: Listener, *, only_due: bool = False) -> Round:
    listener.office.account.circuit.close()
    return FeedRecorder(listener.office.account).round(REST, only_due=only_due)


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
    return found


# -- the hub as a shadow feed ---------------------------------------------------------------------


def test_what_the_hub_lists_is_recorded_whole_and_it_is_told_nothing(
    sandbox: Sandbox, listener: Listener
) -> None:
    hub_id = sandbox.book.add_invoice(attachments=False)
    sandbox.book.add_attachment(hub_id, "plec.pdf", b"%PDF-1")
    assert recorded(listener).recorded == 1
    held, found = sandbox.book.held(hub_id), listener.one(hub_id, REST)
    assert found.registration_number == held.invoice.registration_number
    assert [it.name for it in found.attachments] == ["plec.pdf"]
    assert None not in (found.digest, found.receipt, found.attachments[0].digest, found.name)
    assert {request.method for request in sandbox.book.journal} == {"GET"}
    assert hub_id in sandbox.book.pending
    assert listener.verified() == []


def test_nothing_of_a_shadow_feed_comes_into_the_mailbox(
    sandbox: Sandbox, listener: Listener
) -> None:
    sandbox.book.add_invoice()
    recorded(listener)
    root = listener.office.account.mailbox.root
    assert not root.exists() or not list(root.rglob("*@*"))


def test_one_poisoned_invoice_stops_no_other_and_is_tried_again(
    sandbox: Sandbox, listener: Listener
) -> None:
    good = sandbox.book.add_invoice(attachments=False)
    bad = sandbox.book.add_invoice(attachments=False, facturae=b"<html>")
    done = recorded(listener)
    assert (done.recorded, len(done.troubles)) == (1, 1)
    assert listener.one(good, REST).digest
    assert listener.one(bad, REST).unreadable
    assert recorded(listener, only_due=True).troubles == ()
    listener.office.clock.pass_by(hours=2)
    assert len(recorded(listener, only_due=True).troubles) == 1
    assert listener.verified() == []


def test_a_late_attachment_is_recorded_with_its_invoice(
    sandbox: Sandbox, listener: Listener
) -> None:
    hub_id = sandbox.book.add_invoice(attachments=False)
    recorded(listener)
    sandbox.book.add_attachment(hub_id, "late.pdf", b"%PDF-late")
    recorded(listener)
    (late,) = listener.one(hub_id, REST).attachments
    assert late.digest is not None
    assert listener.verified() == []


def test_an_invoice_that_the_hub_lists_no_longer_is_gone_after_a_second_look(
    sandbox: Sandbox, listener: Listener
) -> None:
    hub_id, other = sandbox.book.add_invoice(), sandbox.book.add_invoice()
    recorded(listener)
    sandbox.book.set_state(hub_id, StateUpdate(state=State.DELIVERED))
    assert recorded(listener).gone == 0
    assert recorded(listener).gone == 1
    assert listener.one(hub_id, REST).gone_at is not None
    assert listener.one(other, REST).gone_at is None
    assert listener.verified() == []


def test_a_list_that_is_suddenly_empty_is_told_and_not_believed(
    sandbox: Sandbox, listener: Listener
) -> None:
    hub_id = sandbox.book.add_invoice()
    recorded(listener)
    sandbox.book.set_state(hub_id, StateUpdate(state=State.DELIVERED))
    assert recorded(listener).vanished == 1
    assert listener.one(hub_id, REST).gone_at is None


def test_a_capped_list_is_said_and_lets_nothing_be_gone(
    sandbox: Sandbox, listener: Listener
) -> None:
    first = sandbox.book.add_invoice(attachments=False)
    recorded(listener)
    sandbox.book.set_state(first, StateUpdate(state=State.DELIVERED))
    for _ in range(CAP + 1):
        sandbox.book.add_invoice(attachments=False, receiver_nif="P0801900B")
    sandbox.book.faults.fail(code=2001, operation="invoice", times=None)
    assert recorded(listener).capped_slices
    recorded(listener, only_due=True)
    assert listener.one(first, REST).gone_at is None


def test_a_hub_that_is_away_prolongs_no_span(sandbox: Sandbox, listener: Listener) -> None:
    recorded(listener)
    sandbox.stop()
    assert isinstance(failing(lambda: recorded(listener)), HubAwayError)
    (span,) = listener.spans(REST)
    assert (span.listings, bool(span.said)) == (1, True)
    sandbox.start()


def test_the_serving_feeds_polls_make_a_span_too(sandbox: Sandbox, open_account: Offices) -> None:
    office = open_account()
    office.pull()
    office.pull()
    assert [span.listings for span in Listener(office).spans(REST)] == [2]


def test_keep_archive_removes_nothing_while_both_feeds_are_recorded(
    sandbox: Sandbox, open_account: Offices, old: OldFolder
) -> None:
    office = open_account(shadow="legacy", legacy={"url": old.url})
    account = office.account
    settings = account.settings.model_copy(update={"keep_archive": 1.0})
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.push()
    office.clock.pass_by(days=400)
    assert remove_outdated(replace(account, settings=settings)) == 0


# -- the commands ---------------------------------------------------------------------------------


def reconcile(gateway: Gateway, *arguments: str) -> Result:
    done = subprocess.run(
        [str(RECONCILE), arguments[0], "-c", str(gateway.config), *arguments[1:]],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def both() -> Iterator[Sandbox]:
    """A hub with the old mailbox beside it."""
    with Sandbox(invoices=3, old_mailbox=True) as running:
        yield running


def legacy_of(sandbox: Sandbox, folder: Path, *, password: str | None = None) -> str:
    """The lines of an account that listens to the old mailbox."""
    old = sandbox.old_mailbox
    assert old is not None
    secret = folder / "old-ftp.password"
    secret.write_text(old.password if password is None else password)
    secret.chmod(0o600)
    return f"""\
shadow = "legacy"
[account.legacy]
url = "{old.url}"
password_file = "old-ftp.password"
host_key = "{old.host_key}"
"""


def test_record_says_what_it_recorded_and_changes_nothing(both: Sandbox, tmp_path: Path) -> None:
    gateway = install(tmp_path, both, account=legacy_of(both, tmp_path))
    assert both.old_mailbox is not None
    before = sorted(path.name for path in both.old_mailbox.root.rglob("*"))
    done = reconcile(gateway, "record", "--account", "ajuntament")
    assert (done.code, done.err) == (0, "")
    assert "ajuntament: legacy: " in done.out
    assert "3 deliveries recorded" in done.out
    assert sorted(path.name for path in both.old_mailbox.root.rglob("*")) == before
    shadow = gateway.status()["accounts"][0]["shadow_feed"]
    assert shadow["deliveries"] == {"seen": 0, "fetched": 3}
    assert gateway.run("verify").code == 0


def test_record_ends_with_3_when_the_old_mailbox_is_out_of_reach(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    account = f'shadow = "legacy"\n[account.legacy]\nurl = "file://{tmp_path}/nowhere"\n'
    gateway = install(tmp_path, sandbox, account=account)
    done = reconcile(gateway, "record")
    assert done.code == 3
    assert done.err.startswith("efact-reconcile: ajuntament: ")
    shadow = gateway.status()["accounts"][0]["shadow_feed"]
    assert "nowhere" in shadow["trouble"]


def test_record_refuses_an_account_that_the_settings_do_not_have(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    gateway = install(tmp_path, sandbox)
    assert reconcile(gateway, "record", "--account", "other").code == 2


def test_record_says_so_where_there_is_nothing_to_record(sandbox: Sandbox, tmp_path: Path) -> None:
    done = reconcile(install(tmp_path, sandbox), "record")
    assert (done.code, "nothing to record" in done.out) == (0, True)


def test_serve_listens_to_the_shadow_feed_and_record_may_run_beside_it(
    both: Sandbox, tmp_path: Path
) -> None:
    gateway = install(tmp_path, both, account=legacy_of(both, tmp_path))

    def fetched() -> int:
        shadow = gateway.status()["accounts"][0]["shadow_feed"]
        return int(shadow["deliveries"]["fetched"])

    with gateway.serving():
        wait_for(lambda: fetched() == 3)
        both.book.add_invoice()
        assert reconcile(gateway, "record").code == 0
        wait_for(lambda: fetched() == 4)
    assert gateway.run("verify").code == 0
    text = gateway.run("status").out
    assert "4 deliveries recorded" in text


def test_an_old_mailbox_that_refuses_us_does_not_stop_the_serving_feed(
    both: Sandbox, tmp_path: Path
) -> None:
    account = legacy_of(both, tmp_path, password="wrong")
    gateway = install(tmp_path, both, account=account)
    assert reconcile(gateway, "record").code == 1
    assert gateway.run("pull").code == 0
    shadow = gateway.status()["accounts"][0]["shadow_feed"]
    assert shadow["last_listing"] is None
    assert shadow["trouble"]


def test_record_only_asks_a_hub_that_is_the_shadow(both: Sandbox, tmp_path: Path) -> None:
    feeds = legacy_of(both, tmp_path).replace('"legacy"', '"rest"', 1)
    gateway = install(tmp_path, both, account=f'serve = "legacy"\n{feeds}')
    done = reconcile(gateway, "record")
    assert (done.code, done.err) == (0, "")
    assert "ajuntament: rest: 3 pending invoices listed, 3 deliveries recorded" in done.out
    assert {request.method for request in both.book.journal} == {"GET"}

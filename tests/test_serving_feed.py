"""Which feed serves, who says so, and what another one's deliveries mean after a move.

The old mailbox's part is written into the ledger here; `test_legacy_serving.py` has a real one.
"""

import pytest

from bridge.doctor import Verdict, examine
from bridge.ledger import attachments, deliveries, new_attachments, serving
from bridge.ledger.serving import Feeds
from bridge.model import Attachment, DeliveryState, FeedName, HubId, PendingInvoice
from bridge.running.worker import Worker
from bridge.status import look
from bridge.status.findings import findings
from bridge.upkeep.verifying import verify
from tests.accounts import Office, Offices, annotated, failing, state_file
from tests.door_rig import wait_until
from tests.test_worker import at_work

REST = Feeds(serve=FeedName.REST, shadow=FeedName.LEGACY)
LEGACY = Feeds(serve=FeedName.LEGACY, shadow=FeedName.REST)


def move(office: Office, feeds: Feeds) -> None:
    with office.account.ledger.write() as connection:
        serving.change_serving(
            connection,
            office.account.name,
            serve=feeds.serve,
            shadow=feeds.shadow,
            actor="operator",
            at=office.clock(),
        )


def row_of(office: Office, feed: FeedName, hub_id: HubId) -> deliveries.Delivery:
    with office.account.ledger.read() as connection:
        row = deliveries.of_feed(connection, office.account.name, feed, hub_id)
    assert row is not None
    return row


def had_through_old_mailbox(office: Office, *hub_ids: HubId) -> None:
    """The software has collected these in the old mailbox."""
    name, now = office.account.name, office.clock()
    rows = [PendingInvoice(hub_id=hub_id) for hub_id in hub_ids]
    with office.account.ledger.write() as connection:
        deliveries.see(connection, name, FeedName.LEGACY, rows, at=now)
        for hub_id in hub_ids:
            row = deliveries.of_feed(connection, name, FeedName.LEGACY, hub_id)
            assert row is not None
            deliveries.had_before(connection, row.id, at=now)


def lies_through_old_mailbox(office: Office, hub_id: HubId) -> None:
    """The old mailbox's file of this invoice stands in ours."""
    name, now = office.account.name, office.clock()
    contents = deliveries.Contents(digest="0" * 64)  # type: ignore[arg-type]
    with office.account.ledger.write() as connection:
        deliveries.see(connection, name, FeedName.LEGACY, [PendingInvoice(hub_id=hub_id)], at=now)
        row = deliveries.of_feed(connection, name, FeedName.LEGACY, hub_id)
        assert row is not None
        deliveries.fetched(connection, row.id, contents, name="old", at=now)
        deliveries.placed(connection, name, FeedName.LEGACY, hub_id, at=now)


def faults(office: Office) -> list[str]:
    account = office.account
    checks = verify(account.ledger, account.settings.data_dir, account.name)
    return [check.said for check in checks if not check.right]


# -- who says which feed serves --------------------------------------------------------------------


def test_the_settings_say_it_before_the_first_move(office: Office) -> None:
    assert office.account.feeds() == Feeds(serve=FeedName.REST, shadow=None)


def test_the_ledger_says_it_after_a_move_and_after_a_restart(open_account: Offices) -> None:
    move(open_account(), LEGACY)
    assert open_account().account.feeds() == LEGACY


def test_no_feed_may_serve_at_all(office: Office) -> None:
    move(office, Feeds(serve=None, shadow=FeedName.REST))
    office.add()
    assert office.pull().new == 0
    assert not office.names("out")


def test_a_ledger_that_was_lost_knows_the_move_from_its_journal(open_account: Offices) -> None:
    office = open_account()
    office.pull()
    move(office, LEGACY)
    office.account.ledger.close()
    for path in office.account.ledger.path.parent.glob("ledger.db*"):
        path.unlink()
    again = open_account()
    again.push()
    assert again.account.feeds() == LEGACY
    assert faults(again) == []


def test_verify_finds_a_move_that_no_event_tells(office: Office) -> None:
    office.pull()
    move(office, LEGACY)
    assert faults(office) == []
    with office.account.ledger.write() as connection:
        serving.note_serving(connection, office.account.name, REST, at=office.clock())
    assert any("serving_feed" in said for said in faults(office))


def test_status_says_that_the_settings_name_another_feed(office: Office) -> None:
    office.pull()
    move(office, LEGACY)
    account = office.account
    status = look(account.settings, account.ledger, now=office.clock())
    (said,) = [found.what for found in findings(status) if "settings say" in found.what]
    assert 'serve = "legacy", shadow = "rest"' in said
    assert 'serve = "rest", shadow = ""' in said


def test_status_does_not_ask_for_a_setting_that_is_refused(office: Office) -> None:
    office.pull()
    move(office, Feeds(serve=None, shadow=FeedName.REST))
    account = office.account
    status = look(account.settings, account.ledger, now=office.clock())
    (said,) = [found.advice for found in findings(status) if "settings say" in found.what]
    assert "Leave the settings" in said


def test_check_says_that_the_settings_name_another_feed(office: Office) -> None:
    move(office, LEGACY)
    said = [it for it in examine(office.account.settings) if it.what == "account town: feeds"]
    assert [it.verdict for it in said] == [Verdict.WARNING]
    assert 'serve = "legacy", shadow = "rest"' in said[0].said


def test_serve_follows_a_move_without_a_restart(open_account: Offices) -> None:
    office = open_account()
    office.pull()
    move(office, LEGACY)
    settings = office.account.settings.model_copy(
        update={"pull": office.account.settings.pull.model_copy(update={"interval": 3600})}
    )
    with at_work(settings) as (worker,):
        hub_id = office.sandbox.book.add_invoice(attachments=False)
        wait_until(lambda: polled(worker), "it has looked once")
        move(office, REST)
        wait_until(lambda: bool(office.out_of(hub_id)), "the invoice came by REST")


def polled(worker: Worker) -> bool:
    return worker.account.mailbox.root.is_dir()


# -- what a shadow is told ---------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["stored", "collected", "never"])
def test_the_hub_is_told_nothing_while_the_old_mailbox_serves(
    open_account: Offices, policy: str
) -> None:
    away = {"url": "file:///nowhere/at/all"}
    office = open_account(acknowledge=policy, legacy=away)
    one, two = office.add(), office.add()
    office.sandbox.book.add_attachment(one[0], "a.pdf", b"%PDF a")
    office.pull()
    office.sandbox.book.clear_journal()
    office.drop("1.XML", state_file(annotated(two[0])))
    move(office, LEGACY)
    office.collect(one[0], two[0])
    for path in office.folder("adjout").iterdir():
        path.unlink()
    office.pull()
    failing(office.push)
    assert office.patches() == []
    assert not office.sandbox.book.requests(operation="acknowledge_attachment")


# -- what one feed delivered, once the other serves ------------------------------------------------


def test_an_invoice_collected_in_the_old_mailbox_is_acknowledged_at_the_hub_after_the_move(
    office: Office,
) -> None:
    (hub_id,) = office.add()
    office.pull()
    (hub_id,) = office.add()
    move(office, LEGACY)
    had_through_old_mailbox(office, hub_id)
    office.push()
    assert office.patches() == []
    move(office, REST)
    office.pull()
    office.push()
    assert office.out_of(hub_id) == []
    assert office.patches(hub_id) == ["DELIVERED"]


def test_what_was_recorded_only_is_placed_once_its_feed_serves(office: Office) -> None:
    (hub_id,) = office.served()
    (other,) = office.add()
    account, now = office.account, office.clock()
    contents = deliveries.Contents(digest=office.digest(hub_id))
    with account.ledger.write() as connection:
        row = PendingInvoice(hub_id=other)
        deliveries.see(connection, account.name, FeedName.REST, [row], at=now)
        recorded = deliveries.of_feed(connection, account.name, FeedName.REST, other)
        assert recorded is not None
        deliveries.fetched(connection, recorded.id, contents, name="recorded", at=now)
    move(office, REST)
    assert row_of(office, FeedName.REST, other).state is DeliveryState.SEEN
    assert row_of(office, FeedName.REST, hub_id).state is DeliveryState.PLACED
    office.pull()
    assert office.out_of(other)


def test_an_invoice_that_lies_in_the_mailbox_since_before_the_move_is_not_placed_beside(
    office: Office,
) -> None:
    (hub_id,) = office.add()
    office.pull()
    (hub_id,) = office.add()
    lies_through_old_mailbox(office, hub_id)
    move(office, REST)
    office.pull()
    assert office.out_of(hub_id) == []
    assert row_of(office, FeedName.REST, hub_id).state is DeliveryState.SEEN


def test_an_attachment_that_came_through_the_old_mailbox_is_not_placed_again(
    office: Office,
) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.pull()
    content = b"%PDF late"
    account, now = office.account, office.clock()
    digest = account.mailbox.keep_bytes(content, purpose="fetch")
    with account.ledger.write() as connection:
        found = Attachment(attachment_id="001", name="old.pdf")
        (row,) = new_attachments.see(
            connection, account.name, FeedName.LEGACY, hub_id, [found], at=now
        )
        attachments.fetched(connection, row.id, digest=digest, name="old.pdf", at=now)
        attachments.placed(connection, account.name, FeedName.LEGACY, hub_id, "001", at=now)
    office.sandbox.book.add_attachment(hub_id, "late.pdf", content)
    office.sandbox.book.add_attachment(hub_id, "another.pdf", b"%PDF another")
    office.pull()
    (path,) = office.folder("adjout").iterdir()
    assert path.read_bytes() == b"%PDF another"


def test_an_acknowledgement_at_the_hub_is_none_of_the_old_mailbox(office: Office) -> None:
    (hub_id,) = office.served()
    had_through_old_mailbox(office, hub_id)
    office.collect(hub_id)
    office.push()
    assert row_of(office, FeedName.REST, hub_id).state is DeliveryState.ACKNOWLEDGED
    assert row_of(office, FeedName.LEGACY, hub_id).state is DeliveryState.COLLECTED


def test_an_invoice_that_both_feeds_brought_is_counted_once(office: Office) -> None:
    one, _ = office.served(2)
    had_through_old_mailbox(office, one)
    lies_through_old_mailbox(office, HubId("old only"))
    account = office.account
    for feeds in (REST, LEGACY):
        move(office, feeds)
        (found,) = look(account.settings, account.ledger, now=office.clock()).accounts
        assert sum(found.deliveries.values()) == 3
        assert found.deliveries[DeliveryState.COLLECTED] == 1
        assert found.deliveries[DeliveryState.PLACED] == 2

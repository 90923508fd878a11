"""`keep_archive`: what may leave the archive, when, and that nobody takes it for lost."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.ledger import archive_removals, histories
from bridge.model import Digest
from bridge.naming import Folder
from bridge.outbound.round import outbound_round
from bridge.sandbox.server import Sandbox
from bridge.upkeep.cut_offs import note_cut_off
from bridge.upkeep.retention import Retention, remove_outdated
from bridge.upkeep.verifying import verify
from tests.accounts import Office, Offices, annotated, said, state_file
from tests.gateway import Gateway, install

YEAR = 365 * 86400


@pytest.fixture
def gateway(tmp_path: Path, sandbox: Sandbox) -> Gateway:
    return install(tmp_path, sandbox)


@pytest.fixture
def office(open_account: Offices) -> Office:
    return keeping(open_account(), YEAR)


def keeping(office: Office, seconds: float | None) -> Office:
    """The same account with another `keep_archive`."""
    settings = office.account.settings.model_copy(update={"keep_archive": seconds})
    return replace(office, account=replace(office.account, settings=settings))


def archived(office: Office) -> set[Digest]:
    """The digests in the archive, as its files are called."""
    return {Digest(path.name) for path in office.account.mailbox.archive.root.glob("??/*")}


def contents(office: Office) -> list[bytes]:
    return [office.account.mailbox.archive.read(digest) for digest in sorted(archived(office))]


def removed(office: Office) -> set[Digest]:
    with office.account.ledger.read() as connection:
        return archive_removals.removed_digests(connection, office.account.name)


def digest_of(office: Office, hub_id: str) -> Digest:
    """The digest of an invoice that lies in `out`."""
    (path,) = office.out_of(hub_id)
    return Digest(hashlib.sha256(path.read_bytes()).hexdigest())


def told_of(office: Office, hub_id: str) -> list[object]:
    """The digests whose removal an invoice's events tell."""
    with office.account.ledger.read() as connection:
        events = histories.events(connection, hub_id)
    return [it.detail["digest"] for it in events if it.kind == archive_removals.REMOVED]


def collect_all(office: Office) -> None:
    for folder in ("adjout", "statout", "out"):
        for path in office.folder(folder).iterdir():
            path.unlink()


def test_an_invoice_that_was_collected_and_acknowledged_long_ago_leaves_the_archive(
    office: Office,
) -> None:
    (hub_id,) = office.add(attachments=True)
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"%PDF-1")
    office.pull()
    before = archived(office)
    assert len(before) >= 4  # invoice, attachment, receipt, state message
    collect_all(office)
    office.push()
    office.clock.pass_by(days=364)
    assert remove_outdated(office.account) == 0
    office.clock.pass_by(days=2)
    assert remove_outdated(office.account) == len(before)
    assert archived(office) == set()
    assert removed(office) == before


def test_what_the_ledger_knows_of_a_removed_file_stays(office: Office) -> None:
    (hub_id,) = office.served()
    digest = digest_of(office, hub_id)
    collect_all(office)
    office.push()
    office.clock.pass_by(days=366)
    remove_outdated(office.account)
    with office.account.ledger.read() as connection:
        (delivery,) = histories.deliveries(connection, hub_id)
    assert delivery.digest == digest
    assert digest in told_of(office, hub_id)


def test_for_ever_is_the_default_and_removes_nothing(open_account: Offices) -> None:
    office = open_account()
    office.served()
    collect_all(office)
    office.push()
    office.clock.pass_by(days=36500)
    before = archived(office)
    assert office.account.settings.keep_archive is None
    assert remove_outdated(office.account) == 0
    assert archived(office) == before


def test_an_invoice_that_nobody_collected_stays(office: Office) -> None:
    office.served()
    office.push()
    office.clock.pass_by(days=1000)
    assert remove_outdated(office.account) == 0


@pytest.mark.parametrize("acknowledge", ["never", "collected"])
def test_an_invoice_that_was_not_acknowledged_stays(
    open_account: Offices, acknowledge: str
) -> None:
    office = keeping(open_account(acknowledge=acknowledge), YEAR)
    office.served()
    collect_all(office)
    office.pull() if acknowledge == "collected" else office.push()
    office.clock.pass_by(days=1000)
    assert remove_outdated(office.account) == 0


def test_a_state_file_goes_when_its_updates_are_accepted_or_refused_and_answered(
    office: Office,
) -> None:
    (hub_id,) = office.served()
    good, bad = state_file(annotated(hub_id)), state_file(annotated(hub_id, register_number=""))
    office.drop("good.XML", good)
    office.drop("bad.XML", bad)
    office.push()
    assert office.refusals()
    assert good in contents(office)
    assert bad in contents(office)
    office.clock.pass_by(days=366)
    remove_outdated(office.account)
    assert good not in contents(office)
    assert bad not in contents(office)
    # The answer is in the mailbox still, and so is the invoice.
    assert len(contents(office)) == 4  # invoice, receipt, state message, answer


def test_a_state_file_with_an_update_that_waits_stays(office: Office) -> None:
    (hub_id,) = office.served()
    content = state_file(annotated(hub_id))
    office.drop("a.XML", content)
    outbound_round(office.account, only_due=True, talk=False)
    office.clock.pass_by(days=1000)
    remove_outdated(office.account)
    assert content in contents(office)


def test_an_upload_that_was_cut_off_stays(office: Office) -> None:
    office.pull()
    partial = office.account.mailbox.staged("uploads")
    partial.write_bytes(b"<Delivery")
    note_cut_off(office.account, Folder.STATIN, "a.XML", partial)
    office.clock.pass_by(days=1000)
    remove_outdated(office.account)
    assert contents(office) == [b"<Delivery"]


def test_bytes_that_another_invoice_still_needs_stay(office: Office) -> None:
    """The same terms and conditions are enclosed with every invoice."""
    first, second = office.add(2)
    for hub_id in (first, second):
        office.sandbox.book.add_attachment(hub_id, "terms.pdf", b"%PDF-terms")
    office.pull()
    for path in office.folder("adjout").iterdir():
        path.unlink()
    office.collect(first)
    office.push()
    office.clock.pass_by(days=366)
    assert remove_outdated(office.account) > 0
    assert b"%PDF-terms" in contents(office)


def test_a_file_that_comes_once_more_is_kept_and_counts_as_removed_no_longer(
    office: Office,
) -> None:
    (hub_id,) = office.served()
    content = state_file(annotated(hub_id))
    office.drop("a.XML", content)
    office.push()
    office.clock.pass_by(days=366)
    remove_outdated(office.account)
    assert content not in contents(office)
    (gone,) = removed(office)

    office.clock.pass_by(days=1)
    office.drop("a.XML", content)
    office.push()
    remove_outdated(office.account)
    assert content in contents(office)
    assert gone not in removed(office)


def test_a_removal_that_was_cut_short_is_finished_and_told_of_once(office: Office) -> None:
    """The event is written, the file is still there: as after a crash in between."""
    (hub_id,) = office.served()
    archive, digest = office.account.mailbox.archive, digest_of(office, hub_id)
    content = archive.read(digest)
    collect_all(office)
    office.push()
    office.clock.pass_by(days=366)
    remove_outdated(office.account)
    archive.path(digest).write_bytes(content)
    assert remove_outdated(office.account) == 1
    assert digest not in archived(office)
    assert told_of(office, hub_id).count(digest) == 1


def test_verify_tells_what_was_removed_from_what_was_lost(office: Office) -> None:
    one, two = office.served(2)
    lost = office.account.mailbox.archive.path(digest_of(office, two))
    office.collect(one)
    office.push()
    office.clock.pass_by(days=366)
    assert remove_outdated(office.account)
    assert wrong(office) == []
    lost.unlink()
    assert wrong(office) == [f"{lost} is missing"]


def wrong(office: Office) -> list[str]:
    """What `verify` finds wrong with the archive."""
    account = office.account
    found = verify(account.ledger, account.settings.data_dir, account.name)
    return [it.said for it in found if not it.right and it.what == "archive"]


def test_an_update_whose_state_file_was_removed_holds_up_no_other_retry(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    (hub_id,) = [sandbox.book.add_invoice()]
    assert gateway.run("pull").code == 0
    for name in ("a", "b"):
        content = state_file(said(hub_id, f"NO STATE {name}"))
        (gateway.mailbox / "statin" / f"{name}.XML").write_bytes(content)
    assert gateway.run("push").code == 1
    gone = hashlib.sha256(state_file(said(hub_id, "NO STATE a"))).hexdigest()
    (gateway.folder / "data" / "archive" / "ajuntament" / gone[:2] / gone).unlink()
    result = gateway.run("retry", "--all")
    assert result.code == 1
    assert "cannot be sent again" in result.err
    assert "0 queued again, 2 refused again" in result.out


def test_what_is_outdated_goes_after_a_start_and_then_waits_for_a_day(office: Office) -> None:
    first, second = office.served(2)
    digests = [digest_of(office, hub_id) for hub_id in (first, second)]
    retention = Retention(office.account)
    office.collect(first)
    office.push()
    office.clock.pass_by(days=366)
    retention.apply_when_due()
    assert [digest in archived(office) for digest in digests] == [False, True]
    office.collect(second)
    office.push()
    office.clock.pass_by(days=366)
    retention.apply_when_due()
    assert digests[1] in archived(office)
    Retention(office.account).apply_when_due()
    assert digests[1] not in archived(office)

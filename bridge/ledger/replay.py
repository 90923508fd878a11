"""What an event of the journal means for the tables: a forgotten past, written down again.

Events tell what had happened already when they were recorded, so applying them is always true,
whatever else is known. An event that changes no row (a login, say) is only added to the chain.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bridge.chain import Link
from bridge.ledger import (
    accounts,
    attachments,
    cut_offs,
    deliveries,
    events,
    handing,
    learned,
    legacy_files,
    moves,
    placed_files,
    recorded_files,
    recordings,
    reports,
    serving,
    state_files,
    steps,
    updates,
    visitors,
)
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.placed_files import PlacedFile
from bridge.ledger.recordings import Recording
from bridge.ledger.state_files import Kind, Passing
from bridge.ledger.updates import Outcome
from bridge.ledger.visitors import Client
from bridge.model import Attachment, Digest, FeedName, HubId, PendingInvoice, Refusal
from bridge.naming import Folder


def apply(connection: Connection, link: Link) -> None:
    """Add an event of the journal to the ledger, with all that it means."""
    events.add(connection, link)
    tell(connection, link)


def tell(connection: Connection, link: Link) -> None:
    """Write down what an event means for the tables, without the event itself."""
    step = _STEPS.get(link.kind)
    if step is not None:
        step(connection, link)


def _hub_id(link: Link) -> HubId | None:
    return None if link.hub_id is None else HubId(link.hub_id)


def _invoice_id(link: Link) -> HubId:
    assert link.hub_id is not None, f"event {link.number} names no invoice"
    return HubId(link.hub_id)


def _detail(link: Link) -> Mapping[str, Any]:
    return link.detail


def _seen(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    row = PendingInvoice(
        hub_id=_invoice_id(link),
        nif=detail["nif"],
        accounting_office=detail["accounting_office"],
    )
    deliveries.see(connection, link.account, FeedName(detail["feed"]), [row], at=link.at)


def _files(link: Link) -> list[PlacedFile]:
    told = _detail(link)["files"]
    return [placed_files.from_detail(file, _hub_id(link)) for file in told]


def _invoice_fetched(connection: Connection, link: Link) -> None:
    hub_id, files = _invoice_id(link), _files(link)
    (invoice,) = (file for file in files if file.kind is placed_files.Kind.INVOICE)
    assert invoice.feed is not None
    row = deliveries.of_feed(connection, link.account, invoice.feed, hub_id)
    assert row is not None, f"event {link.number}: invoice {hub_id} was never seen"
    contents = deliveries.from_detail(_detail(link)["contents"])
    deliveries.fetched(connection, row.id, contents, name=invoice.name, at=link.at)
    _attachments_fetched(connection, link)


def _attachments_fetched(connection: Connection, link: Link) -> None:
    files = _files(link)
    by_id = {file.attachment_id: file for file in files}
    for told in _detail(link)["attachments"]:
        file = by_id[told["attachment_id"]]
        assert file.feed is not None
        row = _remembered(connection, link, told, file.feed)
        attachments.fetched(connection, row.id, digest=file.digest, name=file.name, at=link.at)
    placed_files.begin(connection, link.account, files, at=link.at)


def _remembered(
    connection: Connection, link: Link, told: Mapping[str, Any], feed: FeedName
) -> AttachmentRow:
    return attachments.remember(
        connection,
        link.account,
        feed,
        _invoice_id(link),
        Attachment(attachment_id=told["attachment_id"], name=told["original_name"]),
        position=told["position"],
        at=link.at,
    )


def _file(connection: Connection, link: Link) -> list[PlacedFile]:
    folder, name = Folder(_detail(link)["folder"]), _detail(link)["name"]
    found = placed_files.by_name(connection, link.account, folder, name)
    return [found] if found else []


def _placed(connection: Connection, link: Link) -> None:
    steps.placed(connection, link.account, _file(connection, link), at=link.at)


def _collected(connection: Connection, link: Link) -> None:
    steps.collected(connection, link.account, _file(connection, link), at=link.at)


def _feed(link: Link) -> FeedName:
    """Return the feed that an event is about; the first ones spoke of the hub without naming it."""
    return FeedName(_detail(link).get("feed", FeedName.REST))


def _left_out(connection: Connection, link: Link) -> None:
    row = deliveries.of_feed(connection, link.account, _feed(link), _invoice_id(link))
    if row is not None:
        deliveries.had_before(connection, row.id, at=link.at)


def _attachment_left_out(connection: Connection, link: Link) -> None:
    row = _remembered(connection, link, _detail(link), _feed(link))
    attachments.had_before(connection, row.id, at=link.at)


def _invoice_learned(connection: Connection, link: Link) -> None:
    told = learned.invoice_from_detail(_detail(link))
    learned.add(connection, link.account, _invoice_id(link), told, at=link.at)


def _attachment_learned(connection: Connection, link: Link) -> None:
    told = learned.attachment_from_detail(_detail(link))
    learned.add(connection, link.account, _invoice_id(link), told, at=link.at)


def _listed_again(connection: Connection, link: Link) -> None:
    hub_ids = [_invoice_id(link)]
    deliveries.still_listed(connection, link.account, hub_ids, before=link.at)


def _acknowledged(connection: Connection, link: Link) -> None:
    deliveries.acknowledged(connection, link.account, _feed(link), _invoice_id(link), at=link.at)


def _attachment_acknowledged(connection: Connection, link: Link) -> None:
    rows = attachments.of_invoice(connection, link.account, _feed(link), _invoice_id(link))
    for row in rows:
        if row.attachment_id == _detail(link)["attachment_id"]:
            attachments.acknowledged(connection, row.id, at=link.at)


def _state_file(connection: Connection, link: Link, kind: Kind) -> None:
    detail = _detail(link)
    if detail["file"] is None:  # an upload into another folder was cut off
        return
    since = detail.get("perhaps_sent_since")
    state_files.add(
        connection,
        link.account,
        name=detail["name"],
        digest=Digest(detail["digest"]),
        size=detail["size"],
        kind=kind,
        at=link.at,
        pass_on=detail.get("pass_on", False),
        perhaps_sent_since=datetime.fromisoformat(since) if since else None,
        file_id=detail["file"],
    )


def _taken(connection: Connection, link: Link) -> None:
    _state_file(connection, link, Kind.TAKEN)


def _repeated(connection: Connection, link: Link) -> None:
    _state_file(connection, link, Kind.REPETITION)


def _cut_off(connection: Connection, link: Link) -> None:
    _state_file(connection, link, Kind.CUT_OFF)


def _queued(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    updates.queue(
        connection,
        link.account,
        detail["file"],
        position=detail["position"],
        total=detail["total"],
        asked_state=detail["asked_state"],
        hub_id=_hub_id(link),
        outcome=updates.from_detail(detail["outcome"]),
        at=link.at,
        pass_on=detail.get("pass_on", False),
        update_id=detail["update"],
    )


def _queued_again(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    updates.requeue(
        connection,
        detail["update"],
        state_file=detail["file"],
        hub_id=_hub_id(link),
        outcome=updates.from_detail(detail["outcome"]),
        at=link.at,
        pass_on=detail.get("pass_on", False),
    )


def _sent(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    at = datetime.fromisoformat(detail["begun_at"])
    attempt = updates.begin_attempt(connection, detail["update"], body=detail["sent"], at=at)
    updates.end_attempt(connection, attempt, answer=detail["answer"], shown=detail["shown"])
    # What the answer came to is told by the next event; until then it waits, because of it.
    updates.not_sent(connection, detail["update"], trouble=detail["answer"])


def _accepted(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    outcome = Outcome(detail["outcome"])
    updates.accepted(connection, detail["update"], outcome=outcome, at=link.at)
    deliveries.acknowledged(connection, link.account, FeedName.REST, _invoice_id(link), at=link.at)


def _refused(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    if "outcome" in detail:  # when its file was taken
        _queued(connection, link)
        return
    refusal = Refusal(detail["code"], detail["reason"])
    updates.refuse(connection, detail["update"], refusal, at=link.at)


def _answered(connection: Connection, link: Link) -> None:
    updates.answered(connection, _detail(link)["updates"], at=link.at)
    placed_files.begin(connection, link.account, _files(link), at=link.at)


def _files_taken(connection: Connection, link: Link) -> None:
    files = _files(link)
    legacy_files.taken(connection, link.account, files, at=link.at)
    placed_files.begin(connection, link.account, files, at=link.at)


def _file_removed(connection: Connection, link: Link) -> None:
    for file in _file(connection, link):
        legacy_files.removed(connection, link.account, file, at=link.at)


def _serving_changed(connection: Connection, link: Link) -> None:
    feeds = serving.from_detail(link.detail)
    serving.note_serving(connection, link.account, feeds, at=link.at)


def _serving_followed(connection: Connection, link: Link) -> None:
    serve = serving.from_detail(link.detail).serve
    serving.begin_serving(connection, link.account, serve, at=link.at)


def _move_begun(connection: Connection, link: Link) -> None:
    moves.write(connection, link.account, moves.from_detail(_detail(link), at=link.at))


def _move_switched(connection: Connection, link: Link) -> None:
    moves.mark_switched(connection, link.account, at=link.at)


def _move_ended(connection: Connection, link: Link) -> None:
    moves.mark_ended(connection, link.account, at=link.at)


def _moved(connection: Connection, link: Link) -> None:
    handing.APPLY[link.kind](connection, link.account, [_invoice_id(link)], link.at)


def _tied(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    handing.note_tie(
        connection,
        link.account,
        (detail["folder"], detail["name"]),
        source=detail["source"],
        digest=Digest(detail["digest"]),
        kind=link.kind,
    )


def _laid_ready(connection: Connection, link: Link) -> None:
    state_files.set_passing(connection, _detail(link)["file"], Passing.READY)


def _passed_on(connection: Connection, link: Link) -> None:
    file = _detail(link)["file"]
    state_files.set_passing(connection, file, Passing.PASSED)
    updates.passed_on(connection, file, at=link.at)


def _mailbox_made(connection: Connection, link: Link) -> None:
    accounts.set_mailbox_mark(connection, link.account, _detail(link)["mark"])


def _folders_recognised(connection: Connection, link: Link) -> None:
    accounts.set_mailbox_folders(connection, link.account, dict(_detail(link)["folders"]))


def _delivery_recorded(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    told = Recording(
        feed=FeedName(detail["feed"]),
        hub_id=_invoice_id(link),
        contents=deliveries.from_detail(detail["contents"]),
        name=detail["name"],
        accounting_office=detail["accounting_office"],
    )
    recordings.write(connection, link.account, told, at=link.at)


def _delivery_gone(connection: Connection, link: Link) -> None:
    feed = FeedName(_detail(link)["feed"])
    recordings.is_gone(connection, link.account, feed, _invoice_id(link), at=link.at)


def _delivery_back(connection: Connection, link: Link) -> None:
    feed = FeedName(_detail(link)["feed"])
    recordings.is_back(connection, link.account, feed, _invoice_id(link))


def _attachment_recorded(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    row = _remembered(connection, link, detail, FeedName(detail["feed"]))
    digest, name = Digest(detail["digest"]), detail["name"]
    attachments.fetched(connection, row.id, digest=digest, name=name, at=link.at)


def _file_recorded(connection: Connection, link: Link) -> None:
    told = recorded_files.from_detail(_detail(link))
    recorded_files.tell(connection, link.account, told, _hub_id(link))
    legacy_files.attribute(
        connection,
        link.account,
        path=told.path,
        digest=told.digest,
        kind=told.kind,
        hub_id=_hub_id(link),
    )


def _file_gone(connection: Connection, link: Link) -> None:
    detail = _detail(link)
    first, gone = map(datetime.fromisoformat, (detail["first_seen_at"], detail["gone_at"]))
    recorded_files.tell_gone(connection, link.account, detail["path"], first, at=gone)


def _report_made(connection: Connection, link: Link) -> None:
    made = reports.from_detail(_detail(link), at=link.at)
    reports.add_report(connection, link.account, made)


def _finding_accepted(connection: Connection, link: Link) -> None:
    told = reports.Accepted(hub_id=_invoice_id(link), by=link.actor, at=link.at, **_detail(link))
    reports.add_accepted(connection, link.account, told)


def _client(link: Link) -> Client:
    told = _detail(link)
    return Client(
        account=link.account, user=link.actor, protocol=told["protocol"], mark=told["mark"]
    )


def _program_seen(connection: Connection, link: Link) -> None:
    visitors.seen(connection, _client(link), _detail(link)["program"], at=link.at)


def _habits_seen(connection: Connection, link: Link) -> None:
    visitors.set_habits(connection, _client(link), _detail(link)["habits"])


_STEPS: Mapping[str, Callable[[Connection, Link], None]] = {
    events.MAILBOX_MADE: _mailbox_made,
    events.FOLDERS_RECOGNISED: _folders_recognised,
    serving.CHANGED: _serving_changed,
    serving.FOLLOWED: _serving_followed,
    moves.BEGUN: _move_begun,
    moves.SWITCHED: _move_switched,
    moves.ENDED: _move_ended,
    **dict.fromkeys(handing.APPLY, _moved),
    **dict.fromkeys((handing.TIED, handing.LAID_READY, handing.PUT), _tied),
    legacy_files.TAKEN: _files_taken,
    legacy_files.REMOVED: _file_removed,
    state_files.LAID_READY: _laid_ready,
    state_files.PASSED_ON: _passed_on,
    "invoice seen": _seen,
    "invoice fetched": _invoice_fetched,
    "attachment fetched": _attachments_fetched,
    recordings.RECORDED: _delivery_recorded,
    recordings.GONE: _delivery_gone,
    recordings.BACK: _delivery_back,
    recordings.ATTACHMENT_RECORDED: _attachment_recorded,
    recorded_files.RECORDED: _file_recorded,
    recorded_files.GONE: _file_gone,
    **{f"{kind} placed": _placed for kind in placed_files.Kind},
    **{f"{kind} collected": _collected for kind in placed_files.Kind},
    "invoice left out: collected before": _left_out,
    "attachment left out: collected before": _attachment_left_out,
    "invoice learned": _invoice_learned,
    "attachment learned": _attachment_learned,
    "invoice listed again": _listed_again,
    "invoice acknowledged": _acknowledged,
    "attachment acknowledged": _attachment_acknowledged,
    f"state file {Kind.TAKEN}": _taken,
    f"state file {Kind.REPETITION}": _repeated,
    cut_offs.CUT_OFF: _cut_off,
    "update queued": _queued,
    "update queued again": _queued_again,
    "update sent": _sent,
    "update accepted": _accepted,
    "update refused": _refused,
    "refusals answered": _answered,
    reports.MADE: _report_made,
    reports.ACCEPTED: _finding_accepted,
    visitors.PROGRAM_SEEN: _program_seen,
    visitors.HABITS_SEEN: _habits_seen,
}
"""What an event means, by its kind; kinds that are not here change no row."""

"""Answering: every refusal comes back to the RCF in `statout`, in the legacy form.

All that was refused of one state file at one time is one answer; what the hub refuses later is
answered the same way then.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import structlog
from sqlalchemy import Connection

from bridge import feedback, messages
from bridge.account import Account
from bridge.identity import plain_nif
from bridge.inbound.placing import Parcel, message_ids, place
from bridge.ledger import invoices, learned, state_files, updates
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.state_files import StateFile
from bridge.ledger.updates import Update
from bridge.mailbox import NameTakenError
from bridge.messages import Refused
from bridge.model import HubId
from bridge.naming import Folder, NameParts

log = structlog.get_logger()


def answer(account: Account) -> tuple[Update, ...]:
    """Answer in `statout` what was refused and not answered yet; return those updates."""
    with account.ledger.read() as connection:
        refused = updates.to_answer(connection, account.name)
        by_file: dict[int, list[Update]] = defaultdict(list)
        for update in refused:
            by_file[update.state_file].append(update)
        files = {file_id: state_files.known(connection, file_id) for file_id in by_file}
    for file_id, of_file in by_file.items():
        try:
            _answer(account, files[file_id], of_file)
        except NameTakenError as error:
            log.error("not placed", account=account.name, reason=str(error))
    return tuple(refused)


def _answer(account: Account, file: StateFile, refused: Sequence[Update]) -> None:
    refusals = [
        Refused(
            hub_id=update.hub_id,
            refusal=update.refusal,
            position=update.position,
            total=update.total,
        )
        for update in sorted(refused, key=lambda update: update.position)
        if update.refusal is not None
    ]
    message = messages.refused(refusals, filename=file.name, now=account.clock())
    digest = account.mailbox.keep_bytes(feedback.write(message), purpose="take")
    hub_id = next((it.hub_id for it in refusals if it.hub_id), None)
    (message_id,) = message_ids(account, 1)
    with account.ledger.read() as connection:
        parts = replace(_name_parts(connection, account, file, hub_id), message_id=message_id)
    placed = PlacedFile(
        folder=Folder.STATOUT,
        name=account.mailbox.profile.message_name(parts),
        kind=Kind.ANSWER,
        digest=digest,
        hub_id=hub_id,
    )
    ids = [update.id for update in refused]
    place(
        account,
        Parcel(files=[placed], kind="refusals answered", detail={"updates": ids}),
        lambda connection, now: updates.answered(connection, ids, at=now),
    )
    log.warning("state file refused", account=account.name, name=file.name, updates=len(ids))


def _name_parts(
    connection: Connection, account: Account, file: StateFile, hub_id: HubId | None
) -> NameParts:
    """Return what an answer's name tells: as the invoice's, else the receiver's id twice."""
    name = invoices.name_of(connection, account.name, hub_id) if hub_id else None
    parts = account.mailbox.profile.parse(Folder.OUT, name) if name else None
    if parts is not None:
        return parts
    nif = invoices.a_receiver(connection, account.name) or next(iter(account.own.nifs), "")
    code = learned.codes(connection, account.name).get(plain_nif(nif))
    receiver = account.own.receiver_code or code or nif or account.own.issuer
    return NameParts(sender=receiver, receiver=receiver, reference=file.name)

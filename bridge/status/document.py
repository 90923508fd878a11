"""A status, or the life of an invoice, as JSON; the keys of a status are promised."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime

from bridge.ledger.summary import HeldBack
from bridge.status import blaming
from bridge.status.facts import AccountStatus, Status
from bridge.status.life import Life
from bridge.status.shadow import ShadowStatus

Document = dict[str, object]

SCHEMA = 1


def as_json(what: Status | Life) -> Document:
    """Return a document for `json.dumps`; times are ISO 8601 in UTC, hub ids are strings."""
    if isinstance(what, Life):
        return {"schema": SCHEMA, "id": what.id} | _fields(what, "invoice", "update")
    return {
        "schema": SCHEMA,
        "accounts": [_account(what, account) for account in what.accounts],
        "hub": {
            "reachable": what.hub_reachable,
            "clock_offset_seconds": what.clock_offset,
        },
        "disk_free_bytes": what.disk_free_bytes,
        "disk_trouble": what.disk_trouble,
        "components": _plain(what.components),
    }


def _account(status: Status, account: AccountStatus) -> Document:
    oldest, caller = status.oldest_uncollected(account), account.caller
    return {
        "name": account.name,
        "serve": account.serve,
        "shadow": account.shadow,
        "in_settings": {
            "serve": account.settings_feeds.serve,
            "shadow": account.settings_feeds.shadow or "",
        },
        "deliveries": _plain(account.deliveries),
        "uncollected": {
            "count": len(account.uncollected),
            "oldest_seconds": None if oldest is None else int(oldest),
        },
        "updates": _plain(account.updates),
        "found_applied": account.found_applied,
        "refused": [
            {
                "update_id": row.id,
                "hub_id": row.hub_id,
                "state": row.asked_state,
                "code": row.refusal_code,
                "reason": row.refusal_reason,
                "blame": _plain(blaming.of_refused(caller, row)),
            }
            for row in account.refused
        ],
        "waiting": [
            {
                "update_id": row.id,
                "hub_id": row.hub_id,
                "state": row.state,
                "since": _plain(row.queued_at),
                "reason": row.trouble,
                "next_try": _plain(row.next_attempt_at),
                "blame": _plain(blaming.of_waiting(account, row)),
            }
            for row in account.waiting
        ],
        "unrecognised_files": list(account.unrecognised_files),
        "not_taken_files": list(account.not_taken),
        "hub_pause": None
        if account.pause is None
        else _fields(account.pause, "since", "until", "reason"),
        "last_poll": _plain(account.row.last_poll),
        "capped_slices": list(account.row.capped_slices),
        "capped_listings": account.row.capped_listings,
        "unlisted": account.row.unlisted,
        "verified_through": _plain(account.row.verified_through),
        "trouble": account.trouble,
        "blame": _plain(blaming.of_account(account)),
        "held_back": [_held_back(account, row) for row in account.held_back],
        "not_acknowledged": [_held_back(account, row) for row in account.not_acknowledged],
        "without_receipt": [
            {"hub_id": row.hub_id, "reason": row.receipt_trouble} for row in account.without_receipt
        ],
        "drift": _plain(account.drift),
        "cut_off_files": [row.name for row in account.cut_off],
        "cut_off_bytes": account.cut_off_bytes,
        "cut_off_not_kept_yet": list(account.not_kept_yet),
        "restored": None
        if account.restored is None
        else _fields(account.restored, "since", "until", "offered_again"),
        "connected": _plain(account.here),
        "banned": _plain(account.banned),
        "last_came": _plain(account.last_came),
        "clients": [
            _fields(row, "user", "protocol", "program", "habits", "first_at", "last_at", "visits")
            for row in account.clients
        ],
        "shadow_feed": None if account.shadow_feed is None else _shadow(account.shadow_feed),
    }


def _shadow(shadow: ShadowStatus) -> Document:
    return {
        "feed": shadow.feed,
        "last_listing": _plain(shadow.row.last_listing_at),
        "deliveries": {"seen": shadow.announced, "fetched": shadow.recorded},
        "trouble": shadow.row.trouble,
        "capped_slices": list(shadow.row.capped_slices),
        "vanished": shadow.row.vanished,
        "gaps": _plain(shadow.gaps),
        "held_back": [
            {"hub_id": hub_id, "reason": reason, "next_try": _plain(again)}
            for hub_id, reason, again in shadow.held_back
        ],
        "unread_files": _plain(shadow.unread),
        "unrecognised_files": list(shadow.unrecognised),
    }


def _held_back(account: AccountStatus, row: HeldBack) -> Document:
    return {
        "hub_id": row.hub_id,
        "reason": row.trouble,
        "next_try": _plain(row.next_attempt_at),
        "blame": _plain(blaming.of_held_back(account, row)),
    }


def _plain(value: object) -> object:
    """Return a value as JSON knows it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if is_dataclass(value):
        return _fields(value, *(field.name for field in fields(value)))
    return value


def _fields(value: object, *names: str) -> Document:
    return {name: _plain(getattr(value, name)) for name in names}

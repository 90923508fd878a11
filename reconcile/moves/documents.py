"""A balance as JSON, for scripts."""

import json
from collections.abc import Sequence
from typing import Any

from bridge.ledger.moves import MoveKind
from bridge.ledger.serving import as_detail
from reconcile.moves.balance import Balance, Problem
from reconcile.moves.way import Way

SCHEMA = 1


def balance_as_json(balance: Balance, *, move: str) -> str:
    """Return a balance as JSON, with a line end."""
    return json.dumps(balance_as_document(balance, move=move), ensure_ascii=False, indent=1) + "\n"


def written_again_as_json(account: str, count: int, way: Way) -> str:
    """Return as JSON what a new folder will get in place of one that was lost, with a line end."""
    document = {
        "schema": SCHEMA,
        "move": str(MoveKind.ROLLBACK),
        "account": account,
        "instead_of": str(way.instead_of),
        "target": str(way.target),
        "to_be_written_again": count,
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def balance_as_document(balance: Balance, *, move: str) -> dict[str, Any]:
    """Return a balance as its JSON has it."""
    return {
        "schema": SCHEMA,
        "move": move,
        "account": balance.account,
        "generated_at": balance.generated_at.isoformat(timespec="seconds"),
        "feeds": dict(as_detail(balance.feeds)),
        "balance": str(balance.outcome),
        "total": balance.total,
        "places": {str(place): count for place, count in balance.places.items()},
        "needing_a_person": _problems(balance.people),
        "lost": _problems(balance.lost),
        "twice": _problems(balance.twice),
        "updates": {
            "open": balance.updates.open,
            "accepted": balance.updates.accepted,
            "refused": balance.updates.refused,
        },
        "to_take_away": list(balance.to_take_away),
        "leaving_old_mailbox": list(balance.leaving) if balance.removes else [],
        "kept_in_old_mailbox": [] if balance.removes else list(balance.leaving),
        "not_read_back": [{"place": str(it.place), "reason": it.why} for it in balance.unread],
        "old_mailbox_closed": balance.closed or None,
        "unknown_files": list(balance.unknown_files),
        "remarks": list(balance.remarks),
    }


def _problems(problems: Sequence[Problem]) -> list[dict[str, str]]:
    return [{"hub_id": it.hub_id, "reason": it.said.one} for it in problems]

"""A plan of a move: what will be done with which invoice, as a value.

It can be printed, written down as JSON, and compared with the plan that reality asks for later. An
invoice that has only gone on along its usual way in between changes nothing that matters.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.errors import SettingsError
from bridge.ledger.serving import Feeds, as_detail
from bridge.model import HubId
from bridge.recorded import in_order
from reconcile.language import Message
from reconcile.moves.rules import AWAITED, Action, Place, Terms

SCHEMA = 1

_FEW = 5
"""So many differences are told; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What will be done with one invoice; those that nothing is done with are only counted."""

    hub_id: HubId
    action: Action
    place: Place
    reason: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingUpdates:
    """State updates, as far as they have come."""

    open: int = 0
    """To be told to the feed that serves, and from the move on to the other."""
    accepted: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a move will do."""

    account: str
    terms: Terms
    generated_at: datetime
    now: Feeds
    then: Feeds
    items: tuple[Item, ...] = ()
    settled: Mapping[Place, int] = field(default_factory=dict)
    """Invoices that nothing is to be done with, by where they are."""
    updates: WaitingUpdates = field(default_factory=WaitingUpdates)
    differing: tuple[HubId, ...] = ()
    """Invoices still on their way of which the feeds gave other bytes: the copy stays that the
    software would have had."""
    unknown_files: tuple[str, ...] = ()
    """Files in the old mailbox that nobody knows: they are left alone."""
    remarks: tuple[str, ...] = ()

    @property
    def needing_a_person(self) -> tuple[Item, ...]:
        """What cannot be decided."""
        return tuple(item for item in self.items if item.place is Place.PERSON)

    def of(self, *actions: Action) -> list[HubId]:
        """Return the invoices with which this is done."""
        return [item.hub_id for item in self.items if item.action in actions]

    def places(self) -> dict[Place, int]:
        """Return how many invoices will be where."""
        counted = Counter(item.place for item in self.items)
        return {place: counted[place] + self.settled.get(place, 0) for place in Place}


def as_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as its JSON has it, with the checksum over what matters."""
    matter = _matter(plan)
    return {
        "schema": SCHEMA,
        **matter,
        "generated_at": plan.generated_at.isoformat(timespec="seconds"),
        "places": {str(place): count for place, count in plan.places().items()},
        "reasons": {str(item.action): item.reason.one for item in plan.items},
        "updates": {
            "open": plan.updates.open,
            "accepted": plan.updates.accepted,
            "refused": plan.updates.refused,
        },
        "differing": list(plan.differing),
        "unknown_files": list(plan.unknown_files),
        "remarks": list(plan.remarks),
        "checksum": _checksum(matter),
    }


def as_json(plan: Plan) -> str:
    """Return a plan as JSON."""
    return json.dumps(as_document(plan), ensure_ascii=False, indent=1) + "\n"


def _matter(plan: Plan) -> dict[str, Any]:
    by_action: dict[str, list[str]] = {}
    for item in sorted(plan.items, key=lambda item: in_order(item.hub_id)):
        by_action.setdefault(str(item.action), []).append(item.hub_id)
    return {
        "move": str(plan.terms.kind),
        "account": plan.account,
        "from": dict(as_detail(plan.now)),
        "to": dict(as_detail(plan.then)),
        "old_mailbox": str(plan.terms.mode),
        "into_folder": plan.terms.into_folder,
        "target": plan.terms.target,
        "actions": dict(sorted(by_action.items())),
    }


def _checksum(matter: Mapping[str, Any]) -> str:
    text = json.dumps(matter, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def read_plan(text: bytes, *, where: str) -> dict[str, Any]:
    """Return a plan that was written down; raises SettingsError for anything else."""
    try:
        found = json.loads(text)
        matter = {name: found[name] for name in _MATTERS}
        whole = found["checksum"] == _checksum(matter)
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{where} is no plan of a move: make one with --plan") from error
    if not whole:
        raise SettingsError(f"{where}: its checksum is wrong, it was changed: make a new plan")
    return matter


_MATTERS = ("move", "account", "from", "to", "old_mailbox", "into_folder", "target", "actions")


def moved_away(before: Mapping[str, Any], now: Plan) -> list[str]:
    """Return how reality has moved away from a plan in a way that matters; nothing if it has not.

    What came since, and can be decided, does not matter; nor does an invoice that has only gone on
    along its usual way: brought, placed, collected.
    """
    today = _matter(now)
    said = [
        f"{name}: the plan says {before[name]}, and it is {today[name]}"
        for name in _MATTERS
        if name != "actions" and before[name] != today[name]
    ]
    planned = {
        HubId(hub_id): Action(action)
        for action, hub_ids in before["actions"].items()
        for hub_id in hub_ids
    }
    wanted = {item.hub_id: item.action for item in now.items}
    changed = [
        f"invoice {hub_id}: the plan says {planned.get(hub_id, 'nothing')}, and now it is {action}"
        for hub_id, action in wanted.items()
        if _matters(planned.get(hub_id), action)
    ]
    return said + _few(changed)


def _matters(planned: Action | None, action: Action) -> bool:
    if planned is action:
        return False
    if action not in AWAITED:
        return True  # it needs a person, and did not when the plan was read
    if planned is None or planned not in AWAITED:
        return False  # it came since, or a person has decided
    return AWAITED[action] < AWAITED[planned]


def _few(said: Sequence[str]) -> list[str]:
    rest = len(said) - _FEW
    return [*said[:_FEW], *([f"and {rest} more"] if rest > 0 else [])]

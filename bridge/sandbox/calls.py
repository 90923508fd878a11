"""Requests, understood: which of the ten operations a method and a path ask for."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from bridge.model import HubId

ROOT = "rcf"
"""The first part of every path, as in `https://efact.aoc.cat/rcf`."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ROUTES: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("factures-pendents",): {"GET": "pending_invoices"},
    ("factura", ":id"): {"GET": "invoice", "PATCH": "update"},
    ("factura", ":id", "facturae"): {"GET": "facturae"},
    ("factura", ":id", "adjunts", ":idAdjunt"): {"GET": "attachment"},
    ("factura", ":id", "rebut"): {"GET": "receipt"},
    ("factura", ":id", "estats"): {"GET": "states"},
    ("adjunts-pendents",): {"GET": "pending_attachments"},
    ("adjunts-pendents", ":idAdjunt"): {"DELETE": "acknowledge_attachment"},
    ("ens",): {"GET": "entities"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request, understood."""

    method: str
    path: str
    query: str
    operation: str | None
    """None: none of the ten."""
    known_path: bool
    hub_id: HubId | None = None
    attachment_id: str | None = None
    authorization: str | None = None
    body: bytes = b""

    @property
    def state(self) -> str | None:
        """The `estat` of a PATCH, as far as it can be read."""
        if self.operation != "update":
            return None
        try:
            fields = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        state = fields.get("estat") if isinstance(fields, dict) else None
        return state if isinstance(state, str) else None

    @property
    def filters(self) -> dict[str, str]:
        """The filters of a list; an empty one filters nothing, an unknown one is ignored."""
        given = parse_qs(self.query)
        return {
            "nif": given.get("nif", [""])[0],
            "accounting_office": given.get("oficinaComptable", [""])[0],
        }


def read_call(scope: Scope, body: bytes) -> Call:
    """Return what a request asks for."""
    method, path = scope["method"], scope["path"]
    parts = path.split("/")[2:]
    pattern, ids = _pattern(parts)
    methods = _ROUTES.get(pattern, {})
    headers = dict(scope["headers"])
    authorization = headers.get(b"authorization")
    return Call(
        method=method,
        path=path,
        query=scope["query_string"].decode("latin-1"),
        operation=methods.get(method),
        known_path=bool(methods),
        hub_id=HubId(ids[":id"]) if ":id" in ids else None,
        attachment_id=ids.get(":idAdjunt"),
        authorization=None if authorization is None else authorization.decode("latin-1"),
        body=body,
    )


def _pattern(parts: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the route that a path could be, and the ids in it."""
    match parts:
        case ["factura", hub_id, "adjunts", attachment_id]:
            ids = {":id": hub_id, ":idAdjunt": attachment_id}
            return ("factura", ":id", "adjunts", ":idAdjunt"), ids
        case ["factura", hub_id, *rest]:
            return ("factura", ":id", *rest), {":id": hub_id}
        case ["adjunts-pendents", attachment_id]:
            return ("adjunts-pendents", ":idAdjunt"), {":idAdjunt": attachment_id}
    return tuple(parts), {}

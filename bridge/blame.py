"""Whose fault: seven kinds of trouble, who must act on each, and what happens next.

Every error names its fault (`bridge/errors.py`), and what goes on follows from it:

    the hub is away           all wait, the hub is tried ever more rarely
    our key or clock          this account stops, nothing is tried in a loop
    this invoice              it is set aside and tried again later, the others go on
    the RCF's file            it is answered in `statout`
    the old mailbox is away   what needs it waits and is tried again
    it does not let us in     the account's legacy feed stops, nothing is tried in a loop
    our disk or ledger        everything that needs it stops until it is mended

The ledger keeps trouble as the sentence that was said at the time; `heard` finds the hub's code and
the HTTP status in it again, `got_no_answer` that nothing definite came. Each kind has a sentence
for the clerk, and where the AOC's support can help there is one for them, with all the ids that
they need and no secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit


class Fault(StrEnum):
    """Who must act."""

    HUB_AWAY = "hub-away"
    ACCOUNT = "account"
    INVOICE = "invoice"
    RCF_FILE = "rcf-file"
    OLD_MAILBOX_AWAY = "old-mailbox-away"
    OLD_MAILBOX_REFUSED = "old-mailbox-refused"
    LOCAL = "local"

    @property
    def clerk(self) -> str:
        """What it means for somebody who is no technician, and what happens next."""
        return _CLERK[self]


_CLERK: Mapping[Fault, str] = {
    Fault.HUB_AWAY: "The hub is away or out of order; nobody here has to do anything: nothing is "
    "lost, all waits and is tried again by itself",
    Fault.ACCOUNT: "The hub does not let this account in; whoever set up the bridge must mend the "
    "key, the user or this machine's clock: until then nothing is fetched or sent for it, then it "
    "goes on by itself",
    Fault.INVOICE: "The hub has trouble with this one invoice; it is set aside, tried again by "
    "itself, and all others go on: if it stays so, send the line below to the AOC's support",
    Fault.RCF_FILE: "The accounting software asked for something that cannot be done; it was "
    "answered in statout: whoever works with it must correct that there and send it again",
    Fault.OLD_MAILBOX_AWAY: "The old mailbox is away or out of order; nobody here has to do "
    "anything: nothing is lost, what needs it waits and is tried again by itself. If it was closed "
    "for good, take the legacy feed out of the settings",
    Fault.OLD_MAILBOX_REFUSED: "The old mailbox does not let the bridge in, or not do what it has "
    "to; whoever set up the bridge must mend the user, the password, the host key or the rights "
    "there: until then nothing is done at the old mailbox",
    Fault.LOCAL: "This machine cannot store or read what it must; its administrator has to put "
    "that right: until then nothing is fetched or taken, then it goes on by itself",
}

FAULTS: Mapping[int, Fault] = {
    **dict.fromkeys(range(1001, 1013), Fault.ACCOUNT),
    **dict.fromkeys((2001, 2002, 2003), Fault.INVOICE),
    **dict.fromkeys((3001, 3002, 3003, 3004, 3006, 3008), Fault.RCF_FILE),
    **dict.fromkeys((3005, 3007), Fault.INVOICE),
    9001: Fault.HUB_AWAY,
    **dict.fromkeys((9002, 9999), Fault.INVOICE),
}
"""Whose fault each of the hub's codes is (hub-rest-api, "Errors")."""

_NOT_LET_IN = frozenset({401, 403})
_SUPPORTED = frozenset({Fault.HUB_AWAY, Fault.ACCOUNT, Fault.INVOICE})
"""What the AOC's support can help with."""

_CODE = re.compile(r"the hub answered ([0-9]{1,9})\b")
_STATUS = re.compile(r"\bHTTP ([1-5][0-9]{2})\b")
_AWAY = re.compile(
    r"^nothing is sent to the hub for |: the hub is busy: |: the hub at \S+ cannot be reached: "
    r"|: HTTP 429, too many requests|: HTTP 503 without the hub's error code"
)
"""What says of all calls that they cannot be made now."""
_NO_ANSWER = re.compile(r"[:;] (it is tried again|it is asked before this is sent again)$")


@dataclass(frozen=True, slots=True)
class Heard:
    """What the hub said, as far as it is known."""

    code: int | None
    http_status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls the hub, and where: an account of the settings."""

    account: str
    issuer: str
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Whose fault some trouble is; `support` is None where the AOC's support cannot help."""

    fault: Fault
    clerk: str
    support: str | None


def said(code: int, text: str, http_status: int) -> str:
    """Return how the hub's error is put into the words of a trouble."""
    return f"the hub answered {f'{code} {text}'.strip()} (HTTP {http_status})"


def heard(trouble: str) -> Heard:
    """Return the hub's code and the HTTP status that a trouble names."""
    code, status = _CODE.search(trouble), _STATUS.search(trouble)
    return Heard(int(code[1]) if code else None, int(status[1]) if status else None)


def fault_of(trouble: str, *, otherwise: Fault) -> Fault:
    """Return whose fault a trouble is, by the hub's code; `otherwise` where it tells nothing."""
    if _AWAY.search(trouble):
        return Fault.HUB_AWAY
    by_hub = heard(trouble)
    if by_hub.code is not None and by_hub.code in FAULTS:
        return FAULTS[by_hub.code]
    return Fault.ACCOUNT if by_hub.http_status in _NOT_LET_IN else otherwise


def got_no_answer(trouble: str) -> bool:
    """Tell whether a call got no answer that says anything of the invoice it was about."""
    return _NO_ANSWER.search(trouble) is not None


def blame(
    trouble: str,
    *,
    otherwise: Fault,
    caller: Caller,
    since: datetime | None = None,
    hub_id: str | None = None,
    update_id: int | None = None,
) -> Blame:
    """Return whose fault a trouble is, with the sentences for clerk and support."""
    fault = fault_of(trouble, otherwise=otherwise)
    asked = support(caller, heard(trouble), since=since, hub_id=hub_id, update_id=update_id)
    return Blame(fault=fault, clerk=fault.clerk, support=asked if fault in _SUPPORTED else None)


def support(
    caller: Caller,
    by_hub: Heard,
    *,
    since: datetime | None = None,
    hub_id: str | None = None,
    update_id: int | None = None,
) -> str:
    """Return one sentence to be pasted into a mail to the AOC's support."""
    where = urlsplit(caller.base_url)
    parts = [
        f"e-FACT REST API for RCF at {where.hostname}{where.path}",
        f"user {caller.issuer} (account {caller.account})",
        None if hub_id is None else f"invoice {hub_id}",
        None if update_id is None else f"update {update_id}",
        None if by_hub.code is None else f"error {by_hub.code}",
        None if by_hub.http_status is None else f"HTTP {by_hub.http_status}",
        None if since is None else f"since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
    ]
    return ", ".join(part for part in parts if part is not None)

"""What the hub can answer instead of an answer, by who must act.

    BridgeError
    ├── HubAnswerError (mixed in)      the hub's own word: `code`, `text`, `http_status`, `hub_id`
    ├── AccountError
    │   └── HubAccountError            1001 to 1012, each a class; any other 401 or 403
    │       └── ClockError             1008, 1009
    ├── InvoiceError
    │   ├── HubRefusalError            2001 to 2003, 3001 to 3008, each a class; any other 400, 404
    │   │   └── WrongUpdateError       3001 to 3004, 3006, 3008: the RCF asked for the wrong thing
    │   └── HubInvoiceFaultError       9999 and the like, asked about one invoice
    │       └── NoReceiptError         9002
    └── HubAwayError                   (429, 503, no hub at all: `retry_after` where it was said)
        ├── HubUnreachableError        nothing was sent
        │   └── HubPausedError         nor tried: the hub is left in peace for a while
        ├── UnclearAnswerError         a write that may have been applied, or not
        ├── HubDatabaseError           9001
        └── HubListError               any no or fault that concerns no single invoice

`HubFaultError` marks the hub's own faults: NoReceiptError, HubInvoiceFaultError, HubDatabaseError.

The hub's code counts for more than the HTTP status it comes with. Without a code of the hub's, a
404 or a 400 is no refusal: a proxy, or a server that is being updated, answers just so.

A write (PATCH, DELETE) is *refused* only by a code from 1001 to 3008, or by an unknown code with
a 4xx, and *done* only by a 2xx that came whole. Every other answer, any 5xx among them, is
unclear: whoever sent it must ask what the hub knows before sending it again. The exceptions are
429 (the hub did not look at it) and failures to connect (nothing was sent).

Source: hub-rest-api, "Errors".
"""

from collections.abc import Mapping

from bridge.blame import Fault, said
from bridge.errors import AccountError, BridgeError, HubAwayError, InvoiceError
from bridge.model import HubId


class HubAnswerError(BridgeError):
    """An error in the hub's own words."""

    next_step = "see the hub's text"

    def __init__(
        self, *, what: str, code: int, text: str, http_status: int, hub_id: HubId | None = None
    ) -> None:
        super().__init__(f"{what}: {said(code, text, http_status)}: {self.next_step}")
        self.code = code
        self.text = text
        self.http_status = http_status
        self.hub_id = hub_id


class HubAccountError(HubAnswerError, AccountError):
    """The hub does not let this account in."""

    next_step = (
        "check issuer and secret, that base_url is the environment they belong to, and with "
        "the AOC that this machine's address may call"
    )


class NoTokenError(HubAccountError):
    """1001: the request came without a token."""

    next_step = "something between here and the hub drops the Authorization header: check proxies"


class NoUserError(HubAccountError):
    """1002: the token names no user."""

    next_step = 'set "issuer" to the user code that the AOC gave you'


class UnknownUserError(HubAccountError):
    """1003: the hub does not know the user."""

    next_step = 'check "issuer", and that base_url is the environment it belongs to'


class NoExpiryError(HubAccountError):
    """1004: the token has no `exp`."""


class NoIssueTimeError(HubAccountError):
    """1005: the token has no `iat`."""


class NoNotBeforeError(HubAccountError):
    """1006: the token has no `nbf`."""


class NoAudienceError(HubAccountError):
    """1007: the token has no `aud`."""


class ClockError(HubAccountError):
    """A fresh token that the hub finds too old or too young: the clocks disagree."""

    next_step = "set this machine's clock (run an NTP client)"


class TokenExpiredError(ClockError):
    """1008: the token has expired."""


class TokenNotYetValidError(ClockError):
    """1009: the token cannot be used yet."""


class TokenTooLongError(HubAccountError):
    """1010: the token lives longer than the hub allows."""

    next_step = "make hub.token_lifetime shorter"


class WrongAudienceError(HubAccountError):
    """1011: the token is for another audience."""


class WrongSecretError(HubAccountError):
    """1012: the token is not signed with this user's secret."""

    next_step = "check the secret, and that base_url is the environment it belongs to"


class HubRefusalError(HubAnswerError, InvoiceError):
    """A definite no to a question or update about one invoice."""

    next_step = "nothing was changed; correct it and try again"


class UnknownInvoiceError(HubRefusalError):
    """2001: the hub has no such invoice for this account."""

    next_step = "check the id, and that this account is the invoice's platform"


class UnknownAttachmentError(HubRefusalError):
    """2002: the hub has no such attachment."""

    next_step = "ask the AOC; the invoice itself is not concerned"


class NoHistoryError(HubRefusalError):
    """2003: the hub has no state history of the invoice."""

    next_step = "ask the AOC"


class WrongUpdateError(HubRefusalError):
    """What the RCF asked for is wrong, whatever the invoice."""

    fault = Fault.RCF_FILE


class WrongStateError(WrongUpdateError):
    """3001: not a state that a receiver can set."""


class NoRegisterNumberError(WrongUpdateError):
    """3002: ANNOTATED came without a register number."""


class NoReasonError(WrongUpdateError):
    """3003: REJECTED came without a reason."""


class NoPaymentDateError(WrongUpdateError):
    """3004: PAID came without a payment date."""


class NotRegisteredError(HubRefusalError):
    """3005: the invoice has no registration number at the hub."""

    next_step = "the hub has not registered it yet: try later, or ask the AOC"


class WrongPaymentDateError(WrongUpdateError):
    """3006: the payment date is malformed."""


class NotUpdatableError(HubRefusalError):
    """3007: the invoice cannot be updated (any more)."""

    next_step = "compare with the state that the hub shows"


class ReasonNotAllowedError(WrongUpdateError):
    """3008: reason fields came with another state than REJECTED."""


class HubFaultError(HubAnswerError):
    """The hub admits a fault of its own."""

    next_step = "it is tried again; if it stays, give this text to the AOC"


class HubInvoiceFaultError(HubFaultError, InvoiceError):
    """9999 or an unknown 5xx code on a question about one invoice: the others may well work."""


class NoReceiptError(HubInvoiceFaultError):
    """9002: the hub could not make the receipt, after all tries: the invoice goes without."""

    next_step = "where it is needed, ask the AOC for it with this text"


class HubDatabaseError(HubFaultError, HubAwayError):
    """9001: the hub has no connection to its database."""


class HubListError(HubAnswerError, HubAwayError):
    """A no or a fault on a question that concerns no single invoice, as the pending list."""

    next_step = "it is tried again; if it stays, give this text to the AOC"


class HubUnreachableError(HubAwayError):
    """No connection came about: nothing was sent."""


class HubPausedError(HubUnreachableError):
    """Not tried: the hub asked for a pause, or has not answered; `retry_after` is what is left."""


class UnclearAnswerError(HubAwayError):
    """A write was sent, or may have been, and no definite answer came: ask before repeating it.

    `code` and `text` are the hub's, where it gave any. `timed_out`: nothing came, so that the hub
    may still be at it.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        hub_id: HubId | None = None,
        code: int | None = None,
        text: str = "",
        timed_out: bool = False,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.hub_id = hub_id
        self.code = code
        self.text = text
        self.timed_out = timed_out


ERRORS: Mapping[int, type[HubAnswerError]] = {
    1001: NoTokenError,
    1002: NoUserError,
    1003: UnknownUserError,
    1004: NoExpiryError,
    1005: NoIssueTimeError,
    1006: NoNotBeforeError,
    1007: NoAudienceError,
    1008: TokenExpiredError,
    1009: TokenNotYetValidError,
    1010: TokenTooLongError,
    1011: WrongAudienceError,
    1012: WrongSecretError,
    2001: UnknownInvoiceError,
    2002: UnknownAttachmentError,
    2003: NoHistoryError,
    3001: WrongStateError,
    3002: NoRegisterNumberError,
    3003: NoReasonError,
    3004: NoPaymentDateError,
    3005: NotRegisteredError,
    3006: WrongPaymentDateError,
    3007: NotUpdatableError,
    3008: ReasonNotAllowedError,
    9001: HubDatabaseError,
    9002: NoReceiptError,
    9999: HubInvoiceFaultError,
}
"""The hub's error table (hub-rest-api, "Errors")."""

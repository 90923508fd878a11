"""What a report says, as values: outcomes, findings, evidence and the verdict.

Everything here is made by comparing and is only shown afterwards: in the terminal, as JSON, CSV,
XLSX and HTML. No text for people stands in here but what a feed itself said; what is a sentence in
three languages is a kind and its numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from bridge.model import FeedName, HubId
from bridge.recorded import Difference


class Outcome(StrEnum):
    """How the two sides of one invoice compare; where several fit, the first of these counts."""

    UNREADABLE = "unreadable"
    DUPLICATE = "duplicate"
    ONLY_LEGACY = "only-legacy"
    ONLY_REST = "only-rest"
    IN_FLIGHT = "in-flight"
    DIFFERENT = "different"
    EQUIVALENT = "equivalent"
    IDENTICAL = "identical"


FINDINGS = frozenset(
    {
        Outcome.UNREADABLE,
        Outcome.DUPLICATE,
        Outcome.ONLY_LEGACY,
        Outcome.ONLY_REST,
        Outcome.DIFFERENT,
    }
)
"""Outcomes that somebody must explain."""


class Verdict(StrEnum):
    """Whether it is safe to cut over."""

    READY = "ready"
    NOT_READY = "not-ready"


class ReasonKind(StrEnum):
    """Why a report is not ready. One that does not block is told as a remark."""

    UNREADABLE = "unreadable"
    DUPLICATE = "duplicate"
    ONLY_LEGACY = "only-legacy"
    ONLY_REST = "only-rest"
    DIFFERENT = "different"
    STATE_MISMATCH = "state-mismatch"
    CAPPED_SLICE = "capped-slice"
    RECORDING_GAP = "recording-gap"
    EMPTY_LEGACY = "empty-legacy"
    EMPTY_REST = "empty-rest"
    NOT_RECORDED_LEGACY = "not-recorded-legacy"
    NOT_RECORDED_REST = "not-recorded-rest"
    OUT_OF_REACH_LEGACY = "out-of-reach-legacy"
    OUT_OF_REACH_REST = "out-of-reach-rest"
    TOO_FEW_INVOICES = "too-few-invoices"
    TOO_FEW_DAYS = "too-few-days"
    ENTITY_NOT_SEEN = "entity-not-seen"
    STATE_NOT_SEEN = "state-not-seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason, with what is to be filled into its sentence."""

    kind: ReasonKind
    count: int = 0
    """How many invoices, slices, days … it concerns."""
    wanted: float = 0
    """How many the settings ask for, where they do."""
    names: tuple[str, ...] = ()
    """Hub ids, slices, entities, states: whom it concerns, the first few."""
    said: str = ""
    """What an error said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """An administrator looked at a finding and took responsibility for it."""

    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One invoice in a report."""

    hub_id: HubId
    outcome: Outcome
    number: str | None = None
    series: str | None = None
    supplier_nif: str | None = None
    receiver_nif: str | None = None
    issue_date: date | None = None
    amount: str | None = None
    differences: tuple[Difference, ...] = ()
    lag_seconds: float | None = None
    """How much later REST showed it than the old mailbox; negative: earlier."""
    duplicate_of: tuple[HubId, ...] = ()
    """The other hub ids of the same invoice."""
    names: tuple[str, str] | None = None
    """The names in `out`, legacy and bridge, where they differ."""
    legacy_digest: str | None = None
    rest_digest: str | None = None
    further_digests: tuple[str, ...] = ()
    """Of further files that a feed gave under this hub id."""
    legacy_first_seen: datetime | None = None
    rest_first_seen: datetime | None = None
    note: str = ""
    """Why a file is unreadable, in words."""
    was_in_flight: bool = False
    """An earlier report had it in flight: now the time for that is over.

    It stays so until the invoice is on both sides.
    """
    accepted: Acceptance | None = None
    xml_difference: tuple[str, ...] = ()
    """A unified diff of the two canonical, indented XML texts, a line each; cut when long."""

    @property
    def blocks(self) -> bool:
        """Whether somebody must still explain it."""
        return self.outcome in FINDINGS and self.accepted is None


class Parity(StrEnum):
    """How a state that the software reported compares with what the hub's history shows."""

    SAME = "same"
    DIFFERENT = "different"
    MISSING = "missing"
    """The hub's history does not show it."""
    REFUSED_BY_BOTH = "refused-by-both"
    REFUSED_BY_US = "refused-by-us"
    """The old hub took what our rules would refuse."""
    UNKNOWN = "unknown"
    """The hub was not asked, or could not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """One state update that the software gave the old FTP, beside what the hub says happened."""

    hub_id: HubId | None
    file: str
    position: int
    state: str
    parity: Parity
    differences: tuple[Difference, ...] = ()
    """`legacy` is what our rules make of the file, `rest` what `/estats` shows."""
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which a feed was not recorded, though both should have been."""

    feed: FeedName
    since: datetime
    until: datetime
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How much later REST shows an invoice than the old mailbox, in seconds."""

    count: int
    median: float
    p95: float
    worst: float
    histogram: tuple[tuple[float, int], ...]
    """Upper bounds in seconds and how many invoices, in order; the last bound is infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What both feeds delivered on one day (Europe/Madrid), by first sight or registration."""

    day: date
    legacy: int
    rest: int
    findings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """On what the verdict stands."""

    invoices: int
    """Recorded on both sides."""
    days: float
    """From the first to the last of them."""
    entities_seen: tuple[str, ...]
    entities_not_seen: tuple[str, ...]
    states_seen: tuple[str, ...]
    states_not_seen: tuple[str, ...]
    attachments: int
    receipts: int
    state_updates: int
    """How many states of the software were compared."""
    older_states: int = 0
    """How many were not: those of invoices that are not among the newest."""
    names: int = 0
    """How many invoices' file names were compared."""
    older_names: bool = False
    """Whether there are older ones, of which they were not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is kept of each report, to show how the difference shrank."""

    generated_at: datetime
    verdict: Verdict
    counts: Mapping[Outcome, int]
    blockers: int
    verified_through: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The comparison of one account's two feeds."""

    account: str
    generated_at: datetime
    since: date | None
    until: date | None
    verified_through: datetime | None
    verdict: Verdict
    reasons: tuple[Reason, ...]
    """What blocks."""
    remarks: tuple[Reason, ...] = ()
    """What is worth knowing and does not block."""
    counts: Mapping[Outcome, int]
    rows: tuple[Row, ...]
    """Everything but `identical`, unless all was asked for; by hub id."""
    grace_seconds: float
    legacy_source: str
    """Where the legacy side was read: `ledger`, a folder or an address without secrets."""
    evidence: Evidence
    rest_source: str = ""
    """The address of the hub."""
    version: str = ""
    """Of the program that made it."""
    states: tuple[StateRow, ...] = ()
    """State updates that do not agree; how many were compared is in the evidence."""
    name_differences: int = 0
    gaps: tuple[Gap, ...] = ()
    capped_slices: tuple[str, ...] = ()
    lag: Lag | None = None
    days: tuple[Day, ...] = ()
    history: tuple[Summary, ...] = field(default=())
    """Earlier reports, oldest first, and this one."""

"""What a report's words mean, and what to do about each: tables of sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.model import FeedName
from reconcile.language import Message
from reconcile.model import FINDINGS, Outcome, Parity, ReasonKind, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word of a report, what it means, and what to do."""

    label: Message
    meaning: Message
    advice: Message | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """What stands in the way of `ready`, and what to do about it."""

    says: Message
    advice: Message


VERDICTS: Mapping[Verdict, Term] = {
    Verdict.READY: Term(
        label=Message("Ready to cut over"),
        meaning=Message("Both sides deliver the same, and enough of it was seen to say so."),
    ),
    Verdict.NOT_READY: Term(
        label=Message("Not ready to cut over"),
        meaning=Message("Do not cut over yet. What stands in the way:"),
    ),
}

FEEDS: Mapping[FeedName, Message] = {
    FeedName.LEGACY: Message("Old mailbox"),
    FeedName.REST: Message("REST API"),
}

OUTCOMES: Mapping[Outcome, Term] = {
    Outcome.UNREADABLE: Term(
        label=Message("Unreadable"),
        meaning=Message("A side gave a file that cannot be read as an invoice."),
        advice=Message(
            "Open the file and look at what is wrong with it. Ask the AOC for a sound copy; if "
            "there is none, and the reason is understood, accept the finding."
        ),
    ),
    Outcome.DUPLICATE: Term(
        label=Message("Duplicate"),
        meaning=Message(
            "One hub id with two contents, or one invoice under two hub ids of which neither was "
            "rejected."
        ),
        advice=Message(
            "Look in the accounting register whether both are there. Reject the one that is too "
            "many, or accept the finding if both are right."
        ),
    ),
    Outcome.ONLY_LEGACY: Term(
        label=Message("Only in the old mailbox"),
        meaning=Message("The REST API did not show it within the grace time."),
        advice=Message(
            "Look the invoice up in e-FACT by its hub id. If it belongs to an entity or office "
            "that the settings leave out, correct nifs and oficines_comptables; else report it to "
            "the AOC: after the cutover it would not arrive."
        ),
    ),
    Outcome.ONLY_REST: Term(
        label=Message("Only in the REST API"),
        meaning=Message("The old mailbox did not show it within the grace time."),
        advice=Message(
            "See whether the software fetched it from the old mailbox between two looks: then give "
            "the folder of files that it keeps with --legacy. Else tell the AOC, and accept the "
            "finding once it is explained."
        ),
    ),
    Outcome.IN_FLIGHT: Term(
        label=Message("In flight"),
        meaning=Message("On one side only, for less than the grace time so far."),
        advice=Message("Nothing to do: the next report says whether it arrived on both sides."),
    ),
    Outcome.DIFFERENT: Term(
        label=Message("Different"),
        meaning=Message("Both sides have it and do not say the same."),
        advice=Message(
            "Compare the two values. An amount, tax id, office or attachment that differs is to be "
            "reported to the AOC with the hub id; accept what is explained."
        ),
    ),
    Outcome.EQUIVALENT: Term(
        label=Message("Equivalent"),
        meaning=Message("The same content, written with other bytes (encoding, indentation)."),
        advice=Message("Nothing to do."),
    ),
    Outcome.IDENTICAL: Term(
        label=Message("Identical"),
        meaning=Message("The same file, byte for byte."),
        advice=Message("Nothing to do."),
    ),
}

REASONS: Mapping[ReasonKind, Cause] = {
    ReasonKind.UNREADABLE: Cause(
        Message("{count} invoice cannot be read.", "{count} invoices cannot be read."),
        Message("Open the files named in the list, and ask the AOC for sound copies."),
    ),
    ReasonKind.DUPLICATE: Cause(
        Message("{count} invoice came twice.", "{count} invoices came twice."),
        Message("Look in the accounting register which of them are there, and reject the others."),
    ),
    ReasonKind.ONLY_LEGACY: Cause(
        Message(
            "{count} invoice is in the old mailbox only.",
            "{count} invoices are in the old mailbox only.",
        ),
        Message(
            "After the cutover these would not arrive. Check nifs and oficines_comptables in the "
            "settings, then report the hub ids to the AOC."
        ),
    ),
    ReasonKind.ONLY_REST: Cause(
        Message(
            "{count} invoice is in the REST API only.",
            "{count} invoices are in the REST API only.",
        ),
        Message(
            "See whether the software fetched them between two looks at the old mailbox; the files "
            "that it keeps can be given with --legacy."
        ),
    ),
    ReasonKind.DIFFERENT: Cause(
        Message(
            "{count} invoice differs between the two sides.",
            "{count} invoices differ between the two sides.",
        ),
        Message(
            "Compare the values in the list. Report each of them, or accept it with "
            "efact-reconcile accept."
        ),
    ),
    ReasonKind.STATE_MISMATCH: Cause(
        Message(
            "{count} state that the software reported is not what the hub shows.",
            "{count} states that the software reported are not what the hub shows.",
        ),
        Message(
            "Read the list of states: it shows what the bridge would have sent beside what the hub "
            "has. Report it to the bridge's developers before you cut over."
        ),
    ),
    ReasonKind.CAPPED_SLICE: Cause(
        Message(
            "{count} list of the hub is cut off: it holds more than the hub shows.",
            "{count} lists of the hub are cut off: they hold more than the hub shows.",
        ),
        Message(
            "Name the accounting offices under oficines_comptables, so that each list gets "
            "shorter, or let the software collect what waits."
        ),
    ),
    ReasonKind.RECORDING_GAP: Cause(
        Message(
            "{count} time of the period was not recorded on both sides.",
            "{count} times of the period were not recorded on both sides.",
        ),
        Message(
            "Nothing is known of these times. Keep efact-bridge serve running; begin the report "
            "after the gap with --since, or give the files of that time with --legacy."
        ),
    ),
    ReasonKind.EMPTY_LEGACY: Cause(
        Message("The old mailbox shows no invoice at all."),
        Message(
            "An empty side is no agreement. Check the address, the user and the folder of the old "
            "mailbox with efact-bridge check."
        ),
    ),
    ReasonKind.EMPTY_REST: Cause(
        Message("The REST API shows no invoice at all."),
        Message(
            "An empty side is no agreement. Check the issuer and the environment of the hub with "
            "efact-bridge check."
        ),
    ),
    ReasonKind.NOT_RECORDED_LEGACY: Cause(
        Message("The old mailbox is not recorded for this account."),
        Message(
            "Set serve or shadow to legacy in the settings and run efact-bridge serve, or give a "
            "folder of its files with --legacy."
        ),
    ),
    ReasonKind.NOT_RECORDED_REST: Cause(
        Message("The REST API is not recorded for this account."),
        Message("Set serve or shadow to rest in the settings and run efact-bridge serve."),
    ),
    ReasonKind.OUT_OF_REACH_LEGACY: Cause(
        Message("The old mailbox could not be reached."),
        Message("Run efact-bridge check, put right what it says, and make the report again."),
    ),
    ReasonKind.OUT_OF_REACH_REST: Cause(
        Message("The hub could not be reached."),
        Message("Run efact-bridge check, put right what it says, and make the report again."),
    ),
    ReasonKind.TOO_FEW_INVOICES: Cause(
        Message(
            "{count} invoice was seen on both sides; the settings ask for {wanted}.",
            "{count} invoices were seen on both sides; the settings ask for {wanted}.",
        ),
        Message("Wait for more invoices. The setting is min_invoices under [reconcile]."),
    ),
    ReasonKind.TOO_FEW_DAYS: Cause(
        Message(
            "Both sides were seen together for {count} day; the settings ask for {wanted}.",
            "Both sides were seen together for {count} days; the settings ask for {wanted}.",
        ),
        Message("Let both sides be recorded longer. The setting is min_days under [reconcile]."),
    ),
    ReasonKind.ENTITY_NOT_SEEN: Cause(
        Message(
            "{count} entity had no invoice on both sides so far.",
            "{count} entities had no invoice on both sides so far.",
        ),
        Message("Wait for an invoice to each, or decide that the others speak for them."),
    ),
    ReasonKind.STATE_NOT_SEEN: Cause(
        Message(
            "{count} state was not reported by the software so far.",
            "{count} states were not reported by the software so far.",
        ),
        Message("Let the software report each of them once for a real invoice."),
    ),
}

PLACES: Mapping[ReasonKind, str] = {
    **{ReasonKind(outcome): outcome.value for outcome in FINDINGS},
    ReasonKind.STATE_MISMATCH: "states",
    ReasonKind.CAPPED_SLICE: "gaps",
    ReasonKind.RECORDING_GAP: "gaps",
}
"""Where a page says more about a reason."""

PARITIES: Mapping[Parity, Term] = {
    Parity.SAME: Term(
        label=Message("same"),
        meaning=Message("The hub shows what the bridge would have sent."),
    ),
    Parity.DIFFERENT: Term(
        label=Message("different"),
        meaning=Message("The hub shows something else than the bridge would have sent."),
    ),
    Parity.MISSING: Term(
        label=Message("missing"),
        meaning=Message("The hub's history does not show this state."),
    ),
    Parity.REFUSED_BY_BOTH: Term(
        label=Message("refused by both"),
        meaning=Message("Neither the old hub nor the bridge took it."),
    ),
    Parity.REFUSED_BY_US: Term(
        label=Message("refused by the bridge"),
        meaning=Message("The old hub took what the bridge would refuse."),
    ),
    Parity.UNKNOWN: Term(
        label=Message("unknown"),
        meaning=Message("The hub was not asked, or could not say."),
    ),
}

DISAGREEING = frozenset({Parity.DIFFERENT, Parity.MISSING, Parity.REFUSED_BY_US})
"""What shows that our rules and the old hub do not mean the same."""

FIELDS: Mapping[str, Message] = {
    "number": Message("invoice number"),
    "series": Message("series"),
    "date": Message("invoice date"),
    "total": Message("total"),
    "currency": Message("currency"),
    "seller_nif": Message("supplier's tax id"),
    "buyer_nif": Message("receiver's tax id"),
    "accounting_office": Message("accounting office"),
    "managing_body": Message("managing body"),
    "processing_unit": Message("processing unit"),
    "version": Message("version of the format"),
    "lines": Message("invoice lines"),
    "line": Message("invoice line"),
    "signature": Message("signature"),
    "attachment": Message("attachment"),
    "attachments": Message("attachments"),
    "receipt": Message("receipt"),
    "registration_number": Message("registration number"),
    "registered_at": Message("registration date"),
    "register_number": Message("accounting register number"),
    "state": Message("state"),
    "reason": Message("reason of rejection"),
    "reason_code": Message("reason code"),
    "paid_on": Message("payment date"),
    "xml": Message("XML content"),
}

NOTES: Mapping[str, Message] = {
    note.one: note
    for note in (
        Message("the last report had it on one side, and now neither feed shows it"),
        Message("it is listed, and its file has not been fetched"),
    )
}
"""What a row's note may be, but for what an error said."""

NAMES_DIFFER = Message(
    "{count} file would be called otherwise by the bridge than the old mailbox called it. This "
    "does not block; efact-bridge learn makes the naming profile right.",
    "{count} files would be called otherwise by the bridge than the old mailbox called them. This "
    "does not block; efact-bridge learn makes the naming profile right.",
)

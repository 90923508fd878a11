"""What a report's words mean, and what to do about each: tables of sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.model import FeedName
from reconcile.language import Message
from reconcile.model import Outcome, Parity, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word of a report, what it means, and what to do."""

    label: Message
    meaning: Message
    advice: Message | None = None


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
    "signature_value": Message("value of the signature"),
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

VALUES: Mapping[str, Mapping[str, Message]] = {
    "signature": {"present": Message("present"), "absent": Message("absent")},
}
"""What a side may say in a word of ours, by what differs."""

NOTES: Mapping[str, Message] = {
    note.one: note
    for note in (
        Message("the last report had it on one side, and now neither feed shows it"),
        Message("it is listed, and its file has not been fetched"),
        Message("the list that should show it is cut off"),
        Message("there are several files with this hub id, and they differ"),
        Message("the file is empty"),
        Message("the file is no Facturae"),
    )
}
"""What a row's note may be, but for what an error said."""

NAMES_DIFFER = Message(
    "{count} file would be called otherwise by the bridge than the old mailbox called it. This "
    "does not block; efact-bridge learn makes the naming profile right.",
    "{count} files would be called otherwise by the bridge than the old mailbox called them. This "
    "does not block; efact-bridge learn makes the naming profile right.",
)

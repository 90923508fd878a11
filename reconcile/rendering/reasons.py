"""What stands in the way of `ready`, and what to do about each: a table of sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconcile.language import Message
from reconcile.model import FINDINGS, ReasonKind


@dataclass(frozen=True, slots=True)
class Cause:
    """What stands in the way of `ready`, and what to do about it."""

    says: Message
    advice: Message


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
        Message("The old mailbox could not be reached, or let nobody in."),
        Message(
            "Run efact-bridge check, put right what it says, and make the report again: what is on "
            "one side only could not be looked up there."
        ),
    ),
    ReasonKind.OUT_OF_REACH_REST: Cause(
        Message("The hub could not be reached, or let nobody in."),
        Message(
            "Run efact-bridge check, put right what it says, and make the report again: what is on "
            "one side only could not be looked up there."
        ),
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

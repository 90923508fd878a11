"""On what a verdict stands: what was seen on both sides, and what was not seen so far."""

from collections.abc import Collection, Iterable, Sequence

from bridge.identity import plain_nif
from bridge.model import State
from bridge.translate import TARGETS
from reconcile.model import Evidence, Parity, StateRow
from reconcile.pairs import Pair
from reconcile.sides import Tally

STATES = tuple(state.value for state in State if state in TARGETS.values())
"""What software can report."""


def evidence_of(
    pairs: Iterable[Pair],
    tally: Tally,
    states: Sequence[StateRow],
    *,
    unseen: int,
    older_states: int,
    entities: Collection[str],
    reported: Collection[str],
) -> Evidence:
    """Return what was seen; `unseen` invoices are the same on both sides and not among `pairs`.

    `older_states` were not compared.

    `reported` are states that went through the bridge, besides those of the old state files.
    """
    seen = {plain_nif(nif) for nif in tally.receivers}
    told = {row.state for row in states if row.parity is Parity.SAME} | set(reported)
    return Evidence(
        invoices=unseen + sum(pair.on_both for pair in pairs),
        days=tally.days,
        entities_seen=tuple(sorted(tally.receivers)),
        entities_not_seen=tuple(sorted(nif for nif in entities if plain_nif(nif) not in seen)),
        states_seen=tuple(state for state in STATES if state in told),
        states_not_seen=tuple(state for state in STATES if state not in told),
        attachments=tally.attachments,
        receipts=tally.receipts,
        state_updates=sum(row.parity is not Parity.UNKNOWN for row in states),
        older_states=older_states,
        names=tally.names.compared,
        older_names=tally.names.older,
    )

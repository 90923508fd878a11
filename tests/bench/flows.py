"""Pulling and sending, beside bare loops that ask the same of the same hub."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from json import dumps

from bridge.model import State, StateUpdate
from bridge.naming import Folder
from bridge.rounds import pull_round, push_round
from bridge.translate import patch_body
from tests.accounts import Said, annotated, paid, said, state_file
from tests.bench import bare
from tests.bench.figures import Figure, Run, alternate, timed
from tests.bench.processes import CONNECTIONS
from tests.bench.rig import Rig, UnevenError, ensure_same

GOAL = "≥ 0.8"

ONE = (State.ANNOTATED,)
LIFE = (State.ANNOTATED, State.RECEIVED, State.ACCEPTED, State.RECOGNISED, State.PAID)
"""The updates of an invoice: the one that there always is, and all from the first to the last."""

PAID_ON = date(2026, 4, 1)

WARM_UP = 250
"""Invoices of a first batch at most: it does not count."""


def pull_figures(rig: Rig, *, delay: float, batch: int, rounds: int) -> list[Figure]:
    """Pull a new batch each round, with the bridge and with two bare loops."""
    batches = rig.batches.setdefault(delay, [])
    tallies: dict[str, Mapping[str, int]] = {}
    syncs: Counter[str] = Counter()
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: pull_round(rig.inbound, only_due=False),
        "files": lambda: bare.pull(rig.bare, rig.bare_mailbox),
        "memory": lambda: bare.pull(rig.bare, None),
    }

    def run(side: str, number: int) -> float:
        if len(batches) == number:
            rig.hub.delay(delay)
            batches.append(rig.hub.fill(batch if number else min(batch, WARM_UP)))
            tallies.clear()
        rig.hub.tally()
        with _counted_syncs(syncs, side) if number == 0 else _as_it_is():
            took = timed(sides[side])
        tallies[side] = rig.hub.tally()
        if len(tallies) == len(sides):
            ensure_same(f"pull, round {number}", tallies)
        return took

    seconds = alternate(_runs(run, sides), rounds=rounds)
    _ensure_pulled(rig)
    asked = sum(count for name, count in tallies["ours"].items() if name.endswith("requests"))
    moved = sum(count for name, count in tallies["ours"].items() if name.endswith("bytes"))
    print(
        f"\nA pull of {batch} invoices: {asked} requests and {moved / 1e6:.1f} MB on each side; "
        f"fsync of files and folders, of {len(batches[0])}: {syncs['ours']} ours, "
        f"{syncs['files']} in the loop (the ledger's commits are ours alone)."
    )
    what = f"pull, hub at {delay * 1000:.0f} ms: invoices"
    figures = [
        Figure(
            what=what,
            reference="bare httpx loop, same files, same fsyncs",
            amount=batch,
            ours=seconds["ours"],
            theirs=seconds["files"],
            goal=GOAL,
        ),
        Figure(
            what=what,
            reference="bare httpx loop, nothing written",
            amount=batch,
            ours=seconds["ours"],
            theirs=seconds["memory"],
        ),
    ]
    if delay:
        least = [asked * delay / CONNECTIONS] * rounds
        figures.append(
            Figure(
                what=what,
                reference="what the wire allows (connections ÷ latency)",
                amount=batch,
                ours=seconds["ours"],
                theirs=least,
                goal="≥ 0.85",
            )
        )
    return figures


def fill_batches(rig: Rig, *, delay: float, batch: int, rounds: int) -> None:
    """Pull the batches of all rounds with the bridge alone, where only sending is measured."""
    rig.hub.delay(0)
    batches = rig.batches.setdefault(delay, [])
    for number in range(rounds + 1):
        batches.append(rig.hub.fill(batch if number else min(batch, WARM_UP)))
        pull_round(rig.inbound, only_due=False)
    _ensure_pulled(rig)


def push_figures(rig: Rig, *, delay: float, rounds: int) -> list[Figure]:
    """Send one update of each invoice of a batch, and all that can be said of a fifth of them."""
    rig.hub.delay(delay)
    return [
        figure
        for what, states in (("updates", ONE), ("five an invoice", LIFE))
        for figure in _push_figures(rig, what, states, delay=delay, rounds=rounds)
    ]


def _push_figures(
    rig: Rig, what: str, states: Sequence[State], *, delay: float, rounds: int
) -> list[Figure]:
    """Send with the bridge and with two bare loops."""
    batches = [batch[:: len(states)] for batch in rig.batches[delay]]
    taking: dict[int, float] = {}
    tallies: dict[str, Mapping[str, int]] = {}

    def send_ours(number: int) -> float:
        batch = batches[number]
        rig.hub.renew(batch)
        for hub_id in batch:
            content = state_file(*_said(hub_id, states, number))
            (rig.account.mailbox.root / "statin" / f"{hub_id}.XML").write_bytes(content)
        taking[number] = timed(lambda: push_round(rig.account, only_due=False, talk=False))
        rig.hub.tally()
        done = []
        took = timed(lambda: done.append(push_round(rig.account, only_due=False)))
        tallies["ours"] = rig.hub.tally()
        if done[0].sent.accepted != len(batch) * len(states):
            raise UnevenError(f"push: {done[0].sent} of {len(batch) * len(states)} updates")
        return took

    def send_bare(side: str, number: int, *, ask_first: bool) -> float:
        bodies = {hub_id: _bodies(states, side, number) for hub_id in batches[number]}
        rig.hub.renew(batches[number])
        rig.hub.tally()
        took = timed(lambda: bare.send(rig.bare, bodies, ask_first=ask_first))
        tallies[side] = rig.hub.tally()
        return took

    runs: dict[str, Run] = {
        "ours": send_ours,
        "asks": partial(send_bare, "asks", ask_first=True),
        "only": partial(send_bare, "only", ask_first=False),
    }
    seconds = alternate(runs, rounds=rounds)
    if states == ONE:
        ensure_same("push", {side: _requests(tallies[side]) for side in ("ours", "asks")})
    whole = [sent + taking[number] for number, sent in enumerate(seconds["ours"], start=1)]
    sent = f"send, hub at {delay * 1000:.0f} ms: {what}"
    amount = len(batches[-1]) * len(states)

    def figure(what: str, reference: str, ours: list[float], side: str, goal: str) -> Figure:
        theirs = seconds[side]
        return Figure(
            what=what, reference=reference, amount=amount, ours=ours, theirs=theirs, goal=goal
        )

    asking = "bare loop that asks before each"
    return [
        figure(sent, "bare PATCH loop", seconds["ours"], "only", GOAL),
        figure(sent, asking, seconds["ours"], "asks", ""),
        figure(f"take in and {sent}", asking, whole, "asks", ""),
    ]


def _runs(run: Callable[[str, int], float], sides: Mapping[str, object]) -> dict[str, Run]:
    return {side: partial(run, side) for side in sides}


def _register_number(side: str, number: int) -> str:
    return f"R-{side}-{number:04d}"  # of one length


def _said(hub_id: str, states: Sequence[State], number: int) -> list[Said]:
    """Return what a state file says of an invoice."""
    details = {
        State.ANNOTATED: annotated(hub_id, _register_number("ours", number)),
        State.PAID: paid(hub_id, PAID_ON.isoformat()),
    }
    return [details.get(state) or said(hub_id, state) for state in states]


def _bodies(states: Sequence[State], side: str, number: int) -> list[bytes]:
    details = {
        State.ANNOTATED: StateUpdate(
            state=State.ANNOTATED, register_number=_register_number(side, number)
        ),
        State.PAID: StateUpdate(state=State.PAID, paid_on=PAID_ON),
    }
    updates = [details.get(state) or StateUpdate(state=state) for state in states]
    return [dumps(patch_body(update)).encode() for update in updates]


def _requests(tally: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in tally.items() if name.endswith("requests")}


def _ensure_pulled(rig: Rig) -> None:
    wanted = sum(len(batch) for batches in rig.batches.values() for batch in batches)
    there = len(rig.account.mailbox.present(Folder.OUT))
    if there != wanted:
        raise UnevenError(f"pull: {there} of {wanted} invoices are in the mailbox")


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _counted_syncs(syncs: Counter[str], side: str) -> Iterator[None]:
    real = os.fsync

    def counting(descriptor: int) -> None:
        syncs[side] += 1
        real(descriptor)

    os.fsync = counting
    try:
        yield
    finally:
        os.fsync = real

"""Both feeds with differences between them, as a mix asks for: something to reconcile.

A mix says how many invoices of each `Kind` there are: `identical:20,different:2,only-rest:1`. The
same mix and seed give the same invoices, each with what either feed gives of it and, where the two
differ, the name of what a comparison should find.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from random import Random

from bridge.errors import SettingsError
from bridge.model import HubId
from bridge.sandbox.alterations import CONTENTS, FORMS, applies, cut_off
from bridge.sandbox.invoices import Generator
from bridge.sandbox.receipts import receipt
from bridge.sandbox.records import Content, HeldAttachment, HeldInvoice, content_of


class Kind(StrEnum):
    """How the two feeds give an invoice: the words of a report's outcomes, and one more.

    Another receipt alone leaves an invoice identical, and is told beside.
    """

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    ONLY_LEGACY = "only-legacy"
    ONLY_REST = "only-rest"
    IN_FLIGHT = "in-flight"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One invoice, and what each feed gives of it."""

    kind: Kind
    held: HeldInvoice
    """As the hub holds it."""
    legacy: tuple[bytes, ...]
    """The files that the old mailbox has under this hub id; none where it lacks the invoice."""
    on_rest: bool = True
    legacy_attachments: tuple[HeldAttachment, ...] = ()
    legacy_receipt: Content | None = None
    """Where it is another one than REST's."""
    field: str | None = None
    """The name of what differs."""
    what: str = ""
    """Which of the ways to be of its kind."""

    @property
    def hub_id(self) -> HubId:
        """The id of the invoice."""
        return self.held.hub_id


def read_mix(text: str) -> dict[Kind, int]:
    """Return how many invoices of each kind a mix asks for; raises SettingsError."""
    found: dict[Kind, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        word, _, number = part.partition(":")
        try:
            kind, count = Kind(word.strip()), int(number or 1)
        except ValueError:
            raise SettingsError(
                f'--mix: {part!r} is not understood: a list such as "identical:20,different:2" is '
                f"wanted, of {', '.join(Kind)}"
            ) from None
        if count < 0:
            raise SettingsError(f"--mix: {part!r}: less than none cannot be")
        found[kind] = found.get(kind, 0) + count
    return found


def scenes(
    generator: Generator, mix: Mapping[Kind, int], *, seed: int, now: datetime | None = None
) -> tuple[Scene, ...]:
    """Return the invoices of a mix, in a mixed order; `now` is when the latest ones came."""
    random = Random(f"{seed} mix")
    kinds = [kind for kind in Kind for _ in range(mix.get(kind, 0))]
    random.shuffle(kinds)
    stage = _Stage(generator=generator, random=random, now=now or datetime.now(UTC))
    return tuple(scene for kind in kinds for scene in _MAKE[kind](stage))


@dataclass(slots=True)
class _Stage:
    """What scenes are made with; the ways to be of a kind come in turn."""

    generator: Generator
    random: Random
    now: datetime
    turns: dict[Kind, int] = field(default_factory=dict)

    def turn(self, kind: Kind, count: int) -> int:
        """Return whose turn it is among so many ways."""
        turn = self.turns.setdefault(kind, self.random.randrange(count))
        self.turns[kind] = turn + 1
        return turn % count


def _scene(held: HeldInvoice, kind: Kind, *legacy: bytes) -> Scene:
    return Scene(kind=kind, held=held, legacy=legacy, legacy_attachments=held.attachments)


def _identical(stage: _Stage) -> Iterator[Scene]:
    held = stage.generator.next_invoice()
    yield _scene(held, Kind.IDENTICAL, held.facturae())


def _equivalent(stage: _Stage) -> Iterator[Scene]:
    held = stage.generator.next_invoice()
    what = list(FORMS)[stage.turn(Kind.EQUIVALENT, len(FORMS))]
    scene = _scene(held, Kind.EQUIVALENT, FORMS[what].change(held.facturae()))
    yield replace(scene, what=what)


_ATTACHMENT = "attachment"


def _different(stage: _Stage) -> Iterator[Scene]:
    ways = [*CONTENTS, _ATTACHMENT]
    what = ways[stage.turn(Kind.DIFFERENT, len(ways))]
    held = _until(stage, lambda held: _can_differ(held, what))
    content = held.facturae()
    if what == _ATTACHMENT:
        first, *others = held.attachments
        changed = replace(first, content=first.content + b"\n")
        scene = _scene(held, Kind.DIFFERENT, content)
        yield replace(scene, legacy_attachments=(changed, *others), field="attachment 1", what=what)
    else:
        scene = _scene(held, Kind.DIFFERENT, CONTENTS[what].change(content))
        yield replace(scene, field=CONTENTS[what].field, what=what)


def _can_differ(held: HeldInvoice, what: str) -> bool:
    if what == _ATTACHMENT:
        return bool(held.attachments)
    return applies(CONTENTS[what], held.facturae())


def _until(stage: _Stage, fits: Callable[[HeldInvoice], bool]) -> HeldInvoice:
    while not fits(held := stage.generator.next_invoice()):
        pass
    return held


def _only_legacy(stage: _Stage) -> Iterator[Scene]:
    held = stage.generator.next_invoice()
    yield replace(_scene(held, Kind.ONLY_LEGACY, held.facturae()), on_rest=False)


def _only_rest(stage: _Stage) -> Iterator[Scene]:
    yield _scene(stage.generator.next_invoice(), Kind.ONLY_REST)


def _in_flight(stage: _Stage) -> Iterator[Scene]:
    held = stage.generator.next_invoice()
    held = replace(held, invoice=replace(held.invoice, registered_at=stage.now))
    if stage.turn(Kind.IN_FLIGHT, 2):
        yield replace(_scene(held, Kind.IN_FLIGHT, held.facturae()), on_rest=False, what="legacy")
    else:
        yield replace(_scene(held, Kind.IN_FLIGHT), what="rest")


def _duplicate(stage: _Stage) -> Iterator[Scene]:
    """Yield one hub id with two contents, or one invoice under two hub ids."""
    held = stage.generator.next_invoice()
    content = held.facturae()
    if stage.turn(Kind.DUPLICATE, 2):
        other = CONTENTS["amount"].change(content)
        yield replace(_scene(held, Kind.DUPLICATE, content, other), what="two contents")
        return
    twin = stage.generator.next_invoice()
    again = replace(held.invoice, hub_id=twin.hub_id)
    twin = replace(twin, invoice=again, facturae=content_of(content))
    for each in (held, twin):
        yield replace(_scene(each, Kind.DUPLICATE, content), what="two hub ids")


def _unreadable(stage: _Stage) -> Iterator[Scene]:
    held = stage.generator.next_invoice()
    yield _scene(held, Kind.UNREADABLE, cut_off(held.facturae()))


def _receipt(stage: _Stage) -> Iterator[Scene]:
    held = _until(stage, lambda held: held.receipt is not None)
    other = replace(held.invoice, registration_number=f"{held.invoice.registration_number}9")
    scene = _scene(held, Kind.IDENTICAL, held.facturae())
    yield replace(scene, legacy_receipt=content_of(receipt(other)), what="receipt")


_MAKE: Mapping[Kind, Callable[[_Stage], Iterator[Scene]]] = {
    Kind.IDENTICAL: _identical,
    Kind.EQUIVALENT: _equivalent,
    Kind.DIFFERENT: _different,
    Kind.ONLY_LEGACY: _only_legacy,
    Kind.ONLY_REST: _only_rest,
    Kind.IN_FLIGHT: _in_flight,
    Kind.DUPLICATE: _duplicate,
    Kind.UNREADABLE: _unreadable,
    Kind.RECEIPT: _receipt,
}

"""Generated invoices: the same seed gives the same invoices, to the last byte.

Invoice number k depends on the seed and k alone, so that a longer list begins like a shorter one.
Dates hang on a fixed day: only what happens to an invoice later bears the real time.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random
from typing import Any

from bridge.model import HubId, Invoice, InvoiceFacts, State
from bridge.sandbox.attachments import attachment
from bridge.sandbox.facturae_folder import invoice_of
from bridge.sandbox.facturae_xml import NAMESPACES, facturae
from bridge.sandbox.paper import Line, Paper, cents
from bridge.sandbox.parties import suppliers, town_halls
from bridge.sandbox.receipts import receipt
from bridge.sandbox.records import Content, HeldInvoice, Quirks, content_of
from bridge.sandbox.rules import opening_history

FIRST_DAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FIRST_HUB_ID = 4_100_000
FIRST_ATTACHMENT_ID = 7_100_000
EAGER = 5_000
"""So many invoices have their files made beforehand: a benchmark measures its own side."""

_BARE, _CURT, _UNSIGNED, _THROUGH_FACE = 0.25, 0.25, 0.25, 0.25
"""Shares of the invoices whose data lacks fields, whose times lack milliseconds, and so on."""

_PREFIXES = ("fe", "facturae", "namespace2", "m")
_SERIES = (None, None, "A", "S/26", "FV 26", "Sèrie É")
_NUMBERS = ("2026/{0:04d}", "F 26-{0:04d}", "{0:06d}", "Núm. {0}/2026", "FRA-2026-{0:05d}", "E&{0}")
_RATES = (Decimal("21.00"), Decimal("21.00"), Decimal("10.00"), Decimal("4.00"), Decimal("0.00"))
_WORK = (
    "Manteniment de l'enllumenat públic",
    "Subministrament de material d'oficina",
    "Neteja de l'escola bressol «El Niu»",
    "Reparació de la calçada, fase 2 & voreres",
    "Hores de tècnic informàtic",
    "Menús escolars del mes",
    "Lloguer de l'escenari, festa major",
    "Impressió de fullets <A5>, 4+4 tintes",
)


class Generator:
    """Makes one invoice after the other; not safe to share between threads."""

    def __init__(self, *, seed: int = 1, size: int = 0) -> None:
        self.town_halls = town_halls(seed)
        self._suppliers = suppliers(seed)
        self._seed = seed
        self._size = size
        self._places = count(1)
        self._attachment_ids = count(FIRST_ATTACHMENT_ID + 1)
        self._last_hub_id = FIRST_HUB_ID

    def next_attachment_id(self) -> str:
        """Return an id that no attachment has."""
        return str(next(self._attachment_ids))

    def next_invoice(self, *, registered: bool = True) -> HeldInvoice:
        """Return the next invoice; one that is not registered is only SENT."""
        place, random = self._next()
        paper = self._paper(random, place)
        invoice = Invoice(
            hub_id=self._next_hub_id(random),
            number=paper.number,
            issue_date=paper.issue_date,
            amount=paper.total,
            supplier_nif=paper.supplier.nif,
            supplier_name=paper.supplier.full_name,
            receiver_nif=paper.receiver.nif,
            receiver_name=paper.receiver.name,
            accounting_office=paper.accounting_office,
            managing_body=paper.receiver.managing_body,
            processing_unit=paper.receiver.processing_unit,
        )
        file = partial(facturae, paper, size=self._size)
        return self._hold(random, place, invoice, file, registered=registered)

    def next_from_file(self, content: bytes, facts: InvoiceFacts) -> HeldInvoice:
        """Return a real file as the next invoice."""
        place, random = self._next()
        invoice = invoice_of(self._next_hub_id(random), facts)
        return self._hold(random, place, invoice, content_of(content), registered=True)

    def _next(self) -> tuple[int, Random]:
        place = next(self._places)
        return place, Random(f"{self._seed} invoice {place}")

    def _next_hub_id(self, random: Random) -> HubId:
        self._last_hub_id += random.randrange(1, 9)
        return HubId(str(self._last_hub_id))

    def _hold(
        self, random: Random, place: int, invoice: Invoice, file: Content, *, registered: bool
    ) -> HeldInvoice:
        """Return an invoice as the hub holds it on arrival, with its history and attachments."""
        sent_at = FIRST_DAY + timedelta(minutes=3 * place, seconds=random.randrange(60))
        invoice = replace(invoice, **_registration(random, place, sent_at, registered=registered))
        history = opening_history(invoice, sent_at)
        last = history[-1]
        invoice = replace(invoice, state=last.state, state_text=last.state_text, state_at=last.at)
        make_receipt = partial(receipt, invoice)
        eager = place <= EAGER
        return HeldInvoice(
            invoice=invoice,
            facturae=content_of(file()) if eager else file,
            receipt=content_of(make_receipt()) if eager else make_receipt,
            history=history,
            quirks=Quirks(bare=random.random() < _BARE, milliseconds=random.random() >= _CURT),
            attachments=tuple(
                attachment(random, self.next_attachment_id())
                for _ in range(random.choice((0, 0, 1, 1, 2, 3)))
            ),
        )

    def _paper(self, random: Random, place: int) -> Paper:
        receiver = random.choice(self.town_halls)
        day = FIRST_DAY + timedelta(minutes=3 * place) - timedelta(days=random.randrange(1, 20))
        credit = place % 9 == 0
        return Paper(
            # In turn, so that three invoices already show the three versions.
            version=tuple(NAMESPACES)[place % len(NAMESPACES)],
            number=random.choice(_NUMBERS).format(place),
            series="RECT" if credit else random.choice(_SERIES),
            issue_date=date(day.year, day.month, day.day),
            supplier=random.choice(self._suppliers),
            receiver=receiver,
            accounting_office=random.choice(receiver.accounting_offices),
            lines=_lines(random, sign=-1 if credit else 1),
            corrects=f"2026/{place - 1:04d}" if credit else None,
            signed=random.random() >= _UNSIGNED,
            prefix=random.choice(_PREFIXES),
            iban=_iban(random),
        )


def _registration(
    random: Random, place: int, sent_at: datetime, *, registered: bool
) -> dict[str, Any]:
    """Return the fields that registering an invoice fills; one in four came through FACe."""
    if not registered:
        return {"state": State.SENT}
    registered_at = sent_at + timedelta(seconds=random.randrange(2, 90))
    fields: dict[str, Any] = {
        "registration_number": f"E/{place:06d}-2026",
        "registered_at": registered_at,
    }
    if random.random() < _THROUGH_FACE:
        fields["face_registration_number"] = f"2026{place:08d}"
        fields["face_registered_at"] = sent_at - timedelta(minutes=20)
    return fields


def _lines(random: Random, *, sign: int) -> tuple[Line, ...]:
    return tuple(
        Line(
            description=random.choice(_WORK),
            quantity=Decimal(sign * random.randrange(1, 40)),
            unit_price=cents(Decimal(random.randrange(50, 120_000)) / 100),
            tax_rate=random.choice(_RATES),
        )
        for _ in range(random.choice((1, 1, 2, 3, 5, 12)))
    )


def _iban(random: Random) -> str:
    """Return a Spanish account number with right check digits."""
    account = "".join(random.choices("0123456789", k=20))
    return f"ES{98 - int(account + '142800') % 97:02d}{account}"

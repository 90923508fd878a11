"""Which invoice of the hub an old file is: its name tells the hub id, else what messages say.

Messages count only where exactly one invoice fits. Nothing is guessed: what stays open is said to
be so.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeGuard

from bridge.identity import number_forms, plain_nif, plain_number
from bridge.model import Digest, HubId, InvoiceFacts
from bridge.naming import Folder, NameParts, Profile
from bridge.old_files.file import OldFile, Statement

_HUB_ID = re.compile(r"[A-Za-z0-9_-]+")
"""`4100055 (2)` is what a file manager calls a copy, not a hub id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldInvoice:
    """An invoice that the software had, and what is known of it."""

    file: OldFile
    facts: InvoiceFacts
    hub_id: HubId
    statement: Statement | None
    """What a message says of it, the registration among it, if there is one."""
    codes: tuple[tuple[str, str], ...]
    """Pairs of a tax id, in its plain form, and the addressing code that stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedInvoice:
    """An invoice, and what its name tells."""

    file: OldFile
    facts: InvoiceFacts
    parts: NameParts | None

    @property
    def hub_id(self) -> HubId | None:
        """The hub id that its name tells."""
        return _hub_id(self.parts)

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Which code stands for which tax id; a tax id that stands for itself is no code."""
        if self.parts is None:
            return ()
        pairs = (
            (plain_nif(self.facts.seller_nif), self.parts.sender),
            (plain_nif(self.facts.buyer_nif), self.parts.receiver),
        )
        return tuple((nif, code) for nif, code in pairs if nif and code and plain_nif(code) != nif)


def hub_id_in_name(profile: Profile, name: str) -> HubId | None:
    """Return the hub id that the name of an invoice tells, whatever the file holds."""
    return _hub_id(profile.parse(Folder.OUT, name))


def _hub_id(parts: NameParts | None) -> HubId | None:
    return HubId(parts.hub_id) if parts and is_hub_id(parts.hub_id) else None


def is_hub_id(text: str | None) -> TypeGuard[str]:
    """Tell whether a part of a name can be a hub id."""
    return text is not None and _HUB_ID.fullmatch(text) is not None


class _Index:
    """Statements by what invoices can be recognised by."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._by_hub_id: dict[HubId, Statement] = {}
        self._by_filename: dict[str, set[HubId]] = defaultdict(set)
        self._by_facts: dict[tuple[str, date], set[tuple[str, HubId]]] = defaultdict(set)
        for said in statements:
            known = self._by_hub_id.get(said.hub_id)
            if known is None or (known.registered_at is None and said.registered_at):
                self._by_hub_id[said.hub_id] = said
            if not is_hub_id(said.hub_id):
                continue
            if said.filename:
                self._by_filename[_file_key(said.filename)].add(said.hub_id)
            if said.number and said.supplier_nif and said.issue_date:
                key = (plain_nif(said.supplier_nif), said.issue_date)
                self._by_facts[key].add((plain_number(said.number), said.hub_id))

    def of(self, hub_id: HubId) -> Statement | None:
        return self._by_hub_id.get(hub_id)

    def of_name(self, name: str) -> set[HubId]:
        return self._by_filename.get(_file_key(name), set())

    def of_facts(self, facts: InvoiceFacts) -> set[HubId]:
        if not (facts.number and facts.seller_nif and facts.issue_date):
            return set()
        said = self._by_facts.get((plain_nif(facts.seller_nif), facts.issue_date), set())
        forms = number_forms(file_number=facts.number, series=facts.series)
        return {hub_id for number, hub_id in said if number in forms}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """Old invoices, as far as it is known which they are."""

    invoices: tuple[OldInvoice, ...]
    """Each hub id once."""
    copies: tuple[tuple[OldFile, HubId], ...]
    """Further files that are called by a hub id that an invoice has already."""
    without_hub_id: tuple[OldFile, ...]
    problems: tuple[str, ...]
    """What could not be decided, in sentences."""


def identify(invoices: Sequence[NamedInvoice], said: Iterable[Statement]) -> Identified:
    """Return which invoices these are; `said` is what messages say of any."""
    statements = _Index(said)
    by_id, problems = _by_name(invoices, statements)
    identified, without = _with_hub_ids(by_id, invoices, statements)
    return Identified(
        invoices=tuple(identified),
        copies=tuple((it.file, hub_id) for hub_id, named in by_id.items() for it in named[1:]),
        without_hub_id=without,
        problems=tuple(problems),
    )


def _by_name(
    invoices: Sequence[NamedInvoice], statements: _Index
) -> tuple[dict[HubId, list[NamedInvoice]], list[str]]:
    """Return the invoices by the hub ids in their names, and what could not be decided."""
    problems: list[str] = []
    by_id: dict[HubId, list[NamedInvoice]] = defaultdict(list)
    for invoice in invoices:
        if invoice.hub_id is None:
            continue
        others = statements.of_name(invoice.file.name) - {invoice.hub_id}
        if others:
            problems.append(_say_contradicted(invoice, others))
        else:
            by_id[invoice.hub_id].append(invoice)
    for hub_id, found in by_id.items():
        other = next((it for it in found if it.file.digest != found[0].file.digest), None)
        if other is not None:
            problems.append(
                f"{found[0].file.path} and {other.file.path} are both called invoice {hub_id} but "
                "differ: the first one is taken"
            )
    return by_id, problems


def _say_contradicted(invoice: NamedInvoice, others: Iterable[HubId]) -> str:
    return (
        f"{invoice.file.path}: by its name this is invoice {invoice.hub_id}, by a state message "
        f"{', '.join(sorted(others))}: not counted as either"
    )


def _with_hub_ids(
    by_id: Mapping[HubId, Sequence[NamedInvoice]],
    invoices: Sequence[NamedInvoice],
    statements: _Index,
) -> tuple[list[OldInvoice], tuple[OldFile, ...]]:
    """Return the invoices by their hub ids, and those that have none."""
    # The same bytes under a name that tells the hub id are a copy.
    known = {invoice.file.digest for found in by_id.values() for invoice in found}
    nameless = [it for it in invoices if it.hub_id is None and it.file.digest not in known]
    claimed = _claims(nameless, statements, taken=by_id.keys())
    known = {invoice.file.digest for invoice in claimed.values()}
    without = {it.file.digest: it.file for it in nameless if it.file.digest not in known}
    firsts = {hub_id: found[0] for hub_id, found in by_id.items()} | claimed
    identified = [
        OldInvoice(
            file=invoice.file,
            facts=invoice.facts,
            hub_id=hub_id,
            statement=statements.of(hub_id),
            codes=invoice.codes,
        )
        for hub_id, invoice in firsts.items()
    ]
    return identified, tuple(without.values())


def _claims(
    invoices: Sequence[NamedInvoice], statements: _Index, *, taken: Iterable[HubId]
) -> dict[HubId, NamedInvoice]:
    """Return the invoices that statements give a hub id, where only one invoice can have it."""
    claims: dict[HubId, dict[Digest, NamedInvoice]] = defaultdict(dict)
    for invoice in invoices:
        said = statements.of_name(invoice.file.name) or statements.of_facts(invoice.facts)
        if len(said) == 1:
            (hub_id,) = said
            claims[hub_id].setdefault(invoice.file.digest, invoice)
    return {
        hub_id: next(iter(claiming.values()))
        for hub_id, claiming in claims.items()
        if len(claiming) == 1 and hub_id not in taken
    }


def _file_key(name: str) -> str:
    return re.sub(r"\.(?:xml|xsig)$", "", name.casefold())

"""Invented suppliers and town halls, with tax ids whose control characters are right.

No entity here exists: municipality numbers above 900 are given to no municipality of the four
provinces, and no NIF is taken from anybody.
"""

from dataclasses import dataclass
from random import Random

from bridge.model import Entity

_CIF_LETTERS = "JABCDEFGHI"
_NIF_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_LETTER_CONTROL = frozenset("KPQRSNW")
"""Kinds of entity whose CIF ends in a letter."""


def cif(kind: str, number: int) -> str:
    """Return the tax id of an entity: its kind (`B`, `P` …) and a number of seven digits."""
    digits = f"{number:07d}"
    odd = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::2])
    even = sum(int(digit) for digit in digits[1::2])
    control = -(odd + even) % 10
    return f"{kind}{digits}{_CIF_LETTERS[control] if kind in _LETTER_CONTROL else control}"


def nif(number: int) -> str:
    """Return the tax id of a person: a number of eight digits."""
    return f"{number:08d}{_NIF_LETTERS[number % 23]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address in Catalonia."""

    street: str
    post_code: str
    town: str
    province: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """Who issues an invoice; a person has surnames."""

    nif: str
    name: str
    address: Address
    surnames: tuple[str, str] | None = None

    @property
    def full_name(self) -> str:
        """The name in one line."""
        return " ".join((self.name, *(self.surnames or ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class TownHall:
    """Who receives invoices, with its DIR3 codes."""

    entity: Entity
    address: Address
    accounting_offices: tuple[str, ...]
    managing_body: str
    processing_unit: str

    @property
    def nif(self) -> str:
        """Its tax id."""
        return self.entity.nif

    @property
    def name(self) -> str:
        """Its name."""
        assert self.entity.name is not None
        return self.entity.name


_TOWNS = (
    ("08", "Barcelona", "Vilanova de la Riera", "de Vilanova de la Riera"),
    ("17", "Girona", "Sant Pere de les Fonts", "de Sant Pere de les Fonts"),
    ("25", "Lleida", "L'Espluga del Pla", "de l'Espluga del Pla"),
    ("43", "Tarragona", "Castellnou de Mar", "de Castellnou de Mar"),
    ("08", "Barcelona", "Hostalets d'en Bac", "d'Hostalets d'en Bac"),
)


def town_halls(seed: int) -> tuple[TownHall, ...]:
    """Return the town halls of a platform, the same for the same seed."""
    random = Random(f"town halls {seed}")
    return tuple(_town_hall(random, place, town) for place, town in enumerate(_TOWNS))


def _town_hall(random: Random, place: int, town: tuple[str, str, str, str]) -> TownHall:
    code, province, name, of = town
    number = 900 + 10 * place + random.randrange(10)
    offices = random.sample(range(1000, 9999), 3)
    ine5 = f"{code}{number}"
    return TownHall(
        entity=Entity(
            nif=cif("P", int(f"{ine5}00")), name=f"Ajuntament {of}", ine10=f"{ine5}10008"
        ),
        address=Address(
            street="Plaça de la Vila, 1",
            post_code=f"{code}{random.randrange(100, 999)}",
            town=name,
            province=province,
        ),
        accounting_offices=(f"L01{ine5}1", f"LA000{offices[0]}"),
        managing_body=f"LA000{offices[1]}",
        processing_unit=f"LA000{offices[2]}",
    )


_COMPANIES = (
    ("B", "Fusteria Puigdemunt, SL"),
    ("B", "Gràfiques l'Ametller, SL"),
    ("A", "Serveis Elèctrics del Canigó, SA"),
    ("B", "Jardineria Tres Roures, SLU"),
    ("F", "Neteges la Lluna, SCCL"),
    ("A", "Obres i Paviments Comella, SA"),
    ("B", "Col·lectiu d'Enginyers Ferrer & Fills, SLP"),
    ("G", "Associació Cultural el Cérvol"),
    ("B", "Informàtica «Nou Núvol», SL"),
    ("B", "Àpats i Menjadors Escolars Vallpla, SL"),
)
_PEOPLE = (
    ("Núria", "Peixoto", "Casadevall"),
    ("Jordi", "Güell", "i Vinyoles"),
    ("M. Àngels", "Sànchez", "Tomàs"),
    ("Íñigo", "Muñoz", "Ibáñez"),
)
_STREETS = ("Carrer Major", "Carrer de la Font", "Avinguda de Catalunya", "Polígon les Comes, nau")
_SEATS = (
    ("08", "Barcelona", "Manresa"),
    ("17", "Girona", "Olot"),
    ("25", "Lleida", "Balaguer"),
    ("43", "Tarragona", "Valls"),
)


def suppliers(seed: int) -> tuple[Supplier, ...]:
    """Return the suppliers of a seed: companies, and persons in business on their own."""
    random = Random(f"suppliers {seed}")
    companies = tuple(
        Supplier(
            nif=cif(kind, random.randrange(800_0000, 999_9999)),
            name=name,
            address=_address(random),
        )
        for kind, name in _COMPANIES
    )
    people = tuple(
        Supplier(
            nif=nif(random.randrange(9_000_0000, 9_999_9999)),
            name=name,
            surnames=(first, second),
            address=_address(random),
        )
        for name, first, second in _PEOPLE
    )
    return companies + people


def _address(random: Random) -> Address:
    code, province, town = random.choice(_SEATS)
    return Address(
        street=f"{random.choice(_STREETS)}, {random.randrange(1, 180)}",
        post_code=f"{code}{random.randrange(100, 999)}",
        town=town,
        province=province,
    )

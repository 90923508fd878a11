"""What a client is like: its program as the connection shows it, and its habits.

Old accounting software is known by these: which algorithms it needs, how it names what it is
still writing, in which encoding. They are kept so that nobody has to find out by losing it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bridge.chain import Detail

MOST_NAMES = 80
"""Algorithms in one list that are kept; the longest lists of today have some thirty."""

_LONGEST = 100
"""Characters of a name from outside that are kept."""

_MOST_HABITS = 60

DIRECT = "final name at once"
OTHER_NAME = "another name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A client's program: what it calls itself, what it offered, and what was agreed on."""

    name: str = ""
    offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of algorithms by their kind (see `algorithms.Kind`), the client's favourite first."""
    agreed: Mapping[str, str] = field(default_factory=dict)

    def as_detail(self) -> Detail:
        """Return it as tables and events keep it, cut to a size that no client can blow up."""
        return {
            "name": short(self.name),
            "offered": {kind: short_list(names) for kind, names in self.offered.items()},
            "agreed": {kind: short(name) for kind, name in self.agreed.items()},
        }


def short(name: str) -> str:
    """Return a name from outside, printable and cut to a length."""
    text = "".join(character if character.isprintable() else "?" for character in name)
    return text.encode("utf-8", "backslashreplace").decode()[:_LONGEST]


def short_list(names: Iterable[str]) -> list[str]:
    """Return names from outside, cut to a length and a number."""
    return [short(name) for name in list(names)[:MOST_NAMES]]


class Habits:
    """What a client does in one visit; for one thread at a time."""

    def __init__(self) -> None:
        self.commands: set[str] = set()
        self._names: set[str] = set()
        self._uploads: set[str] = set()
        self._uploaded: set[str] = set()

    def command(self, verb: str) -> None:
        """Take note of an FTP command that the door knows."""
        self.commands.add(verb)

    def named(self, name: str) -> None:
        """Take note of how a file's name came over the wire."""
        if not name.isascii():
            undecoded = any("\udc80" <= character <= "\udcff" for character in name)
            self._names.add("not UTF-8" if undecoded else "UTF-8")

    def uploaded(self, name: str) -> None:
        """Take note of the name of a finished upload."""
        self.named(name)
        if len(self._uploaded) < _MOST_HABITS:
            self._uploaded.add(name)

    def renamed(self, name: str, to: str) -> None:
        """Take note of an upload that got its final name."""
        self.named(to)
        self._uploaded.discard(name)
        if len(self._uploads) < _MOST_HABITS:
            self._uploads.add(temporary_form(name, to))

    def as_detail(self) -> dict[str, list[str]]:
        """Return what there is to be kept."""
        uploads = self._uploads | ({DIRECT} if self._uploaded else set())
        kinds = {"commands": self.commands, "file_names": self._names, "uploads": uploads}
        return {kind: sorted(values) for kind, values in kinds.items() if values}


def temporary_form(name: str, to: str) -> str:
    """Return how a name was temporary, as a pattern: `*.filepart`, `~*`, `.*`, `*.tmp`."""
    stem, _, ending = name.rpartition(".")
    if name.startswith(to):
        pattern = f"*{name[len(to) :]}"
    elif name.endswith(to):
        pattern = f"{name[: -len(to)]}*"
    elif stem and stem == to.rpartition(".")[0]:
        pattern = f"*.{ending}"
    else:
        return OTHER_NAME
    # A number or a token in it is another one each time.
    return pattern if re.fullmatch(r"[~._*A-Za-z-]{2,20}", pattern) else OTHER_NAME

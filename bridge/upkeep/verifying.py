"""`verify`: ledger, chain of events, journal and archive against each other.

Each of them could be changed without the others noticing; all of them together cannot. What is
checked here an auditor can check with public tools: see `export`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shlex import quote

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bridge import comparing
from bridge.archive import Archive
from bridge.chain import FIRST, BrokenChainError, Link, check
from bridge.ledger import Ledger, accounts, archive_removals, doubts, events, evidence, replay
from bridge.ledger.journal import Journal
from bridge.model import Digest

FEW = 3
"""So many of what is wrong are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was checked, whether it is in order, and what was seen."""

    account: str
    what: str
    right: bool
    said: str


@dataclass(slots=True)
class _Chain:
    """What a walk along an account's events brings to light."""

    count: int = 0
    digest: str = FIRST
    through: datetime | None = None
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _JournalEnd:
    """How far the journal's chain goes, or why it cannot be told."""

    path: Path
    count: int = 0
    digest: str = FIRST
    broken: str = ""


def verify(ledger: Ledger, data_dir: Path, name: str) -> Iterator[Checked]:
    """Check one account; what `status` says it was verified through is noted in the ledger.

    A bridge may be at work meanwhile. Raises LedgerError when the ledger cannot be read.
    """
    # The journal first: what is added to both in between is then no surprise in the ledger.
    journal = _journal_end(ledger.journal(name))
    archive = Archive(data_dir / "archive" / name)
    with ledger.read() as connection, evidence.retelling() as retold:
        if not evidence.is_whole(connection):
            yield Checked(name, "ledger", False, f"{ledger.path}: the database file is damaged")
            return
        chain = _walk(connection, retold, name)
        checks = [
            Checked(name, "events", not chain.broken, chain.broken or _chain_said(chain)),
            _journal(connection, journal, name, chain),
            _rows(connection, retold, archive, name, chain),
        ]
        wanted = evidence.digests(connection, name)
    checks.append(_archive(ledger, archive, name, wanted))
    yield from checks
    if all(check.right for check in checks) and chain.through is not None:
        with ledger.write() as connection:
            accounts.note_verified(connection, name, through=chain.through)


def _walk(connection: Connection, retold: Connection, name: str) -> _Chain:
    """Check the chain, and tell anew what its events mean for the tables."""
    chain = _Chain()
    for link, digest in events.chain(connection, name):
        if link.number != chain.count + 1 or link.digest != digest:
            chain.broken = (
                f"the chain breaks at {_named(link)}: it, or the one before it, was changed or "
                "removed"
            )
            return chain
        try:
            replay.tell(retold, link)
        except (AssertionError, LookupError, TypeError, ValueError, IntegrityError) as error:
            chain.broken = f"{_named(link)} cannot be true after the ones before: {error!r}"
            return chain
        chain.count, chain.digest, chain.through = link.number, digest, link.at
    return chain


def _named(link: Link) -> str:
    return f"event {link.number} of {link.at:%Y-%m-%d %H:%M} UTC ({link.kind})"


def _chain_said(chain: _Chain) -> str:
    if chain.through is None:
        return "none yet"
    return (
        f"{chain.count} in an unbroken chain through {chain.through:%Y-%m-%d %H:%M:%S} UTC; "
        f"the last one's digest is {chain.digest}"
    )


def _journal_end(journal: Journal) -> _JournalEnd:
    try:
        count, digest = check(journal.lines())
    except (BrokenChainError, OSError, UnicodeDecodeError) as error:
        return _JournalEnd(path=journal.path, broken=str(error))
    return _JournalEnd(path=journal.path, count=count, digest=digest)


def _journal(connection: Connection, journal: _JournalEnd, name: str, chain: _Chain) -> Checked:
    """Compare the journal with the ledger's events; it may be short of the newest."""
    if journal.broken:
        return Checked(name, "journal", False, f"{journal.path}: {journal.broken}")
    behind = chain.count - journal.count
    if behind < 0 and not chain.broken:
        return Checked(
            name,
            "journal",
            False,
            f"{journal.path} knows {-behind} events that the ledger does not: it was "
            "restored from a backup. The bridge writes them down again in its next round",
        )
    if not chain.broken and events.digest_at(connection, name, journal.count) != journal.digest:
        return Checked(name, "journal", False, f"{journal.path}: other events than in the ledger")
    more = f"; the ledger had {behind} more a moment later" if behind > 0 else ""
    return Checked(name, "journal", True, f"{journal.count} events in an unbroken chain{more}")


def _rows(
    connection: Connection, retold: Connection, archive: Archive, name: str, chain: _Chain
) -> Checked:
    """Compare every row with what the events tell, and what follows from rows and files anew."""
    if chain.broken:
        return Checked(name, "ledger", False, "not compared: the events cannot be trusted")
    wrong, count = [], 0
    for difference in evidence.compared(connection, retold, name):
        count += 1
        if difference:
            wrong.append(difference)
    wrong += doubts.wrong(connection, name)
    wrong += comparing.wrong(connection, archive, name)
    if wrong:
        return Checked(name, "ledger", False, _few(wrong))
    return Checked(name, "ledger", True, f"{count} rows say what the events say")


def _archive(ledger: Ledger, archive: Archive, name: str, wanted: set[Digest]) -> Checked:
    """Digest every file of the archive anew; see that none of those wanted is missing."""
    wrong: list[str] = []
    found: set[Digest] = set()
    size = 0
    for path in archive.files():
        digest = Digest(path.name)
        try:
            if _digest_of(path) != digest:
                wrong.append(f"{path} was changed")
            size += path.stat().st_size
        except FileNotFoundError:
            continue  # gone since the folder was listed: whether it may, is seen below
        found.add(digest)
    with ledger.read() as connection:  # by now it knows why anything went meanwhile
        removed = archive_removals.removed_digests(connection, name)
    missing = [digest for digest in wanted - found - removed if not archive.path(digest).exists()]
    wrong += [f"{archive.path(digest)} is missing" for digest in sorted(missing)]
    if wrong:
        return Checked(name, "archive", False, _few(wrong))
    gone = f"; {len(removed - found)} removed by keep_archive" if removed - found else ""
    extra = len(found - wanted)
    unknown = f"; {extra} of which the ledger does not speak" if extra else ""
    said = f"{len(found)} files, {size / 1e6:.1f} MB, all as their digests say{gone}{unknown}"
    return Checked(name, "archive", True, said)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _few(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - FEW} more" if len(wrong) > FEW else ""
    return "; ".join(wrong[:FEW]) + more


README = """\
Evidence of efact-bridge, account {name}, {count} events through {through}

events.jsonl    what happened, one event a line; each line ends with the SHA-256 of the line before
SHA256SUMS      the SHA-256 of every file in the archive, which lies in {archive}

To check the files (coreutils):
    cd {archive} && sha256sum --quiet -c {folder}/SHA256SUMS

To check the chain (bash, sed, coreutils); it prints the digest of the last event:
    previous=
    while IFS= read -r line; do
      said=$(printf %s "$line" | sed -n 's/.*"previous":"\\([0-9a-f]*\\)"}}$/\\1/p')
      [ "$said" = "$previous" ] || echo "broken: $line"
      previous=$(printf %s "$line" | sha256sum | cut -d" " -f1)
    done < {folder}/events.jsonl; echo "$previous"
It must print {digest}.
Write this digest down elsewhere: a chain that was written anew as a whole would not end with it.
"""


def export(ledger: Ledger, data_dir: Path, name: str, target: Path) -> Path:
    """Write an account's evidence for an auditor into a folder of its own; return the folder.

    Raises OSError where it cannot be written.
    """
    folder = (target / name).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    archive = Archive((data_dir / "archive" / name).absolute())
    link = None
    with ledger.read() as connection, (folder / "events.jsonl").open("w") as file:
        for link, _ in events.chain(connection, name):
            file.write(f"{link.line}\n")
    sums = (f"{path.name}  {path.relative_to(archive.root)}\n" for path in archive.files())
    _write_lines(folder / "SHA256SUMS", sums)
    text = README.format(
        name=name,
        count=link.number if link else 0,
        through=f"{link.at:%Y-%m-%d %H:%M:%S} UTC" if link else "now",
        digest=link.digest if link else "nothing",
        archive=quote(str(archive.root)),
        folder=quote(str(folder)),
    )
    (folder / "README.txt").write_text(text)
    return folder


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w") as file:
        file.writelines(lines)

"""A report over a long ledger, beside the same full outer join by hand; old files beside rclone.

Each side is a process of its own, so that its peak of memory is its own too. DuckDB and pandas come
with the dependency group `bench`; what is not installed is left out.
"""

import hashlib
import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from statistics import median
from typing import Any

from bridge.archive import Archive
from bridge.comparing import FileComparer
from bridge.ledger import Ledger, comparisons, doubts
from bridge.model import Digest, FeedName, HubId
from bridge.recorded import Recorded
from bridge.sandbox.alterations import CONTENTS, FORMS
from bridge.sandbox.invoices import Generator
from reconcile.opening import opened

ACCOUNT = "town"
OF_A_KIND = 4000
"""One in so many invoices is only in the old mailbox, only REST's, equivalent, and different."""

BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)

SETTINGS = """\
data_dir = "data"
[hub]
base_url = "http://127.0.0.1:9/rcf"
[[account]]
name = "town"
issuer = "hub"
secret_file = "hub.secret"
shadow = "legacy"
[account.legacy]
url = "file:///nowhere"
"""


@dataclass(frozen=True, slots=True)
class Took:
    """What a run took."""

    seconds: float
    megabytes: float


def compare_table(folder: Path, *, deliveries: int, rounds: int) -> str:
    """Return a table: the report and the joins by hand, time and memory, as ratios."""
    folder.mkdir(parents=True)
    fill(folder, deliveries)
    rivals = [name for name in ("duckdb", "pandas") if find_spec(name)]
    for name in rivals:
        _run(folder, f"prepare-{name}")
    took: dict[str, list[Took]] = {name: [] for name in ("report", *rivals)}
    for number in range(rounds + 1):
        for name in took if number % 2 else reversed(took):
            result = _run(folder, name)
            if number:
                took[name].append(result)
    lines = [f"\ncomparing {deliveries:,} deliveries a side, 0.1 % of them findings"]
    lines += [_line(name, took[name], took["report"]) for name in took]
    return "\n".join(lines)


def _line(name: str, ours: Sequence[Took], report: Sequence[Took]) -> str:
    seconds, most = median(it.seconds for it in ours), max(it.megabytes for it in ours)
    times = [mine.seconds / its.seconds for mine, its in zip(report, ours, strict=True)]
    memory = max(it.megabytes for it in report) / most
    return (
        f"{name:<12} {seconds:7.2f} s  {most:7.0f} MB   report takes {median(times):5.2f} "
        f"({min(times):.2f}–{max(times):.2f}) times as long, {memory:.2f} times as much memory"
    )


def files_table(folder: Path, *, files: int, rounds: int) -> str:
    """Return a table: reading and hashing old files, beside rclone and diff on the same folders."""
    write_files(folder, files)
    rivals: dict[str, list[str]] = {"ours": []}
    if which("rclone"):
        check = ["rclone", "check", "--checksum", "--one-way", "-q"]
        rivals["rclone check"] = [*check, str(folder / "legacy"), str(folder / "rest")]
    rivals["diff -rq"] = ["diff", "-rq", str(folder / "legacy"), str(folder / "rest")]
    took: dict[str, list[float]] = {name: [] for name in rivals}
    for number in range(rounds + 1):
        for name, command in rivals.items():
            began = time.perf_counter()
            if command:
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                seconds = time.perf_counter() - began
            else:
                seconds = _run(folder, "files").seconds
            if number:
                took[name].append(seconds)
    lines = [f"\nreading {files:,} old files of 20 KB"]
    for name, seconds_each in took.items():
        pairs = zip(took["ours"], seconds_each, strict=True)
        ratio = median(its / mine for mine, its in pairs)
        lines.append(
            f"{name:<12} {median(seconds_each):7.2f} s   ours is {ratio:5.2f} times as fast"
        )
    return "\n".join(lines)


# -- what is compared ----------------------------------------------------------------------------


def fill(folder: Path, deliveries: int) -> None:
    """Write settings and a ledger with so many deliveries a side."""
    (folder / "efact-bridge.toml").write_text(SETTINGS)
    secret = folder / "hub.secret"
    secret.touch(mode=0o600)
    secret.write_text("0123456789abcdef0123456789abcdef")
    path = folder / "data" / "ledger.db"
    with opened(folder / "efact-bridge.toml", None):
        pass  # makes the ledger and the mailbox
    archive = Archive(folder / "data" / "archive" / ACCOUNT)
    rows = _Rows(archive)
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    indexes = database.execute(_INDEXES).fetchall()
    triggers = database.execute(_TRIGGERS).fetchall()
    with database:
        for kind, found in (("TRIGGER", triggers), ("INDEX", indexes)):
            for name, _ in found:
                database.execute(f"DROP {kind} {name}")
        _insert(database, "delivery", rows.deliveries(deliveries))
        _insert(database, "recorded_file", rows.files(deliveries))
        ends = (_stored(0), _stored(deliveries))
        _insert(database, "recorded_span", (_span(feed, *ends) for feed in ("legacy", "rest")))
        for _, statement in indexes:
            database.execute(statement)
    database.close()
    _mark(path)
    _compare(folder)


def _mark(path: Path) -> None:
    """Mark what differs, as the ledger does when it writes a row: all of it in one go."""
    with closing(Ledger(path)) as ledger, ledger.write() as connection:
        doubts.renew(connection)


def _compare(folder: Path) -> None:
    """Compare the files of what is marked, as a round of recording does, and say what it took."""
    with opened(folder / "efact-bridge.toml", None) as account:
        began = time.process_time()
        FileComparer(account).compare_new()
        took = time.process_time() - began
        with account.ledger.read() as connection:
            count = sum(1 for _ in comparisons.every(connection, ACCOUNT))
    if count:
        print(f"{count:,} pairs of files compared beforehand: {1000 * took / count:.2f} ms each")


_INDEXES = """
SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL
AND tbl_name IN ('delivery', 'recorded_file')
"""
_TRIGGERS = """
SELECT name, sql FROM sqlite_master WHERE type = 'trigger'
AND tbl_name IN ('delivery', 'recorded_file')
"""


_CHANGES = {3: FORMS["re-indented"].change, 4: CONTENTS["amount"].change}


class _Rows:
    """The rows of both feeds."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._generator = Generator(seed=1)
        self._pairs: dict[int, tuple[Digest, Digest]] = {}

    def deliveries(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield the rows of `delivery`, both feeds by turns."""
        for number in range(count):
            kind = number % OF_A_KIND
            if kind != 1:
                yield self._delivery("legacy", number, self._digest(number))
            if kind != 2:
                yield self._delivery("rest", number, self._digest(number, rest=True))

    def files(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield the rows of `recorded_file`."""
        for number in range(count):
            if number % OF_A_KIND != 1:
                yield {
                    "account": ACCOUNT,
                    "path": f"out/{number}.XML",
                    "name": f"{number}.XML",
                    "folder": "out",
                    "digest": self._digest(number),
                    "kind": "invoice",
                    "hub_id": str(4_100_000 + number),
                    "first_seen_at": _stored(number),
                    "attempts": 0,
                }

    def _digest(self, number: int, *, rest: bool = False) -> str:
        """Return the digest of a file; of those that differ, each is an invoice of its own."""
        change = _CHANGES.get(number % OF_A_KIND)
        if change is None:
            return hashlib.sha256(str(number).encode()).hexdigest()
        if number not in self._pairs:
            content = self._generator.next_invoice().facturae()
            files = (content, change(content))
            self._pairs[number] = tuple(_kept(self._archive, file) for file in files)
        return self._pairs[number][rest]

    def _delivery(self, feed: str, number: int, digest: str) -> dict[str, Any]:
        at = _stored(number + (13 if feed == "rest" else 0))
        return {
            "account": ACCOUNT,
            "feed": feed,
            "hub_id": str(4_100_000 + number),
            "state": "acknowledged",
            "nif": "P0801900B",
            "accounting_office": f"L0108{number % 97:04d}",
            "number": f"2026/{number}",
            "file_number": f"2026/{number}",
            "issue_date": at[:10],
            "amount": "1210.00",
            "supplier_nif": f"B{number % 5000:08d}",
            "receiver_nif": "P0801900B",
            "registration_number": f"E/{number}-2026",
            "registered_at": at,
            "digest": digest,
            "name": f"{'S' * 22}@{'R' * 22}@2026_{number}@{4_100_000 + number}.XML",
            "recorded_at": at if feed == "legacy" else None,
            "acknowledged_at": at if feed == "rest" else None,
            "seen_at": at,
            "attempts": 0,
        }


def _kept(archive: Archive, content: bytes) -> Digest:
    digest = Digest(hashlib.sha256(content).hexdigest())
    archive.path(digest).write_bytes(content)
    return digest


def _span(feed: str, since: str, until: str) -> dict[str, Any]:
    return {"account": ACCOUNT, "feed": feed, "since": since, "until": until, "listings": 2}


def _stored(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=10 * seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")


def _insert(database: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    names = ", ".join(first)
    marks = ", ".join(f":{name}" for name in first)
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
    database.execute(statement, first)
    database.executemany(statement, rows)


def write_files(folder: Path, count: int) -> None:
    """Write so many invoices of 20 KB twice: an old mailbox, and what REST gave."""
    generator = Generator(seed=1, size=20_000)
    for side in ("legacy", "rest"):
        (folder / side / "out").mkdir(parents=True)
    known = {}
    for number in range(count):
        content = generator.next_invoice().facturae()
        known[hashlib.sha256(content).hexdigest()] = str(4_100_000 + number)
        for side in ("legacy", "rest"):
            (folder / side / "out" / f"S@R@{number}@{4_100_000 + number}.XML").write_bytes(content)
    (folder / "known.json").write_text(json.dumps(known))


# -- in a process of its own ---------------------------------------------------------------------


def _run(folder: Path, what: str) -> Took:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.comparing", str(folder), what],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return Took(**json.loads(done.stdout))


def _report(folder: Path) -> None:
    from reconcile.asked import Asked
    from reconcile.reporting import make_report

    asked = Asked(grace=timedelta(hours=24), only_recorded=True)
    with opened(folder / "efact-bridge.toml", None) as account:
        report = make_report(account, asked, _Quiet()).report
    found = sum(count for outcome, count in report.counts.items() if outcome != "identical")
    assert len(report.rows) == found > 0


class _Quiet:
    def begin(self, step: object, total: int | None = None) -> None:
        """Show nothing."""

    def advance(self, count: int = 1) -> None:
        """Show nothing."""


_JOIN = """
SELECT coalesce(l.hub_id, r.hub_id), l.digest, r.digest FROM l FULL OUTER JOIN r
ON l.hub_id = r.hub_id WHERE l.hub_id IS NULL OR r.hub_id IS NULL OR l.digest <> r.digest
"""


def _sides(folder: Path) -> Iterator[tuple[str, str, str]]:
    database = sqlite3.connect(folder / "data" / "ledger.db")
    yield from database.execute("SELECT feed, hub_id, digest FROM delivery")


def _prepare_duckdb(folder: Path) -> None:
    import duckdb

    for feed in ("legacy", "rest"):
        with (folder / f"{feed}.csv").open("w") as file:
            rows = (row for row in _sides(folder) if row[0] == feed)
            file.writelines(f"{hub_id},{digest}\n" for _, hub_id, digest in rows)
    columns = "{'hub_id': 'VARCHAR', 'digest': 'VARCHAR'}"
    with duckdb.connect(str(folder / "sides.duckdb")) as database:
        for table, feed in (("l", "legacy"), ("r", "rest")):
            source = f"read_csv('{folder / feed}.csv', columns = {columns}, header = false)"
            database.execute(f"CREATE TABLE {table} AS SELECT * FROM {source}")


def _duckdb(folder: Path) -> None:
    import duckdb

    with duckdb.connect(str(folder / "sides.duckdb"), read_only=True) as database:
        assert database.execute(_JOIN).fetchall()


def _prepare_pandas(folder: Path) -> None:
    import pandas

    for feed in ("legacy", "rest"):
        rows = [row[1:] for row in _sides(folder) if row[0] == feed]
        pandas.DataFrame(rows, columns=["hub_id", "digest"]).to_pickle(folder / f"{feed}.pickle")


def _pandas(folder: Path) -> None:
    import pandas

    legacy, rest = (pandas.read_pickle(folder / f"{feed}.pickle") for feed in ("legacy", "rest"))
    merged = legacy.merge(rest, on="hub_id", how="outer", indicator=True)
    assert len(merged[(merged["_merge"] != "both") | (merged["digest_x"] != merged["digest_y"])])


def _files(folder: Path) -> None:
    from reconcile.parallel import read_old_folder

    known = json.loads((folder / "known.json").read_text())  # as the ledger knows them
    rest = {
        Digest(digest): Recorded(feed=FeedName.REST, hub_id=HubId(hub_id), digest=Digest(digest))
        for digest, hub_id in known.items()
    }
    assert sum(1 for _ in read_old_folder(folder / "legacy", rest)) == len(rest)


_WORK: Mapping[str, Callable[[Path], None]] = {
    "report": _report,
    "duckdb": _duckdb,
    "pandas": _pandas,
    "prepare-duckdb": _prepare_duckdb,
    "prepare-pandas": _prepare_pandas,
    "files": _files,
}


def main(folder: str, what: str) -> None:
    """Do one thing, and print what it took."""
    if what == "report":  # importing is no part of comparing
        import reconcile.reporting  # noqa: F401
    elif what in ("duckdb", "pandas"):
        __import__(what)
    began = time.perf_counter()
    _WORK[what](Path(folder))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])

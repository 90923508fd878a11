"""`report` and `accept`: what they do, without their options."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile

from rich.console import Console

from bridge.account import Account
from bridge.durable import removed_unless_whole, storage
from bridge.errors import HubAwayError, LocalError, SettingsError
from bridge.ledger import reports
from bridge.ledger.reports import Accepted
from bridge.model import HubId
from reconcile.as_json import as_json, history_as_json
from reconcile.asked import Asked
from reconcile.command_line import whoever
from reconcile.keeping import history
from reconcile.language import Language, language
from reconcile.model import FINDINGS, Reason, Report, Verdict
from reconcile.rendering import (
    as_csv,
    as_html,
    as_rich,
    as_text,
    as_xlsx,
    history_as_rich,
    history_as_text,
    progress,
    sentences,
)
from reconcile.reporting import Made, make_report


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a report goes, and how."""

    format: Format = Format.TEXT
    path: Path | None = None
    language: str = "en"


def report(account: Account, asked: Asked, output: Output) -> int:
    """Make a report and write it; return the exit code."""
    words = language(output.language)
    was_there = _has_anything(account)
    with progress(words, stream=sys.stderr) as shown:
        made = make_report(account, asked, shown)
    if made.away and not was_there and not sum(made.report.counts.values()):
        said = "; ".join(reason.said for reason in made.report.reasons if reason.said)
        raise HubAwayError(f"nothing is recorded yet, and nothing could be reached: {said}")
    _write(made.report, output, words)
    return _code(made)


def show_history(account: Account, output: Output) -> int:
    """Write the summaries of all reports on an account."""
    words = language(output.language)
    with account.ledger.read() as connection:
        summaries = history(connection, account.name)
    if output.format is Format.JSON:
        _put(history_as_json(account.name, summaries).encode(), output)
    elif output.format is not Format.TEXT:
        raise SettingsError(f'--history is shown as "text" or "json", not as "{output.format}"')
    elif output.path is None and sys.stdout.isatty():
        Console(highlight=False).print(history_as_rich(summaries, words))
    else:
        _put(history_as_text(summaries, words).encode(), output)
    return 0


def accept(account: Account, hub_id: str, reason: str) -> str:
    """Take responsibility for a finding of the last report; return what was done.

    Raises LocalError where the last report has no such finding.
    """
    if not reason.strip():
        raise SettingsError("--reason: say why this finding may stay; it is kept for ever")
    with account.ledger.write() as connection:
        last = reports.last(connection, account.name)
        source = last.legacy_source if last else ""
        found = reports.findings(connection, account.name, source).get(HubId(hub_id))
        if found is None or found.outcome not in FINDINGS:
            raise LocalError(
                f"{hub_id}: the last report on {account.name} has no such finding; "
                "run `efact-reconcile report` first"
            )
        accepted = Accepted(
            hub_id=found.hub_id,
            outcome=found.outcome,
            legacy_digest=found.legacy_digest,
            rest_digest=found.rest_digest,
            beside=found.beside,
            reason=reason.strip(),
            by=whoever(),
            at=account.clock(),
        )
        reports.accept(connection, account.name, accepted)
    return f"{hub_id}: {found.outcome}, accepted by {accepted.by}: {accepted.reason}"


def _has_anything(account: Account) -> bool:
    with account.ledger.read() as connection:
        return reports.last(connection, account.name) is not None


def _code(made: Made) -> int:
    if made.away:
        return 3
    return 0 if made.report.verdict is Verdict.READY else 1


def _write(made: Report, output: Output, words: Language) -> None:
    if output.format is Format.TEXT and output.path is None and sys.stdout.isatty():
        Console(highlight=False).print(as_rich(made, words))
        return
    _put(_WRITERS[output.format](made, words), output)


def _english(reason: Reason) -> str:
    told = sentences.reason(language("en"), reason)
    parts = (told.says, f"({told.which})" if told.which else "", told.said)
    return " ".join(part for part in parts if part)


_WRITERS: Mapping[Format, Callable[[Report, Language], bytes]] = {
    Format.TEXT: lambda made, words: as_text(made, words).encode(),
    Format.JSON: lambda made, _words: as_json(made, _english).encode(),
    Format.CSV: lambda made, _words: as_csv(made),
    Format.HTML: as_html,
    Format.XLSX: as_xlsx,
}


def _put(content: bytes, output: Output) -> None:
    """Write to the file, which is whole or not there, or to standard output."""
    if output.path is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    path = output.path
    if path.exists() and not path.is_file() and not path.is_dir():
        with storage(f"write {path}"):
            path.write_bytes(content)  # a pipe or a device, such as /dev/stdout, stays what it is
        return
    path = path.resolve()  # a link stays one, too
    with (
        storage(f"write {path}"),
        NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file,
    ):
        staged = Path(file.name)
        with removed_unless_whole(staged):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            staged.chmod(0o666 & ~_umask())
            staged.replace(path)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

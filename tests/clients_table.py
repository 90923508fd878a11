"""The table of results in docs/clients.md: `make clients` runs the matrix and writes it.

A row is a client of `door_clients.ROUNDS`, a column a test of `test_door_clients.py`.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.door_clients import ROUNDS, make_client

PAGE = Path(__file__).parent.parent / "docs" / "clients.md"
MODULE = "test_door_clients.py"

COLUMNS: Mapping[str, str] = {
    "test_a_client_logs_in_and_out": "login",
    "test_a_wrong_password_is_refused_and_the_client_knows": "wrong password",
    "test_the_files_of_a_folder_are_listed": "list",
    "test_hundreds_of_files_are_listed": "list 300",
    "test_a_file_is_fetched_byte_for_byte": "fetch",
    "test_a_deleted_file_is_gone_and_told": "delete",
    "test_a_state_file_arrives_under_its_final_name": "drop",
    "test_a_state_file_arrives_under_a_temporary_name_and_is_renamed": "drop, rename",
    "test_a_file_is_overwritten": "overwrite",
    "test_a_large_file_comes_in_whole": "drop 800 KB",
    "test_a_client_that_is_killed_while_it_uploads_leaves_nothing_and_comes_again": "cut off",
    "test_folders_are_found_in_any_case": "`/STATIN`",
    "test_a_name_with_letters_beyond_ascii_goes_both_ways": "`nº_ñ€`",
}  # fmt: skip
"""What the tests are called in the table."""

PROTOCOLS = {"sftp": "SFTP", "ftp": "FTP", "ftps": "FTP with TLS"}
_NOTHING = "–"
_SIGNS = {"passed": "yes", "failed": "**no**", "skipped": _NOTHING}
_TABLE = re.compile(r"(?<=<!-- the matrix -->\n).*?(?=<!-- the end of the matrix -->)", re.DOTALL)
_TEST = re.compile(rf"{re.escape(MODULE)}::(\w+)\[(.+)\]$")


class TableWriter:
    """A plugin of pytest that collects how each test went and writes the table at the end."""

    def __init__(self) -> None:
        self.results: dict[tuple[str, str], str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = _TEST.search(report.nodeid)
        if found and found[1] in COLUMNS and (report.when == "call" or not report.passed):
            self.results[found[2], COLUMNS[found[1]]] = _SIGNS[report.outcome]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.results and not hasattr(session.config, "workerinput"):
            text = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(_TABLE.sub(lambda _: table(self.results), text), encoding="utf-8")


def table(results: Mapping[tuple[str, str], str]) -> str:
    """Return the table in Markdown."""
    heads = ["client", "version", "protocol", *COLUMNS.values()]
    lines = [heads, ["---"] * len(heads)]
    for name, (protocol, _) in ROUNDS.items():
        cells = [results.get((name, column), _NOTHING) for column in COLUMNS.values()]
        lines.append([name, _version(name), PROTOCOLS[protocol], *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def committed() -> list[list[str]]:
    """Return the cells of the table as it stands in the page."""
    found = _TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None, f"{PAGE} has lost the marks around its table"
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in found[0].splitlines()
    ]


def _version(name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return make_client(name, 0, Path(folder)).version()
        except pytest.skip.Exception:
            return _NOTHING

"""What servers answer to LIST and MLSD, and names as text that can be stored."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.feeds.legacy.entries import Kind, Row
from bridge.feeds.legacy.ftp_listing import (
    ListingError,
    parse_facts_list,
    parse_list,
    parse_time,
)
from bridge.filename import raw_of, storable


@pytest.mark.parametrize(
    ("line", "kind", "name", "size"),
    [
        (b"-rw-r--r--    1 0  0    1234 Mar 01 10:00 a b.XML", Kind.FILE, b"a b.XML", 1234),
        (b"-rw-r--r--+   1 rcf users 5 Mar  1  2024  lead.XML", Kind.FILE, b" lead.XML", 5),
        (b"-rw-rw-rw-   1 user 77 Jan 31 23:59 1 2 3.XML", Kind.FILE, b"1 2 3.XML", 77),
        (b"drwxr-xr-x    2 ftp ftp 4096 Dec 31 2023 OUT", Kind.FOLDER, b"OUT", None),
        (b"lrwxrwxrwx 1 0 0 11 Nov 25 19:00 a.XML -> /etc/passwd", Kind.LINK, b"a.XML", None),
        (b"prw-r--r-- 1 0 0 0 Nov 25 19:00 pipe", Kind.OTHER, b"pipe", None),
        (b"-rw-r--r-- 1 0 0 9 nov. 25 19:00 fa\xe7ana.XML", Kind.FILE, b"fa\xe7ana.XML", 9),
        (b"02-11-24  10:30AM       <DIR>          out", Kind.FOLDER, b"out", None),
        (b"02-11-2024  22:30              1234 a b.XML", Kind.FILE, b"a b.XML", 1234),
    ],
)
def test_a_line_of_list_is_understood(
    line: bytes, kind: Kind, name: bytes, size: int | None
) -> None:
    assert list(parse_list([line])) == [Row(name=name, kind=kind, size=size)]


def test_what_is_no_file_is_passed_over_in_list() -> None:
    lines = [
        b"total 12",
        b"",
        b"drwxr-xr-x 2 0 0 1 Nov 25 19:00 .",
        b"drwxr-xr-x 2 0 0 1 Nov 25 19:00 ..",
    ]
    assert list(parse_list(lines)) == []


@pytest.mark.parametrize(
    "line", [b"who knows", b"-rw-r--r-- 1 0 0 9 Nov 25 19:00 ../evil", b"-rw-r--r-- 1 0 0"]
)
def test_a_line_that_is_not_understood_is_never_passed_over(line: bytes) -> None:
    with pytest.raises(ListingError):
        list(parse_list([line]))


def test_a_line_of_mlsd_is_understood() -> None:
    lines = [
        b"type=cdir;modify=20240101000000; .",
        b"Type=file;Size=12;Modify=20240131123000.123;UNIX.mode=0644; a b;c.XML",
        b"type=dir; out",
        b"type=OS.unix=slink:/etc; link",
    ]
    modified = datetime(2024, 1, 31, 12, 30, tzinfo=UTC)
    assert list(parse_facts_list(lines)) == [
        Row(name=b"a b;c.XML", kind=Kind.FILE, size=12, modified=modified),
        Row(name=b"out", kind=Kind.FOLDER),
        Row(name=b"link", kind=Kind.LINK),
    ]


def test_a_time_that_is_none_is_not_known() -> None:
    assert parse_time("yesterday") is None


@given(st.binary())
def test_the_bytes_of_any_path_come_back(raw: bytes) -> None:
    assert raw_of(storable(raw)) == raw


@given(st.binary())
def test_the_text_of_any_path_can_be_stored(raw: bytes) -> None:
    assert storable(raw).encode("utf-8").decode("utf-8") == storable(raw)


@given(st.text())
def test_text_stays_as_it_is(text: str) -> None:
    if not any("\uf780" <= char <= "\uf7ff" for char in text):
        assert storable(text.encode()) == text

"""The doors on the wire beside OpenSSH's sftp-server and vsftpd: clients were written for those."""

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.door_rig import XML, Rig
from tests.sftp_wire_client import (
    ATTRS,
    DATA,
    HANDLE,
    NAME,
    NO_ATTRIBUTES,
    Answer,
    Wire,
    at_openssh,
    at_the_door,
    string,
)

OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = range(3, 13)
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK = range(13, 21)
EXTENDED = 200

FLAGS = {"read": 1, "write": 2, "append": 4, "create": 8, "truncate": 16, "exclusive": 32}
COMBINATIONS = [
    sum(chosen) for n in range(7) for chosen in itertools.combinations(FLAGS.values(), n)
]


@pytest.fixture
def door(rig: Rig) -> Iterator[Wire]:
    with at_the_door(rig) as wire:
        yield wire


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[Wire]:
    folder = tmp_path / "openssh"
    (folder / "statin").mkdir(parents=True)
    with at_openssh(folder) as wire:
        yield wire


def uint32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def uint64(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}Q", *numbers)


def opened(wire: Wire, path: bytes, flags: int) -> Answer:
    return wire.ask(OPEN, string(path), uint32(flags), NO_ATTRIBUTES)


def write_with(wire: Wire, path: Path, flags: int, *, there: bool) -> tuple[object, ...]:
    """Open a file with these flags, write into it, close it; return what was said and is there."""
    path.unlink(missing_ok=True)
    if there:
        path.write_bytes(b"0123456789")
    answer = opened(wire, b"statin/" + path.name.encode(), flags)
    said: list[object] = [answer.kind, answer.code]
    if answer.kind == HANDLE:
        handle = string(answer.text)
        said.append(wire.ask(WRITE, handle, uint64(0), string(b"XY")).code)
        said.append(wire.ask(CLOSE, handle).code)
    return *said, path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("there", [True, False])
def test_every_way_to_open_a_file_for_writing_does_what_openssh_does(
    rig: Rig, tmp_path: Path, door: Wire, openssh: Wire, there: bool
) -> None:
    theirs, ours = tmp_path / "openssh" / "statin" / "a", rig.root / "statin" / "a"
    for flags in COMBINATIONS:
        if flags & FLAGS["write"]:
            expected = write_with(openssh, theirs, flags, there=there)
            assert write_with(door, ours, flags, there=there) == expected, f"flags {flags:#x}"


def test_a_file_opened_to_read_is_never_changed_whatever_the_flags(rig: Rig, door: Wire) -> None:
    """OpenSSH would make the file, or empty it, for a client that then cannot write to it."""
    path = rig.place("statin", "a")
    for flags in COMBINATIONS:
        if not flags & FLAGS["write"]:
            answer = opened(door, b"statin/a", flags)
            assert answer.kind == HANDLE
            assert door.ask(WRITE, string(answer.text), uint64(0), string(b"XY")).code == 3
            assert path.read_bytes() == XML
            assert opened(door, b"statin/missing", flags).code == 2
    assert rig.names("statin") == ["a"]


def test_what_is_answered_to_each_request_is_what_openssh_answers(
    rig: Rig, tmp_path: Path, door: Wire, openssh: Wire
) -> None:
    for folder in (rig.root / "statin", tmp_path / "openssh" / "statin"):
        (folder / "a").write_bytes(XML)
        (folder / "b").write_bytes(XML)
    times = uint32(8, 1_000_000_000, 1_000_000_000)
    mode = uint32(4, 0o100777)
    different = {}
    for kind, *fields in (
        (STAT, string(b"statin")),
        (STAT, string(b"statin/a")),
        (LSTAT, string(b"statin/a")),
        (STAT, string(b"statin/none")),
        (STAT, string(b"statin/a/b")),
        (SETSTAT, string(b"statin/a"), times),
        (SETSTAT, string(b"statin/a"), mode),
        (SETSTAT, string(b"statin/none"), times),
        (SETSTAT, string(b"statin"), times),
        (OPENDIR, string(b"statin/none")),
        (OPENDIR, string(b"statin/a")),
        (RENAME, string(b"statin/a"), string(b"statin/b")),
        (RENAME, string(b"statin/a"), string(b"statin/c")),
        (RENAME, string(b"statin/none"), string(b"statin/d")),
        (EXTENDED, string(b"posix-rename@openssh.com"), string(b"statin/c"), string(b"statin/b")),
        (EXTENDED, string(b"posix-rename@openssh.com"), string(b"statin/no"), string(b"statin/b")),
        (EXTENDED, string(b"nobody@knows.this")),
        (REMOVE, string(b"statin/b")),
        (REMOVE, string(b"statin/b")),
        (REMOVE, string(b"statin")),
        (RMDIR, string(b"statin/none")),
        (READLINK, string(b"statin/none")),
        (CLOSE, string(b"no handle")),
        (READ, string(b"no handle"), uint64(0), uint32(10)),
        (WRITE, string(b"no handle"), uint64(0), string(b"")),
        (FSTAT, string(b"no handle")),
        (FSETSTAT, string(b"no handle"), times),
        (READDIR, string(b"no handle")),
    ):
        expected, found = openssh.ask(kind, *fields), door.ask(kind, *fields)
        if (found.kind, found.code) != (expected.kind, expected.code):
            different[kind, fields[0]] = (expected.code, found.code)
    assert different == DIFFERENT


DIFFERENT = {
    (CLOSE, string(b"no handle")): (2, 4),  # a failure: no file is missing
    (REMOVE, string(b"statin")): (4, 3),  # the folders are fixed: denied
    (RMDIR, string(b"statin/none")): (2, 3),  # the same
    (READLINK, string(b"statin/none")): (2, 8),  # links are not supported at all
}
"""What OpenSSH answers, and what we do."""


@pytest.mark.parametrize("offset", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_place_that_no_file_can_have_is_refused_as_openssh_does(
    rig: Rig, door: Wire, openssh: Wire, caplog: pytest.LogCaptureFixture, offset: int
) -> None:
    for wire in (openssh, door):
        handle = opened(wire, b"statin/a", 1 | 8 | 2).text
        assert wire.ask(READ, string(handle), uint64(offset), uint32(10)).code == 5
    assert "failed" not in caplog.text


def test_what_a_client_fetches_from_where_it_ended_is_told(rig: Rig, door: Wire) -> None:
    size = rig.place("out", "a").stat().st_size
    handle = opened(door, b"out/a", 1).text
    door.ask(READ, string(handle), uint64(10), uint32(1000))
    door.ask(CLOSE, string(handle))
    rig.told.wait_for("fetched", "out", "a", str(size))


def test_the_beginning_of_a_file_read_again_and_again_is_not_told_as_fetched(
    rig: Rig, door: Wire
) -> None:
    size = rig.place("out", "a").stat().st_size
    handle = opened(door, b"out/a", 1).text
    for _ in range(10):
        door.ask(READ, string(handle), uint64(0), uint32(size - 1))
    door.ask(CLOSE, string(handle))
    door.ask(REMOVE, string(b"out/a"))
    rig.told.wait_for("deleted", "out", "a")
    assert "fetched" not in rig.told.kinds()


def test_the_extensions_that_openssh_announces_and_clients_use_are_announced(
    door: Wire, openssh: Wire
) -> None:
    for name in (b"posix-rename@", b"statvfs@", b"fstatvfs@", b"fsync@", b"limits@"):
        assert name in openssh.greeting
        assert name in door.greeting


def test_a_path_in_its_one_form_is_answered_as_openssh_does(door: Wire) -> None:
    answer = door.ask(REALPATH, string(b"//STATOUT/../statin/./x"))
    name = string(b"/statin/x")
    assert (answer.kind, answer.body) == (NAME, uint32(1) + name + name + uint32(0))


def test_many_requests_in_flight_are_answered_each_with_its_own(rig: Rig, door: Wire) -> None:
    data = bytes(number % 251 for number in range(200_000))
    rig.place("out", "a", data)
    rig.place("out", "b", data[::-1])
    handles = [string(opened(door, name, 1).text) for name in (b"out/a", b"out/b")]
    asked = {}
    for offset in range(0, 200_000, 1000):
        for handle, source in zip(handles, (data, data[::-1]), strict=True):
            number = door.send(READ, handle, uint64(offset), uint32(1000))
            asked[number] = source[offset : offset + 1000]
    for _ in range(len(asked)):
        answer = door.answer()
        assert answer.kind == DATA
        assert answer.text == asked.pop(answer.number)


def test_writes_in_flight_in_any_order_make_the_file(rig: Rig, door: Wire) -> None:
    data = bytes(number % 251 for number in range(100_000))
    handle = string(opened(door, b"statin/a", 2 + 8 + 16).text)
    for offset in reversed(range(0, 100_000, 1000)):
        door.send(WRITE, handle, uint64(offset), string(data[offset : offset + 1000]))
    door.send(CLOSE, handle)
    assert {door.answer().code for _ in range(101)} == {0}
    assert (rig.root / "statin" / "a").read_bytes() == data


def test_a_request_that_comes_byte_by_byte_is_answered(rig: Rig, door: Wire) -> None:
    body = struct.pack(">BI", STAT, 7) + string(b"/out")
    for byte in string(body):
        door._send(bytes([byte]))
    answer = door.answer()
    assert (answer.kind, answer.number) == (ATTRS, 7)


def test_twenty_thousand_names_are_listed_each_once(rig: Rig, door: Wire) -> None:
    names = {f"emissor@receptor@{number:05d}@{number}" for number in range(20_000)}
    for name in names:
        (rig.root / "out" / name).touch()
    handle = string(door.ask(OPENDIR, string(b"/out")).text)
    found: list[str] = []
    while (answer := door.ask(READDIR, handle)).kind == NAME:
        found += names_in(answer.body)
    assert answer.code == 1
    assert len(found) == len(names)
    assert set(found) == names


def names_in(body: bytes) -> Iterator[str]:
    """Take the names out of a NAME reply whose rows have size, owner, mode and times."""
    position = 4
    for _ in range(int.from_bytes(body[:4], "big")):
        for part in ("name", "line"):
            length = int.from_bytes(body[position : position + 4], "big")
            text = body[position + 4 : position + 4 + length]
            position += 4 + length
            if part == "name":
                yield text.decode()
        position += 4 + 8 + 4 * 5

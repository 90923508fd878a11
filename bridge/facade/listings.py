"""The lines of listings, for both doors: many thousand of them must come at once.

What costs time is making a date out of a number, so each date is made once: the files of a folder
share few minutes, and few modes.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

_HALF_A_YEAR = 15_552_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ROWS_AT_ONCE = 500

mode_text = lru_cache(maxsize=64)(stat.filemode)
"""Return a mode as `ls` shows it."""


class Entry(NamedTuple):
    """A file or folder in a listing."""

    name: str
    stat: os.stat_result


Row = tuple[str, os.stat_result]
"""The same, where there are so many that making each an `Entry` would take time."""


def seconds(moment: float) -> int:
    """Return a time as the seconds that four bytes can hold."""
    return min(max(int(moment), 0), 0xFFFFFFFF)


def ls_date(moment: float, now: float, local: bool) -> str:  # keywords would cost time
    """Return a time as `ls -l` shows it: with the year where it is half a year away."""
    return _ls_date(int(moment) // 60, abs(now - moment) < _HALF_A_YEAR, local)


@lru_cache(maxsize=4096)
def _ls_date(minute: int, recent: bool, local: bool) -> str:
    date = (time.localtime if local else time.gmtime)(seconds(minute * 60))
    last = f"{date.tm_hour:02d}:{date.tm_min:02d}" if recent else f" {date.tm_year:04d}"
    return f"{_MONTHS[date.tm_mon - 1]} {date.tm_mday:02d} {last}"


@lru_cache(maxsize=4096)
def _mlsd_date(second: int) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(second))


def ftp_list(rows: Iterable[Row], *, owner: str, now: float) -> Iterator[str]:
    """Return the lines of LIST, many at a time; times are UTC."""
    heads, dates = _Heads(owner), _Dates(now)
    return _in_pieces(
        f"{heads[found.st_mode, found.st_nlink]} {found.st_size:8d} "
        f"{dates[int(found.st_mtime) // 60]} {name}\r\n"
        for name, found in rows
    )


class _Heads(dict[tuple[int, int], str]):
    """What stands before the size, by mode and number of links."""

    def __init__(self, owner: str) -> None:
        self._who = f"{owner:<8} {owner:<8}"

    def __missing__(self, key: tuple[int, int]) -> str:
        mode, links = key
        head = self[key] = f"{mode_text(mode)} {links:3d} {self._who}"
        return head


class _Dates(dict[int, str]):
    """Dates by their minute, as `ls -l` shows them."""

    def __init__(self, now: float) -> None:
        self._now = now

    def __missing__(self, minute: int) -> str:
        date = self[minute] = ls_date(minute * 60, self._now, False)
        return date


def ftp_facts(
    rows: Iterable[Row], *, facts: Iterable[str], file_perm: str, folder_perm: str
) -> Iterator[str]:
    """Return the lines of MLSD and MLST with the facts that the client wants, many at a time."""
    wanted = sorted(set(facts) & _FACTS.keys())
    form = "".join(f"{fact}={_FACTS[fact]};" for fact in wanted) + " {name}\r\n"
    return _in_pieces(
        form.format(
            name=name,
            stat=found,
            modify=_mlsd_date(seconds(found.st_mtime)),
            perm=folder_perm if stat.S_ISDIR(found.st_mode) else file_perm,
            type="dir" if stat.S_ISDIR(found.st_mode) else "file",
            mode=oct(found.st_mode & 0o777),
        )
        for name, found in rows
    )


_FACTS = {
    "modify": "{modify}",
    "perm": "{perm}",
    "size": "{stat.st_size}",
    "type": "{type}",
    "unique": "{stat.st_dev:x}g{stat.st_ino:x}",
    "unix.gid": "{stat.st_gid}",
    "unix.mode": "{mode}",
    "unix.uid": "{stat.st_uid}",
}


def _in_pieces(lines: Iterator[str]) -> Iterator[str]:
    """Join lines: a few large pieces are sent faster than many small ones."""
    while piece := "".join(islice(lines, ROWS_AT_ONCE)):
        yield piece

"""The lines of listings, for both doors: many thousand of them must come at once.

What costs time is making a date out of a number, so each date is made once: the files of a folder
share few minutes.
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


def ftp_list(rows: Iterable[Entry], *, owner: str, now: float) -> Iterator[str]:
    """Return the lines of LIST, many at a time; times are UTC."""
    who = f"{owner:<8} {owner:<8}"
    return _in_pieces(
        f"{mode_text(found.st_mode)} {found.st_nlink:3d} {who} {found.st_size:8d} "
        f"{ls_date(found.st_mtime, now, False)} {name}\r\n"
        for name, found in rows
    )


def ftp_facts(
    rows: Iterable[Entry], *, facts: Iterable[str], file_perm: str, folder_perm: str
) -> Iterator[str]:
    """Return the lines of MLSD and MLST with the facts that the client wants, many at a time."""
    wanted = sorted(set(facts) & _FACTS.keys())
    form = "".join(f"{fact}={_FACTS[fact]};" for fact in wanted) + " {name}\r\n"
    return _in_pieces(
        form.format(
            name=row.name,
            stat=row.stat,
            modify=_mlsd_date(seconds(row.stat.st_mtime)),
            perm=folder_perm if stat.S_ISDIR(row.stat.st_mode) else file_perm,
            type="dir" if stat.S_ISDIR(row.stat.st_mode) else "file",
            mode=oct(row.stat.st_mode & 0o777),
        )
        for row in rows
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

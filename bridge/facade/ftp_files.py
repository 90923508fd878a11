"""A mailbox in the form that pyftpdlib asks for: paths, lists, and files to be sent or stored.

pyftpdlib asks a file system of "real" paths; ours are the client's own, in their one form, and
`Visit` decides about each.
"""

import fnmatch
import glob
import os
import posixpath
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.filesystems import AbstractedFS

from bridge.facade.ftp_transfer import Incoming, Outgoing
from bridge.facade.listings import Row, ftp_facts, ftp_list
from bridge.facade.refusals import DoorError
from bridge.facade.uploads import Start

if TYPE_CHECKING:
    from bridge.facade.ftp_handler import Commands

_STARTS = {"wb": Start.EMPTY, "ab": Start.APPEND, "r+b": Start.COPY}
_FIXED = "The folders of the mailbox are fixed"


def _refusing(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our refusals into pyftpdlib's: the one place where that is done."""

    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (any method)
        try:
            return method(*args, **kwargs)
        except DoorError as error:
            raise FilesystemError(str(error)) from error

    return call


class Listed(list[str]):
    """Names that are in a folder, as they stand there."""


class MailboxFiles(AbstractedFS):  # type: ignore[misc]
    """A mailbox in the form that pyftpdlib asks for."""

    def __init__(self, root: str, cmd_channel: "Commands") -> None:
        super().__init__(root, cmd_channel)
        assert cmd_channel.visit is not None
        self._visit = cmd_channel.visit
        self.begin_at = 0
        """Where the next upload goes on (REST)."""

    def ftp2fs(self, ftppath: str) -> str:
        """Return the path in its one form."""
        joined = posixpath.join(self.cwd, ftppath.replace("\0", "\ufffd"))
        return self._visit.canonical(joined)

    def fs2ftp(self, fspath: str) -> str:
        """Return the path: it is the client's own."""
        return fspath

    def validpath(self, path: str) -> bool:
        """Say yes: `Visit` decides."""
        return True

    def realpath(self, path: str) -> str:
        """Return the path: there are no links."""
        return path

    @_refusing
    def chdir(self, path: str) -> None:
        """Change to a folder."""
        if not self._visit.is_folder(path):
            raise FilesystemError("No such folder")
        self.cwd = path

    @_refusing
    def open(self, filename: str, mode: str) -> Outgoing | Incoming:
        """Open a file to be sent or stored."""
        if mode == "rb":
            return Outgoing(self._visit, self._visit.read(filename), filename)
        start = _STARTS[mode]
        goes_on = start is Start.COPY
        upload = self._visit.write(
            filename, start=start, create=not goes_on, begin_at=self.begin_at if goes_on else None
        )
        return Incoming(self._visit, upload, filename)

    @_refusing
    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder, or those that a pattern in place of a name fits."""
        folder, pattern = posixpath.split(path)
        if glob.has_magic(pattern) and not self._visit.is_folder(path):
            return Listed(fnmatch.filter(self._visit.names(folder), pattern))
        return Listed(self._visit.names(path))

    @_refusing
    def lstat(self, path: str) -> os.stat_result:
        """Return size, times and kind."""
        return self._visit.stat(path)

    stat = lstat

    @_refusing
    def remove(self, path: str) -> None:
        """Delete a file."""
        self._visit.remove(path)

    @_refusing
    def rename(self, src: str, dst: str) -> None:
        """Rename an upload; like other FTP servers this overwrites."""
        self._visit.rename(src, dst, replace=True)

    @_refusing
    def utime(self, path: str, timeval: float) -> None:
        """Store the time of an upload."""
        self._visit.set_attributes(path, times=(timeval, timeval))

    @_refusing
    def chmod(self, path: str, mode: int) -> None:
        """Take note and do nothing."""
        self._visit.stat(path)

    def mkdir(self, path: str) -> None:
        """Refuse."""
        raise FilesystemError(_FIXED)

    rmdir = mkdir

    def isdir(self, path: str) -> bool:
        """Tell whether it is a folder, or a pattern that stands for files in one."""
        folder, name = posixpath.split(path)
        pattern = glob.has_magic(name) and self._visit.is_folder(folder) and not self.lexists(path)
        return self._visit.is_folder(path) or pattern

    def isfile(self, path: str) -> bool:
        """Tell whether it is a file."""
        return not self._visit.is_folder(path) and self.lexists(path)

    def islink(self, path: str) -> bool:
        """Say no: there are no links."""
        return False

    def lexists(self, path: str) -> bool:
        """Tell whether it is there."""
        try:
            self._visit.stat(path)
        except (DoorError, OSError):
            return False
        return True

    def getsize(self, path: str) -> int:
        """Return a file's size."""
        return int(self.lstat(path).st_size)

    def getmtime(self, path: str) -> float:
        """Return when a file was changed."""
        return float(self.lstat(path).st_mtime)

    def get_user_by_uid(self, uid: int) -> str:
        """Return a name that says nothing of this machine."""
        return "efact"

    get_group_by_gid = get_user_by_uid

    def format_list(
        self, basedir: str, listing: list[str], ignore_err: bool = True
    ) -> Iterator[bytes]:
        """Return the lines of LIST; a pattern lists the files of its folder."""
        rows = self._rows(basedir, listing, ignore_err=ignore_err)
        return self._encoded(ftp_list(rows, owner=self.get_user_by_uid(0), now=time.time()))

    def format_mlsx(
        self,
        basedir: str,
        listing: list[str],
        perms: str,
        facts: list[str],
        ignore_err: bool = True,
    ) -> Iterator[bytes]:
        """Return the lines of MLSD; a pattern lists the files of its folder."""
        lines = ftp_facts(
            self._rows(basedir, listing, ignore_err=ignore_err),
            facts=facts,
            file_perm="".join(letter for letter in perms if letter not in "celmp"),
            folder_perm="".join(letter for letter in perms if letter not in "arw") + "cp",
        )
        return self._encoded(lines)

    def _encoded(self, pieces: Iterator[str]) -> Iterator[bytes]:
        channel = self.cmd_channel
        return (piece.encode(channel.encoding, channel.unicode_errors) for piece in pieces)

    def _rows(self, basedir: str, names: list[str], *, ignore_err: bool) -> Iterator[Row]:
        """Return the rows of names, found as they are sent."""
        base = basedir if self._visit.is_folder(basedir) else posixpath.dirname(basedir)
        if isinstance(names, Listed):
            yield from self._visit.look_at(base, names)
            return
        for name in names:
            try:
                yield name, self.lstat(posixpath.join(base, name))
            except (OSError, FilesystemError):
                if not ignore_err:
                    raise

"""An old mailbox that is also written to: by a serving feed, and by a move.

Every change can be repeated after a crash, looks first and reads back after. Nothing is ever
written over: the same bytes under the name mean that it was done before, other bytes that a person
must look. A file is written under a name that readers of ours pass over, and appears whole.
"""

from contextlib import suppress

from bridge.errors import BridgeError, OldMailboxFileError, OldMailboxUnwritableError
from bridge.feeds.legacy.entries import (
    Entry,
    FileTroubleError,
    Kind,
    Why,
    joined,
    our_temporary,
    shown,
)
from bridge.feeds.legacy.lines import WritableLine
from bridge.feeds.legacy.reader import OldMailboxReader
from bridge.filename import raw_of, storable
from bridge.model import Digest, digest_of
from bridge.naming import Folder, Profile


class OldMailboxWriter(OldMailboxReader):
    """Reads and writes. Made by `open_writer`."""

    def __init__(self, line: WritableLine, profile: Profile) -> None:
        super().__init__(line, profile)
        self._writing = line
        self._known: dict[Folder, bytes] = {}
        self._renaming: bytes | None = None
        """A file that was written whole and of whose new name nobody heard yet: if it is not
        there any more, it had got its name, and whoever reads there has taken it."""

    def put(self, role: Folder, name: str, content: bytes) -> str:
        """Write a file into a folder of the mailbox, whole or not at all; return its path.

        A folder that is not there is made. What reads there may take the file at once, so that
        after a crash nobody can tell whether it was put: to put it again is up to the caller.
        Raises OldMailboxFileError where the name has other bytes already,
        OldMailboxUnwritableError where it cannot be written.
        """
        raw = _safe_name(name)
        return self._tried(lambda: self._put(role, raw, content))

    def path_of(self, role: Folder, name: str) -> str:
        """Return the path at which a file of this name is put."""
        raw = _safe_name(name)
        return storable(joined(self._tried(lambda: self._folder_for(role)), raw))

    def lay_ready(self, role: Folder, name: str, content: bytes) -> None:
        """Write a file under a name that nobody reads yet; `show_ready` makes it appear."""
        raw = _safe_name(name)
        self._tried(lambda: self._lay_ready(role, raw, content))

    def show_ready(self, role: Folder, name: str) -> bool:
        """Give a file that was laid ready its own name; False if it has had it before.

        So a file that somebody takes at once is never written a second time. Raises
        OldMailboxFileError while another file has the name.
        """
        raw = _safe_name(name)
        return self._tried(lambda: self._show_ready(role, raw))

    def is_ready(self, role: Folder, name: str) -> bool:
        """Tell whether a file lies there ready; one that was laid ready has else got its name."""
        raw = _safe_name(name)
        return self._tried(lambda: self._line.look(self._ready_at(role, raw))) is not None

    def take_back_ready(self, role: Folder, name: str) -> None:
        """Remove a file that was laid ready."""
        raw = _safe_name(name)
        self._tried(lambda: self._writing.remove(self._ready_at(role, raw)))

    def delete(self, entry: Entry, *, digest: Digest | None = None) -> bool:
        """Remove a file; tell whether it was still there.

        With a digest, only if its bytes are still these: else raises OldMailboxFileError.
        """
        path = _safe(entry.path)
        return self._tried(lambda: self._delete(path, digest))

    def move(self, entry: Entry, to_folder: str, *, digest: Digest | None = None) -> str | None:
        """Move a file to a folder of the mailbox, which is made; return its new path.

        `to_folder` is a path below the mailbox, like `collected-by-rest/out`. None if the file is
        neither here nor there. With a digest, only if its bytes are still these. Raises
        OldMailboxFileError where another file has that name there.
        """
        source, folder = _safe(entry.path), _safe(to_folder)
        return self._tried(lambda: self._move(source, folder, digest))

    def close(self) -> None:
        """Hang up; what is asked for later connects again."""
        self._known.clear()
        super().close()

    def _put(self, role: Folder, name: bytes, content: bytes) -> str:
        folder = self._folder_for(role)
        target, temporary = joined(folder, name), joined(folder, our_temporary(name))
        if self._line.look(target) is not None:
            self._refuse_other(target, digest_of(content))
            self._writing.remove(temporary)
        elif self._renaming != temporary or self._line.look(temporary) is not None:
            self._write(temporary, content)
            self._renaming = temporary
            self._writing.rename(temporary, target)
            self._look_back(target, digest_of(content))
        self._renaming = None
        return storable(target)

    def _look_back(self, target: bytes, digest: Digest) -> None:
        """Read what was put; the other side may be quick and have taken it."""
        try:
            self._refuse_other(target, digest)
        except FileTroubleError as error:
            if error.why is not Why.GONE:
                raise

    def _lay_ready(self, role: Folder, name: bytes, content: bytes) -> None:
        self._write(self._ready_at(role, name), content)

    def _show_ready(self, role: Folder, name: bytes) -> bool:
        folder = self._folder_for(role)
        target, temporary = joined(folder, name), joined(folder, our_temporary(name))
        if self._line.look(temporary) is None:
            return False
        if self._line.look(target) is not None:
            raise OldMailboxFileError(
                f"{self.where}: {shown(target)} is there already: it waits until the old hub has "
                "taken that one"
            )
        self._writing.rename(temporary, target)
        return True

    def _ready_at(self, role: Folder, name: bytes) -> bytes:
        return joined(self._folder_for(role), our_temporary(name))

    def _write(self, temporary: bytes, content: bytes) -> None:
        """Write the temporary file and read it back; of what could not be written nothing stays."""
        try:
            self._writing.write(temporary, content)
            self._refuse_half(temporary, content)
        except BridgeError:
            with suppress(BridgeError):  # what went wrong before is the news
                self._writing.remove(temporary)
            raise

    def _delete(self, path: bytes, digest: Digest | None) -> bool:
        if self._line.look(path) is None:
            return False
        if digest is not None:
            self._refuse_other(path, digest)
        self._writing.remove(path)
        self._refuse_still_there(path)
        return True

    def _move(self, source: bytes, folder: bytes, digest: Digest | None) -> str | None:
        target = joined(folder, source.rpartition(b"/")[2])
        there = self._line.look(target) is not None
        if self._line.look(source) is None:
            if there and digest is not None:
                self._refuse_other(target, digest)
            return storable(target) if there else None
        if digest is None:
            digest = digest_of(self._bytes_at(source))
        else:
            self._refuse_other(source, digest)
        if there:
            self._refuse_other(target, digest)
            self._writing.remove(source)
        else:
            self._make_folders(folder)
            self._writing.rename(source, target)
            self._refuse_other(target, digest)
        self._refuse_still_there(source)
        return storable(target)

    def _folder_for(self, role: Folder) -> bytes:
        """Return the folder for a role, made if need be: by its very name before others."""
        if role not in self._known:
            name = self.profile.folder(role)
            names = self._folders().get(role, ())
            if not names:
                self._writing.make_folder(name.encode())
            self._known[role] = (names[0] if names and name not in names else name).encode()
        return self._known[role]

    def _make_folders(self, path: bytes) -> None:
        parts = path.split(b"/")
        for depth in range(1, len(parts) + 1):
            folder = b"/".join(parts[:depth])
            there = self._line.look(folder)
            if there is None:
                self._writing.make_folder(folder)
            elif there.kind is Kind.FILE:
                raise OldMailboxFileError(
                    f"{self.where}: {shown(folder)}: a file stands where a folder of this name is "
                    "needed; take it away there, or give it another name"
                )

    def _bytes_at(self, path: bytes) -> bytes:
        return self._contents(path, None).content

    def _refuse_half(self, path: bytes, content: bytes) -> None:
        if self._bytes_at(path) != content:
            raise OldMailboxUnwritableError(
                f"{self.where}: {shown(path)} was written and does not read the same: look whether "
                "the disk there is full"
            )

    def _refuse_other(self, path: bytes, digest: Digest) -> None:
        if digest_of(self._bytes_at(path)) != digest:
            raise OldMailboxFileError(
                f"{self.where}: {shown(path)} holds other bytes than it should: it was left as it "
                "is; look at it, and take it away if it does not belong there"
            )

    def _refuse_still_there(self, path: bytes) -> None:
        if self._line.look(path) is not None:
            raise OldMailboxUnwritableError(
                f"{self.where}: {shown(path)} was removed and is still there"
            )


def _safe(path: str) -> bytes:
    """Return the bytes of a path below the mailbox; raises OldMailboxFileError if it leaves it."""
    raw = raw_of(path)
    if any(part in (b"", b".", b"..") for part in raw.split(b"/")) or b"\0" in raw:
        raise OldMailboxFileError(f"{shown(path)!r} is no path in an old mailbox")
    return raw


def _safe_name(name: str) -> bytes:
    if "/" in name:
        raise OldMailboxFileError(f"{shown(name)!r} is no name for a file")
    return _safe(name)

"""Where the bytes of a report's files are: in the archive, in a folder, or read anew."""

from collections.abc import Mapping
from pathlib import Path

from bridge.archive import Archive
from bridge.errors import StorageError
from bridge.model import Digest, digest_of
from bridge.old_files.file import OldFile
from bridge.old_files.folder import read_again


class Shelf:
    """Files by digest, for as long as a report is made; nothing is written into the archive."""

    def __init__(self, folder: Path, archive: Archive) -> None:
        """Keep what is read anew in `folder`."""
        self._folder = folder
        self._archive = archive
        self._old: dict[Digest, tuple[Path, OldFile]] = {}

    def put(self, content: bytes) -> Digest:
        """Keep a file that was read anew."""
        digest = digest_of(content)
        path = self._folder / digest
        if not path.exists():
            path.write_bytes(content)
        return digest

    def know(self, root: Path, files: Mapping[Digest, OldFile]) -> None:
        """Remember where files of a folder are."""
        self._old |= {digest: (root, file) for digest, file in files.items()}

    def staged(self, name: str) -> Path:
        """Return where to download to."""
        return self._folder / f"{name}.part"

    def has(self, digest: Digest) -> bool:
        """Tell whether the archive has a file."""
        return self._archive.path(digest).exists()

    def content(self, digest: Digest) -> bytes:
        """Return the bytes of a file; raises StorageError."""
        path = self._folder / digest
        if path.exists():
            return path.read_bytes()
        if digest in self._old:
            return read_again(*self._old[digest])
        if not self._archive.path(digest).exists():
            raise StorageError(f"the file {digest} is not in the archive {self._archive.root}")
        return self._archive.read(digest)

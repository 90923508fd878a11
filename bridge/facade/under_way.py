"""The uploads of one visit that are under way, from their beginning to their end."""

import contextlib
import os
from functools import partial

from bridge.facade.events import DoorEvents, Session, tell
from bridge.facade.folders import DoorMailbox, FilePlace, Place
from bridge.facade.handles import Handle, must_leave_enough
from bridge.facade.on_disk import Aside
from bridge.facade.refusals import DoorError, No
from bridge.facade.room import Claim
from bridge.facade.uploads import Staging, Start, Upload


class UnderWay:
    """What a client is writing. For one thread at a time."""

    def __init__(
        self, mailbox: DoorMailbox, session: Session, events: DoorEvents, *, aside: Aside
    ) -> None:
        """`aside` does what the disk may take long for."""
        self._room = mailbox.room
        self._session = session
        self._events = events
        self._aside = aside
        self._staging = Staging(mailbox.uploads)
        self._uploads: list[Upload] = []

    def find(self, place: Place | FilePlace) -> Upload | None:
        """Return what is being written there; of several, what was begun last."""
        for upload in reversed(self._uploads):
            if (upload.role, upload.name) == (place.role, place.name):
                return upload
        return None

    def begin(
        self,
        folder: int,
        place: FilePlace,
        *,
        start: Start,
        exclusive: bool,
        begin_at: int | None,
        handle: Handle,
    ) -> Upload:
        """Begin an upload, of that size from the beginning where `begin_at` is given.

        `folder` is a descriptor of the mailbox folder. Raises DoorError where there is no room.
        """
        begin = partial(
            Upload.begin,
            self._staging,
            folder,
            name=place.name,
            start=start,
            exclusive=exclusive,
            claim=self._claim(place.role),
            handle=handle,
        )
        upload = begin() if start is Start.EMPTY else self._aside(begin, long=True)
        try:
            must_leave_enough(upload.fd)
            if begin_at is not None:
                upload.truncate(begin_at)
        except (DoorError, OSError):
            upload.discard()
            raise
        self._uploads.append(upload)
        return upload

    def _claim(self, role: str) -> Claim:
        try:
            return self._room.begin(role)
        except OSError as error:
            raise DoorError(No.FAILED, error.strerror or "there is no room") from error

    def sync(self, upload: Upload) -> None:
        """Make what was written so far safe from a power cut."""
        self._aside(lambda: os.fsync(upload.fd), long=upload.is_large)

    def finish(self, upload: Upload) -> int | None:
        """Put an upload into its folder, and return its size; None where it had ended before.

        One that cannot be finished is cut off.
        """
        if upload.over:
            return None
        if upload.broken:
            self.cut_off(upload)
            raise DoorError(No.FAILED, "not all of the file could be written: it was not kept")
        try:
            size = self._aside(upload.finish, long=upload.is_large)
        except OSError:
            self.cut_off(upload)
            raise
        self._uploads.remove(upload)
        return size

    def cut_off(self, upload: Upload) -> None:
        """End an upload that the client did not close: nothing of it shows in the mailbox."""
        if upload.over:
            return
        self._uploads.remove(upload)
        left = upload.cut_off()
        tell(
            self._events.upload_cut_off,
            account=self._session.account,
            folder=upload.role,
            name=upload.name,
            partial=left,
            session=self._session,
        )
        with contextlib.suppress(OSError):  # left there by the receiver: for the next start
            left.parent.rmdir()

    def discard(self, upload: Upload) -> None:
        """End an upload that the client deletes while it writes it."""
        self._uploads.remove(upload)
        upload.discard()

    def end(self) -> None:
        """Cut off what is under way; safe to repeat."""
        for upload in list(self._uploads):
            self.cut_off(upload)
        self._staging.end()

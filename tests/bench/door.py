"""Both doors alone, over one mailbox, as a process of its own that ends on SIGTERM."""

import signal
import sys
import threading
from pathlib import Path

from argon2 import PasswordHasher

from bridge import logs
from bridge.facade.access import Access
from bridge.facade.events import LogEvents
from bridge.facade.folders import DoorMailbox
from bridge.facade.ftp import FtpDoor
from bridge.facade.sftp import SftpDoor
from bridge.running import memory
from bridge.settings import (
    AccountSettings,
    FtpSettings,
    LoginSettings,
    SftpSettings,
    UserSettings,
)

USER, PASSWORD = "rcf", "benchmark"
FOLDERS = ("out", "adjout", "statout", "statin", "in", "adjin")


def main() -> None:
    """Serve; arguments: folder of the mailbox, folder for the rest, a public key's file."""
    mailbox, folder, key = map(Path, sys.argv[1:4])
    memory.keep_flat()  # as `serve` does
    logs.configure("json")
    user = UserSettings(
        name=USER,
        password_hash=PasswordHasher().hash(PASSWORD),
        authorized_keys=(key.read_text().strip(),),
    )
    account = AccountSettings(name="town", issuer="hub_1", secret_env="NONE", user=(user,))
    folders = DoorMailbox(
        account="town",
        root=mailbox,
        folders={role: role for role in FOLDERS},
        staging=folder / "staging",
    )
    access, mailboxes, events = Access([account], LoginSettings()), {"town": folders}, LogEvents()
    sftp = SftpDoor(
        SftpSettings(port=0),
        access=access,
        mailboxes=mailboxes,
        host_keys=folder / "host-keys",
        events=events,
    )
    ftp = FtpDoor(FtpSettings(port=0), access=access, mailboxes=mailboxes, events=events)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sftp.start()
    ftp.start()
    print(sftp.address[1], ftp.address[1], flush=True)
    beside = threading.Thread(target=ftp.run, args=(stop,))
    beside.start()
    sftp.run(stop)
    beside.join()


if __name__ == "__main__":
    main()

"""The SFTP door alone, over one mailbox, as a process of its own that ends on SIGTERM."""

import signal
import sys
import threading
from pathlib import Path

from bridge import logs
from bridge.facade.access import Access
from bridge.facade.events import LogEvents
from bridge.facade.folders import DoorMailbox
from bridge.facade.sftp import SftpDoor
from bridge.settings import AccountSettings, LoginSettings, SftpSettings, UserSettings

USER = "rcf"
FOLDERS = ("out", "adjout", "statout", "statin", "in", "adjin")


def main() -> None:
    """Serve; arguments: folder of the mailbox, folder for the rest, a public key's file."""
    mailbox, folder, key = map(Path, sys.argv[1:4])
    logs.configure("json")
    user = UserSettings(name=USER, authorized_keys=(key.read_text().strip(),))
    account = AccountSettings(name="town", issuer="hub_1", secret_env="NONE", user=(user,))
    door = SftpDoor(
        SftpSettings(port=0),
        access=Access([account], LoginSettings()),
        mailboxes={
            "town": DoorMailbox(
                account="town",
                root=mailbox,
                folders={role: role for role in FOLDERS},
                staging=folder / "staging",
            )
        },
        host_keys=folder / "host-keys",
        events=LogEvents(),
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    door.start()
    print(door.address[1], flush=True)
    door.run(stop)


if __name__ == "__main__":
    main()

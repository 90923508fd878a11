"""OpenSSH and vsftpd over a mailbox, as docs/other-servers.md says, with its very files.

They run with mounts of their own (`unshare -m`): there /etc and /srv hold what the page asks for,
and the machine is left as it was. That takes root.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.processes import listens, running
from tests.door_rig import FOLDERS, USER, certificate, host_keys
from tests.ports import free_port
from tests.programs import miss, require_program

PAGE = Path(__file__).parent.parent / "docs" / "other-servers.md"
GROUP = 64_321
"""The number of the bridge's group, and of the software's user."""

_HASHED = (
    "$6$efactbridge$MhBhi8zhFSGg.QYSCjVtRrqgHfQS6VuG2Epy0nrF3lpVV"
    "zyMtOROv/mGkl4SiUKR4yKou2aDcuWUBEJf0c8Vg/"
)
"""What /etc/shadow has of the password of all tests."""

_MOUNTS = """
set -e
own=$1 mailbox=$2; shift 2
mount -t tmpfs -o mode=755 tmpfs /srv
for folder in {folders}; do
  mkdir -p "/srv/efact/ajuntament/$folder"
  mount --bind "$mailbox/$folder" "/srv/efact/ajuntament/$folder"
done
ln -s statin /srv/efact/ajuntament/STATIN
for file in passwd group shadow; do mount --bind "$own/$file" "/etc/$file"; done
cp -r /etc/pam.d/. "$own/pam.d"
mount --bind "$own/pam.d" /etc/pam.d
exec "$@"
"""


def recipe(heading: str, number: int = 0) -> str:
    """Return a block of the page: the n-th one below a heading."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    block: str = found[number]
    return block


def open_folders(mailbox: Path) -> None:
    """Let the bridge's group write to the folders, as the page says."""
    for folder in FOLDERS:
        os.chown(mailbox / folder, -1, GROUP)
        (mailbox / folder).chmod(0o2770)


@contextmanager
def openssh(folder: Path, mailbox: Path, *, legacy: bool = False) -> Iterator[int]:
    """Run OpenSSH's server over a mailbox, maybe with old algorithms; give its port."""
    program, port = require_program("sshd", also="/usr/sbin"), free_port()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\n"
        f"HostKey {host_keys()}/ssh_host_ed25519_key\nHostKey {host_keys()}/ssh_host_rsa_key\n"
        "UsePAM no\nPidFile none\nLogLevel ERROR\nSubsystem sftp internal-sftp\n"
        + (recipe("OpenSSH", 1) if legacy else "")
        + recipe("OpenSSH")
    )
    log = folder / "sshd.log"
    with _with_mounts(folder, mailbox, [program, "-D", "-f", str(config), "-E", str(log)], port):
        yield port


@contextmanager
def vsftpd(folder: Path, mailbox: Path) -> Iterator[int]:
    """Run vsftpd over a mailbox; give its port."""
    program, port = require_program("vsftpd", also="/usr/sbin"), free_port()
    pem = folder / "efact.pem"
    pem.write_bytes(b"".join(path.read_bytes() for path in certificate()))
    (folder / "vsftpd.users").write_text(f"{USER}\n")
    text = recipe("vsftpd").replace("listen_port=21", f"listen_port={port}")
    for path in ("/etc/ssl/private/efact.pem", "/etc/vsftpd.users"):
        text = text.replace(path, str(folder / Path(path).name))
    config = folder / "vsftpd.conf"
    config.write_text(f"{text}listen_address=127.0.0.1\nbackground=NO\n")
    (folder / "pam.d").mkdir()
    (folder / "pam.d" / "efact-ftp").write_text(recipe("vsftpd", 1))
    Path("/var/run/vsftpd/empty").mkdir(parents=True, exist_ok=True)
    with _with_mounts(folder, mailbox, [program, str(config)], port):
        yield port


@contextmanager
def _with_mounts(folder: Path, mailbox: Path, command: list[str], port: int) -> Iterator[None]:
    if os.geteuid() != 0:
        miss("only root can run a server that changes to another user")
    (folder / "pam.d").mkdir(exist_ok=True)
    lines = {
        "passwd": f"{USER}:x:{GROUP}:{GROUP}::/:/usr/sbin/nologin",
        "group": f"efact-bridge:x:{GROUP}:",
        "shadow": f"{USER}:{_HASHED}:19000:0:99999:7:::",
    }
    for name, line in lines.items():
        own = folder / name
        own.write_text(Path("/etc", name).read_text() + line + "\n")
        own.chmod(0o600 if name == "shadow" else 0o644)
    script = _MOUNTS.format(folders=" ".join(FOLDERS))
    words = ["unshare", "-m", "sh", "-c", script, "sh", folder, mailbox, *command]
    log = folder / "output.log"
    with (
        log.open("wb") as output,
        running(words, stdout=output, stderr=subprocess.STDOUT) as server,
    ):
        if not listens(port, server):
            text = "".join(path.read_text() for path in folder.glob("*.log"))
            assert "mount" in text or "unshare" in text, text
            miss(f"no mount of its own is allowed here: {text}")
        yield

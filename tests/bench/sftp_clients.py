"""What SFTP clients do: OpenSSH's `sftp`, and lftp."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import all_at_once, client
from tests.bench.servers import Server


def missing() -> str:
    """Return a sentence where a client is not installed, else nothing."""
    for name in ("sftp", "ssh-keygen", "lftp"):
        if not shutil.which(name):
            return f"no {name} on this machine (Debian: apt-get install openssh-client lftp)"
    return ""


@dataclass(frozen=True, slots=True)
class Client:
    """Clients that log in with a key."""

    key: Path

    def fetch(self, server: Server, pattern: str, target: Path) -> None:
        """Fetch the files that fit."""
        client(self._sftp(server), f"get {server.mailbox}/{pattern} {target}/\n")

    def fetch_at_once(self, server: Server, patterns: Sequence[str], target: Path) -> None:
        """Fetch with a client for each pattern, all at the same time."""
        scripts = [f"get {server.mailbox}/{pattern} {target}/\n" for pattern in patterns]
        all_at_once([(self._sftp(server), script) for script in scripts])

    def send(self, server: Server, pattern: Path, folder: str, *, synced: bool = False) -> None:
        """Send the files that fit; `synced`: and have the server asked for an fsync of each."""
        put = "put -f" if synced else "put"
        client(self._sftp(server), f"{put} {pattern} {server.mailbox}/{folder}/\n")

    def list(self, server: Server, folder: str) -> None:
        """List a folder."""
        client(self._sftp(server), f"ls -1 {server.mailbox}/{folder}\n")

    def mirror(self, server: Server, folder: str, target: Path) -> None:
        """Fetch a folder with lftp."""
        connect = " ".join(["ssh", "-a", "-x", *self._options()])
        script = (
            f'set sftp:connect-program "{connect}"; set net:max-retries 1; set cmd:fail-exit yes\n'
            f"open -u {server.user}, -p {server.port} sftp://127.0.0.1\n"
            f"mirror {server.mailbox}/{folder} {target}/{folder}\n"
        )
        client(["lftp", "-f", "/dev/stdin"], script)

    def _sftp(self, server: Server) -> Sequence[str]:
        where = ("-P", str(server.port), "-b", "-", f"{server.user}@127.0.0.1")
        return ["sftp", "-q", *self._options(), *where]

    def _options(self) -> Sequence[str]:
        return (
            *("-F", "none", "-i", str(self.key)),
            *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        )

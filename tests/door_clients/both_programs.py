"""Programs that speak SFTP, FTP and FTP with TLS: lftp, curl and rclone."""

import subprocess
from functools import cached_property
from urllib.parse import quote

from tests.door_clients.program import SLOW, Program
from tests.door_clients.sftp_programs import SSH_OPTIONS
from tests.door_rig import USER


class Lftp(Program):
    """lftp, with a password."""

    program = "lftp"

    def command(self, *lines: str) -> list[str]:
        ssh = " ".join(["ssh", "-a", "-x", *SSH_OPTIONS])
        tls = "set ftp:ssl-force yes; set ssl:verify-certificate no"
        scheme = self.protocol.removesuffix("s")  # ftps:// would be TLS from the first byte
        script = [
            "set cmd:fail-exit yes",
            "set net:max-retries 1",
            "set net:timeout 20",
            f'set sftp:connect-program "{ssh}"',
            tls if self.protocol == "ftps" else "set ftp:ssl-allow no",
            f'open -u "{USER},{self.password}" -p {self.port} {scheme}://127.0.0.1',
            *lines,
        ]
        return [self.path, "-c", "; ".join(script)]

    def names(self, folder: str) -> list[str]:
        return sorted(self.run(*self.command(f"cd {folder}", "cls -1")).splitlines())

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.run(*self.command("set xfer:clobber yes", f'get "{path}" -o "{local}"'))
        return local.read_bytes()

    def delete(self, path: str) -> None:
        self.run(*self.command(f'rm "{path}"'))

    def put(self, path: str, data: bytes) -> None:
        self.run(*self.command(f'put "{self.local(data)}" -o "{path}"'))

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        self.run(*self.command(f'put "{self.local(data)}" -o "{path}"', f'mv "{path}" "{to}"'))

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        slow = f"set net:limit-rate {SLOW}"
        return self.begin(*self.command(slow, f'put "{self.local(data)}" -o "{path}"'))

    def version(self) -> str:
        return self.package("lftp")


_QUOTES = {
    "ftp": ("-DELE {0}", "-RNFR {0}", "-RNTO {1}"),
    "ftps": ("-DELE {0}", "-RNFR {0}", "-RNTO {1}"),
    "sftp": ("-rm '{0}'", "-rename '{0}' '{1}'"),
}
"""How curl is told to delete and to rename."""


class Curl(Program):
    """curl, with a password."""

    program = "curl"

    def command(self, *options: str, path: str = "/") -> list[str]:
        # After `sftp://host` a path is one from the root, as with ftp when it begins with %2F.
        scheme = self.protocol.removesuffix("s")  # ftps:// would be TLS from the first byte
        url = f"{scheme}://127.0.0.1:{self.port}{quote(path)}"
        tls = ["--ssl-reqd"] if self.protocol == "ftps" else []
        login = ["-u", f"{USER}:{self.password}"]
        return [self.path, "-sS", "-k", "-m", "60", *tls, *login, *options, url]

    def quotes(self, kind: int, *paths: str) -> list[str]:
        words = _QUOTES[self.protocol]
        chosen = words[:1] if kind == 0 else words[1:]
        return [part for word in chosen for part in ("-Q", word.format(*paths))]

    def names(self, folder: str) -> list[str]:
        found = self.run(*self.command("--list-only", path=f"/{folder.strip('/')}/"))
        return sorted(set(found.splitlines()) - {".", ".."})

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.run(*self.command("-o", str(local), path=path))
        return local.read_bytes()

    def delete(self, path: str) -> None:
        self.run(*self.command("-o", "/dev/null", *self.quotes(0, path)))

    def put(self, path: str, data: bytes) -> None:
        self.run(*self.command("-T", str(self.local(data)), path=path))

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        options = ["-T", str(self.local(data)), *self.quotes(1, path, to)]
        self.run(*self.command(*options, path=path))

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        options = ["--limit-rate", str(SLOW), "-T", str(self.local(data))]
        return self.begin(*self.command(*options, path=path))

    def version(self) -> str:
        return self.package("curl")


class Rclone(Program):
    """rclone, with a password; all its settings come from the environment."""

    program = "rclone"

    @property
    def environment(self) -> dict[str, str]:
        settings = {
            "TYPE": self.protocol.removesuffix("s"),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "USER": USER,
            "PASS": self._obscured,
        }
        if self.protocol == "ftps":
            settings |= {"EXPLICIT_TLS": "true", "NO_CHECK_CERTIFICATE": "true"}
        mine = {f"RCLONE_CONFIG_DOOR_{name}": value for name, value in settings.items()}
        return super().environment | mine | {"RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}

    @cached_property
    def _obscured(self) -> str:
        command = [self.path, "obscure", self.password]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()

    def names(self, folder: str) -> list[str]:
        return sorted(self.run(self.path, "lsf", f"door:{folder}").splitlines())

    def fetch(self, path: str) -> bytes:
        return self.output(self.path, "cat", f"door:{path}")

    def delete(self, path: str) -> None:
        self.run(self.path, "deletefile", f"door:{path}")

    def put(self, path: str, data: bytes) -> None:
        self.run(self.path, "copyto", str(self.local(data)), f"door:{path}")

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        self.put(path, data)
        self.run(self.path, "moveto", f"door:{path}", f"door:{to}")

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        slow = ["--bwlimit", f"{SLOW}B", "--buffer-size", "0"]
        return self.begin(self.path, "copyto", *slow, str(self.local(data)), f"door:{path}")

    def version(self) -> str:
        return self.package("rclone").partition("+")[0]

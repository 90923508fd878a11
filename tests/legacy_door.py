"""The SFTP door with the paramiko that still has the algorithms of old clients, as a program.

Run with that paramiko in front of Python's path; it prints its version, what real old-style
clients came to, and what `check` would say of them, as JSON.
"""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paramiko

from bridge.doctor.losing import changes
from bridge.ledger.visitors import ClientRow
from bridge.settings import AccountSettings, Settings, SftpSettings, UserSettings
from tests.door_rig import USER, Rig, open_doors

OLD = {
    "key exchange of 2008": ["KexAlgorithms=diffie-hellman-group14-sha1"],
    "group exchange of 2008": ["KexAlgorithms=diffie-hellman-group-exchange-sha1"],
    "host key of 2008": ["HostKeyAlgorithms=ssh-rsa"],
    "user key of 2008": ["PubkeyAcceptedAlgorithms=ssh-rsa"],
    "cipher and MAC of 2008": ["Ciphers=aes128-cbc", "MACs=hmac-sha1"],
}
"""Options of OpenSSH's client by which it is as old as that."""


def come(rig: Rig, sftp: str, key: Path, options: list[str]) -> bool:
    """Tell whether the client, so restricted, can list a folder."""
    common = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes",
              "IdentitiesOnly=yes", "LogLevel=ERROR"]  # fmt: skip
    arguments = [f"-o{option}" for option in (*common, *options)]
    where = ["-P", str(rig.port("sftp")), "-i", str(key), "-b", "-", f"{USER}@127.0.0.1"]
    done = subprocess.run(
        [sftp, "-F", "none", *arguments, *where],
        input=b"ls /out\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0


def rows(rig: Rig) -> list[ClientRow]:
    now = datetime.now(UTC)
    return [
        ClientRow(
            account="town",
            user=session.user,
            protocol="sftp",
            program=json.loads(json.dumps(replace(session.program, name=name).as_detail())),
            habits={},
            first_at=now,
            last_at=now,
            visits=1,
        )
        for name, session in zip(OLD, rig.told.sessions, strict=True)
    ]


def main(folder: Path, sftp: str) -> None:
    key = folder / "rsa_key"
    made = paramiko.RSAKey.generate(2048)
    made.write_private_key_file(str(key))
    user = UserSettings(name=USER, authorized_keys=(f"ssh-rsa {made.get_base64()}",))
    old = SftpSettings(port=0, legacy_algorithms=True)
    account = AccountSettings(name="town", issuer="hub_1", secret_env="NONE")
    found: dict[str, Any] = {"version": paramiko.__version__}
    with open_doors(folder / "old", user=user, sftp=old) as rig:
        found["let in"] = [name for name, its in OLD.items() if come(rig, sftp, key, its)]
        settings = Settings(account=(account,), sftp=old)
        found["lost"] = {it.what: list(it.lost) for it in changes(settings, rows(rig))}
    with open_doors(folder / "new", user=user) as rig:
        found["let in without"] = [name for name, its in OLD.items() if come(rig, sftp, key, its)]
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""What SSH clients of former years offer, and which setting lets them in.

Their programs cannot be had any more, so OpenSSH's client of today is told to offer what they
did, and nothing else. The same rows stand in docs/clients.md.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge.facade.algorithms import legacy_algorithms_available
from bridge.settings import SftpSettings
from tests.door_clients import ClientError
from tests.door_clients.sftp_programs import OpensshWithPassword
from tests.door_rig import open_doors

PAGE = Path(__file__).parent.parent / "docs" / "clients.md"

OFFERS = {
    "until 2004": (
        "diffie-hellman-group1-sha1", "ssh-rsa", "aes128-cbc", "hmac-sha1", ("no", "no", "no"),
    ),
    "of 2008": (
        "diffie-hellman-group14-sha1", "ssh-rsa", "aes128-cbc", "hmac-sha1", ("no", "no", "yes"),
    ),
    "without elliptic curves": (
        "diffie-hellman-group14-sha1", "ssh-rsa", "aes128-ctr", "hmac-sha1", ("no", "no", "yes"),
    ),
    "the same with SHA-2": (
        "diffie-hellman-group14-sha1", "ssh-rsa", "aes128-ctr", "hmac-sha2-256",
        ("no", "no", "yes"),
    ),
    "with elliptic curves and SHA-1": (
        "ecdh-sha2-nistp256", "ecdsa-sha2-nistp256", "aes128-ctr", "hmac-sha1",
        ("no", "yes", "yes"),
    ),
    "with elliptic curves and SHA-2": (
        "ecdh-sha2-nistp256", "ecdsa-sha2-nistp256", "aes128-ctr", "hmac-sha2-256",
        ("yes", "yes", "yes"),
    ),
}  # fmt: skip
"""Key exchange, host key, cipher and MAC of an offer; whether it gets in as shipped, with
`legacy_algorithms`, and with that and the extra `legacy-ssh`."""


class OldClient(OpensshWithPassword):
    """OpenSSH's sftp that offers one algorithm of each kind."""

    offer: Sequence[str]

    def login(self) -> list[str]:
        kinds = ("KexAlgorithms", "HostKeyAlgorithms", "Ciphers", "MACs")
        chosen = [f"{kind}={name}" for kind, name in zip(kinds, self.offer, strict=True)]
        return [*super().login(), *(word for option in chosen for word in ("-o", option))]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_is_taken_with_the_setting_that_the_page_names(
    tmp_path: Path, name: str, legacy: bool
) -> None:
    offer, verdicts = OFFERS[name][:4], OFFERS[name][4]
    expected = verdicts[0 if not legacy else 2 if legacy_algorithms_available() else 1]
    settings = SftpSettings(port=0, legacy_algorithms=legacy)
    with open_doors(tmp_path, sftp=settings) as rig:
        client = OldClient("sftp", rig.port("sftp"), tmp_path)
        client.offer = offer
        if expected == "yes":
            assert client.names("/out") == []
        else:
            with pytest.raises(ClientError):
                client.names("/out")


def test_the_page_has_every_offer() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, (exchange, key, cipher, mac, verdicts) in OFFERS.items():
        row = f"| {name} | {exchange}, {key}, {cipher}, {mac} | {' | '.join(verdicts)} |"
        assert row in text

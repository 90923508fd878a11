"""Who may log in over FTP, as pyftpdlib asks for it."""

from typing import TYPE_CHECKING

from pyftpdlib.exceptions import AuthenticationFailed

from bridge.facade.access import Access, Reason, Refused
from bridge.facade.events import Session

if TYPE_CHECKING:
    from bridge.facade.ftp_handler import Commands


class Keeper:
    """What pyftpdlib calls an authorizer: `Access` decides on logins, `Visit` on the rest."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def validate_authentication(self, username: str, password: str, handler: "Commands") -> None:
        """Decide on a login; raises AuthenticationFailed, with a text that says nothing more."""
        raw = password.encode("utf-8", "surrogateescape")
        decision = self._access.with_password(
            username, raw, address=handler.remote_ip, protocol="ftp"
        )
        if isinstance(decision, Session) and not self._access.enter(decision):
            decision = Refused(Reason.SESSIONS)
        if isinstance(decision, Refused):
            handler.refused(username, decision.reason)
            raise AuthenticationFailed("Authentication failed.")
        handler.come_in(decision)

    def get_home_dir(self, username: str) -> str:
        """Return the root of the client's paths."""
        return "/"

    def get_msg_login(self, username: str) -> str:
        """Return the greeting."""
        return "Login successful."

    def get_msg_quit(self, username: str) -> str:
        """Return the farewell."""
        return "Goodbye."

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        """Say yes: `Visit` decides."""
        return True

    def get_perms(self, username: str) -> str:
        """Return what the facts of MLSD say: clients look at it before they try."""
        return "elradfw"

    def impersonate_user(self, username: str, password: str) -> None:
        """Do nothing."""

    def terminate_impersonation(self, username: str) -> None:
        """Do nothing."""

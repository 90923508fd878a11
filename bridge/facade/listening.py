"""How a door takes its port."""

import errno
import socket

from bridge.errors import PortTakenError, SettingsError

_BACKLOG = 128


def listen(host: str, port: int, *, section: str) -> socket.socket:
    """Return a listening socket; port 0 takes any free one.

    `section` is the table of the settings that host and port stand in. Raises PortTakenError, or
    SettingsError where this machine has no such address or forbids the port.
    """
    where = f"[{section}] {host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingsError(f'{where}: "host" is no address of this machine') from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f'{where}: another program listens there: stop it or change "port" in [{section}]'
            ) from error
        raise SettingsError(f"{where}: cannot listen there: {error.strerror}") from error
    return listener

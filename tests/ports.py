"""Ports for servers that are told their number before they start."""

import socket
from collections import deque

MOST = 60
"""So many are kept for their servers; a test needs a few, some seconds long."""

_kept: deque[socket.socket] = deque()


def free_port() -> int:
    """Return a port on which nothing listens, and which the system gives to nobody else.

    It stays bound here: a server that allows itself to use an address again, as all do, can have
    it all the same. One that was free a moment ago may be somebody else's when the server starts.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _kept.append(kept)
    if len(_kept) > MOST:
        _kept.popleft().close()
    return int(kept.getsockname()[1])

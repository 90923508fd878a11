"""The ledger: what is known of every delivery and every state update, on disk.

`Ledger` gives transactions; the modules beside it hold the questions and the steps, each a
function over a connection, so that a flow decides what becomes true together.
"""

from bridge.ledger.database import Ledger

__all__ = ["Ledger"]

"""`check`: everything that must be right before the bridge can work, one line each.

examination  goes through all of it
account      of one account: its users, profile and secret, the hub, the old mailbox
doors        ports, host keys, certificate
machine      whose the data folder is, the disk, the ledger's file
remembered   what the ledger knows of an account: its last move, a pause, the clients that come
finding      a line
"""

from bridge.doctor.examination import examine
from bridge.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]

"""The old mailbox: over SFTP or FTP, or as a folder of saved files.

opening             the mailbox of an account's settings, for reading or for writing
reader, writer      what can be done with one; a reader has no way to write
entries             what is found there, and what reading a file came to
lines               what SFTP (sftp, sftp_wire) and a folder must be able to do
address             the address of the settings, taken apart
troubles, watch     foreign errors turned into ours; a deadline around everything
"""

from bridge.feeds.legacy.entries import Contents, Entry, NotRead, Why
from bridge.feeds.legacy.lines import PATIENCE, Patience
from bridge.feeds.legacy.opening import is_read_only, open_reader, open_writer, own_folder
from bridge.feeds.legacy.reader import OldMailboxReader
from bridge.feeds.legacy.troubles import LATER
from bridge.feeds.legacy.writer import OldMailboxWriter

__all__ = [
    "LATER",
    "PATIENCE",
    "Contents",
    "Entry",
    "NotRead",
    "OldMailboxReader",
    "OldMailboxWriter",
    "Patience",
    "Why",
    "is_read_only",
    "open_reader",
    "open_writer",
    "own_folder",
]

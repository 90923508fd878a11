"""FTP's commands as clients write them: which there are, and what old programs make of them."""

import re

from pyftpdlib.handlers import FTPHandler

TRANSFERS = frozenset({"RETR", "STOR", "APPE", "LIST", "NLST", "MLSD"})
CONNECTIONS = frozenset({"PASV", "EPSV", "PORT", "EPRT"})

_CODES = {"125 Data ": "150", "220 Other": "200"}
"""The beginning of a transfer, and EPSV ALL."""
_TIME = re.compile(r"\d{12}(\d\d)?")
_TIME_AND_PATH = re.compile(r"\d{14} .+")

COMMANDS = {
    name: row
    for name, row in FTPHandler.proto_cmds.items()
    if name != "STOU"  # a name that the client does not choose is of no use here
} | {
    "SITE UTIME": {
        "perm": None,
        "auth": True,
        "arg": True,
        "help": "Syntax: SITE UTIME <SP> time <SP> path (set the time of a file).",
    }
}


def answered(resp: str) -> str:
    """Return an answer with vsftpd's code where pyftpdlib's is another."""
    return _CODES.get(resp[:9], resp[:3]) + resp[3:]


def in_todays_words(verb: str, arg: str) -> tuple[str, str]:
    """Return a command without what old programs put into it that means another thing today."""
    if verb in ("LIST", "NLST", "STAT"):
        return verb, _without_options(arg)
    if verb == "MDTM" and _TIME_AND_PATH.fullmatch(arg):  # how they set a time
        return "MFMT", arg
    return verb, arg


def time_and_path(line: str) -> tuple[str, str] | None:
    """Read what follows SITE UTIME; None where it makes no sense.

    There are two forms: `YYYYMMDDhhmm[ss] path`, and `path atime mtime ctime UTC`.
    """
    words = line.split(" ")
    if _TIME.fullmatch(words[0]):
        moment, path = words[0], " ".join(words[1:])
    elif words[-1].upper() == "UTC" and len(words) >= 5:  # noqa: PLR2004  (the words of that form)
        moment, path = words[-3], " ".join(words[:-4])
    else:
        return None
    return (moment.ljust(14, "0"), path) if path and _TIME.fullmatch(moment) else None


def _without_options(arg: str) -> str:
    """Return the path behind the `-la` or `-1` that many clients put before it."""
    words = arg.split(" ")
    while words and re.fullmatch(r"-[A-Za-z0-9]*", words[0]):
        words.pop(0)
    return " ".join(words)

"""Names of folders and files in a mailbox: parts to names and names to parts, by a profile.

A profile is data (`config/profiles/*.toml`): nobody can look at the old endpoint any more, so what
it called things is a setting, never code. What holds for every profile:

- A name that we write can be parsed back: hub id, message id and attachment number always come
  back whole, the other parts unless something in them had to be replaced or cut.
- Two hub ids never share a name: what no name can hold is escaped in them without loss (`%XX`),
  and only the reference is cut where a name gets too long. Letters stay as they are: the software
  reads the id out of the name and gives it back in a state file.
- Issuers and hub are not trusted: no separator, control character or name that Windows cannot
  hold survives, and no name starts with a dot or a tilde.

Sources of the shipped profile: legacy-ftp, "Folders" and "File names".
"""

from bridge.filename import extension_of
from bridge.naming.profile import (
    Folder,
    NameParts,
    NamePattern,
    Profile,
    ProfileError,
    is_temporary,
)
from bridge.naming.reading import parse_profile

__all__ = [
    "Folder",
    "NameParts",
    "NamePattern",
    "Profile",
    "ProfileError",
    "extension_of",
    "is_temporary",
    "parse_profile",
]

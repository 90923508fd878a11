"""efact-bridge: the e-FACT hub's REST API, served as the old FTP mailbox."""

from importlib.metadata import version

__version__ = version("efact-bridge")

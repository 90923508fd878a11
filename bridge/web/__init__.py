"""The status page, `/metrics` for Prometheus and `/healthz` for monitors: GET only, no secrets."""

from bridge.web.app import create_app
from bridge.web.server import WebServer

__all__ = ["WebServer", "create_app"]

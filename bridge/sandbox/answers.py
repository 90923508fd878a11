"""Answers of the pretend hub, and of the proxy that may stand before it."""

from dataclasses import dataclass, replace

from bridge.sandbox import drift, wire
from bridge.sandbox.codes import CODES
from bridge.sandbox.faults import Fault, FaultKind

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back."""

    status: int = 200
    content_type: str = JSON
    """Empty: an answer without a body."""
    body: bytes = b""
    code: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


def refused(code: int) -> Answer:
    """Return the hub's no."""
    return Answer(status=CODES[code][0], body=wire.error(code), code=code)


def _page(status: int, text: str) -> Answer:
    body = f"<!DOCTYPE html><html><head><title>{status}</title></head><body>{text}</body></html>"
    return Answer(status=status, content_type=HTML, body=body.encode())


NO_SUCH_PAGE = _page(404, "Not found")
"""The path is none of the hub's."""
NOT_ALLOWED = _page(405, "Method not allowed")
"""The path is one of the hub's, the method is not."""


def instead(fault: Fault) -> Answer | None:
    """Return what is answered in place of the right answer; None for faults of the line."""
    match fault.kind:
        case FaultKind.ERROR:
            return refused(fault.code)
        case FaultKind.HTML:
            return _page(fault.status, "The server is temporarily unable to service your request")
        case FaultKind.EMPTY:
            return Answer(status=fault.status, content_type="")
        case FaultKind.BUSY:
            retry_after = b"%d" % max(0, round(fault.seconds))
            return Answer(status=429, content_type="", headers=((b"retry-after", retry_after),))
        case FaultKind.STRANGE_CODE:
            body = wire.dump({"codiError": fault.code, "descripcioError": "Error nou"})
            return Answer(status=fault.status, body=body, code=fault.code)
    return None


def altered(answer: Answer, kind: FaultKind) -> Answer:
    """Return the right answer as a careless or a newer hub sends it; a no stays as it is."""
    if answer.code is not None:
        return answer
    return replace(answer, body=drift.CHANGES[kind](answer.body))

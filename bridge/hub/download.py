"""A file from the hub: streamed to disk, hashed on the way, there whole or not at all."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from bridge.durable import WHOLE
from bridge.errors import InvoiceError, StorageError
from bridge.hub.calls import Call
from bridge.hub.lines import Line
from bridge.hub.verdict import failure, unsure
from bridge.hub.wire import Wire
from bridge.model import Digest

LONGEST_FILE = 256 * 2**20
"""Bytes; the hub's own limits are far below (2 MB an attachment)."""

START = 1024
"""Bytes that tell what a file is."""

_LONGEST_ERROR = 64 * 2**10  # bytes; an error of the hub's has some hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that came whole. It is on disk but not synced: the caller does that."""

    path: Path
    digest: Digest
    size: int
    content_type: str | None
    start: bytes
    """Its first bytes, `START` at most."""


def download(
    wire: Wire, line: Line, call: Call, target: Path, *, may_be_empty: bool, may_be_html: bool
) -> Download:
    """Fetch what a call asks for over a line into the new file `target`.

    Nothing is left at `target` after an error. Raises StorageError when it cannot be written
    (or exists), InvoiceError for an empty file that must not be, else the hub's errors.
    """

    def take(response: httpx.Response, chunks: Iterator[bytes]) -> Download:
        if response.status_code != HTTPStatus.OK:
            raise failure(call, wire.answer(response, _start(chunks)))
        content_type = response.headers.get("content-type") or None
        if not may_be_html and (content_type or "").lower().startswith("text/html"):
            raise unsure(call, "a web page came in its place")
        with _whole_or_not_at_all(target):
            digest, size, start = _save(chunks, target)
            if size == 0 and not may_be_empty:
                raise InvoiceError(f"{call.what}: it is empty; if it stays so, ask the AOC")
            if start[:1] == b"{" and size <= _LONGEST_ERROR:
                answer = wire.answer(response, target.read_bytes())
                if answer.error is not None:  # an error of the hub's under HTTP 200
                    raise failure(call, answer)
        return Download(
            path=target, digest=digest, size=size, content_type=content_type, start=start
        )

    return wire.send(line, call, take, limit=LONGEST_FILE)


def _start(chunks: Iterator[bytes]) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) > _LONGEST_ERROR:
            break
    return body


def _save(chunks: Iterator[bytes], target: Path) -> tuple[Digest, int, bytes]:
    """Write a body; return its digest, its size, and its first bytes."""
    digest, size, start = hashlib.sha256(), 0, b""
    with target.open("xb", buffering=WHOLE) as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            start += chunk[: START - len(start)]
    return Digest(digest.hexdigest()), size, start


@contextmanager
def _whole_or_not_at_all(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise StorageError(f"{target}: there is a file of this name already") from error
    except OSError as error:
        _remove(target)
        raise StorageError(
            f"{target}: it cannot be written: {error.strerror}: check the disk and its rights"
        ) from error
    except BaseException:
        _remove(target)
        raise


def _remove(target: Path) -> None:
    with suppress(OSError):  # what went wrong before is the news
        target.unlink(missing_ok=True)

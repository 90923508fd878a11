"""A headless Chromium, driven through two pipes: its DevTools protocol, without a library.

Each message is JSON and ends with a null byte. See https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATIENCE = 60.0
"""Seconds for an answer, on a machine with other things to do."""

_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--font-render-hinting=none",
    "--remote-debugging-pipe",
    "--proxy-server=127.0.0.1:9",  # nobody listens there: what asks the network gets nothing
)


_COMPLAINTS = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")


class Page:
    """One tab, with what it said and asked for since it was opened."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        return self._browser.call(method, parameters, self._session)

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        self._browser.wait_for(lambda: "Page.loadEventFired" in self._kinds())

    def run(self, script: str) -> Any:
        """Return what a script comes to; a promise is waited for."""
        done = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait_until(self, script: str) -> None:
        """Wait until a script comes to true."""
        deadline = time.monotonic() + _PATIENCE
        while not self.run(script):
            assert time.monotonic() < deadline, f"{script} stayed false"
            self.run("new Promise(requestAnimationFrame)")

    def look(self, *, width: int, height: int = 900, media: str = "", dark: bool = False) -> None:
        """Take a window of this size, as a screen or on paper, by day or by night."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(self, path: Path, *, whole: bool = True, **options: Any) -> None:
        """Write a screenshot."""
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            options["clip"] = {"x": 0, "y": 0, "scale": 1, **_size(size)}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, **options)
        path.write_bytes(base64.b64decode(shot["data"]))

    def paper(self) -> bytes:
        """Return the page as a PDF, on the paper that its style asks for."""
        done = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(done["data"])

    def requests(self) -> list[str]:
        """Return every address that was asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """Return what the console says: errors, refusals by the page's policy."""
        return [
            json.dumps(event["params"])
            for event in self.events
            if event["method"]
            in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        ]

    def _kinds(self) -> set[str]:
        return {event["method"] for event in self.events}


class Browser:
    """The browser's process and the two pipes."""

    def __init__(self, process: "subprocess.Popen[bytes]", reader: int, writer: int) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._last = 0
        self._pages: dict[str, Page] = {}
        self._answers: dict[int, dict[str, Any]] = {}

    def page(self) -> Page:
        """Open a tab."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        session = attached["sessionId"]
        self._pages[session] = Page(self, session)
        return self._pages[session]

    def call(self, method: str, parameters: dict[str, Any], session: str = "") -> dict[str, Any]:
        """Send a command and return its result."""
        self._last = number = self._last + 1
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        self.wait_for(lambda: number in self._answers)
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer.get('error')}"
        return answer["result"]  # type: ignore[no-any-return]

    def wait_for(self, condition: Any) -> None:
        """Read what the browser says until a condition holds."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            ready, _, _ = select.select([self._reader], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            data = os.read(self._reader, 1 << 20)
            assert data, "the browser ended"
            *whole, self._rest = (self._rest + data).split(b"\0")
            for message in map(json.loads, whole):
                self._take(message)

    def close(self) -> None:
        """End the browser."""
        self.call("Browser.close", {})
        self._process.wait(_PATIENCE)

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
            page.events.append(message)


@contextmanager
def chromium(program: str, profile: Path) -> Iterator[Browser]:
    """Give a browser with an empty profile; it ends with the block."""
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    command = [program, *_SWITCHES, f"--user-data-dir={profile}", "about:blank"]
    # The protocol wants the pipes at 3 and 4.
    wrapped = ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", *command]
    process = subprocess.Popen(
        wrapped, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL
    )
    os.close(to_browser)
    os.close(from_browser)
    browser = Browser(process, to_us, from_us)
    try:
        yield browser
        browser.close()
    finally:
        process.kill()
        process.wait()
        os.close(from_us)
        os.close(to_us)


def _size(size: dict[str, float]) -> dict[str, float]:
    return {"width": size["width"], "height": size["height"]}

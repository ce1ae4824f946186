"""A headless Chromium that a test drives by its own protocol: no driver, no further package."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-port=0"),
)
PATIENCE = 60.0
"""Seconds: the machine may be busy."""


class Page:
    """One tab, and everything that it asked for and complained of."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._ids = socket, itertools.count(1)
        self.requests: list[str] = []
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask, and wait for the answer; what happens meanwhile is kept."""
        asked = next(self._ids)
        self._socket.send(json.dumps({"id": asked, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get("id") == asked:
                assert "error" not in message, message
                answer: dict[str, Any] = message["result"]
                return answer
            self._noted(message)

    def _noted(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded":
            self.errors.append(str(params["entry"]))
        elif event.get("method") == "Runtime.consoleAPICalled":
            self.errors.append(str(params["args"]))

    def open(self, file: Path, width: int = 1200, scheme: str = "light", media: str = "") -> None:
        """Show a file in a window of this width, in light or dark, for screen or `print`."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)
        self.send("Page.navigate", url=file.resolve().as_uri())
        ended = time.monotonic() + PATIENCE
        while self.run("document.readyState") != "complete" or "file:" not in self.run(
            "location.href"
        ):
            assert time.monotonic() < ended, f"{file} does not load"

    def run(self, script: str) -> Any:
        """Give the value of an expression."""
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def point(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, file: Path) -> None:
        """Keep a picture of the whole page."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def printed(self, file: Path) -> None:
        """Print the page as a PDF."""
        pdf = self.send("Page.printToPDF", printBackground=True)
        file.write_bytes(base64.b64decode(pdf["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Give a tab of a Chromium that lives as long as the block."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = _port(profile / "DevToolsActivePort")
        with urlopen(f"http://127.0.0.1:{port}/json", timeout=PATIENCE) as answer:
            tabs = json.load(answer)
        (address,) = (tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        with connect(address, max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _port(file: Path) -> str:
    """Wait for the port that the browser has chosen."""
    ended = time.monotonic() + PATIENCE
    while time.monotonic() < ended:
        if file.exists() and (lines := file.read_text().splitlines()):
            return lines[0]
        time.sleep(0.05)
    raise TimeoutError("chromium did not start")

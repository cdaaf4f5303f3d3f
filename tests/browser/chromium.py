"""Headless Chromium, driven over its own pipe by the DevTools protocol: nothing to install beside it, no open port.

https://chromedevtools.github.io/devtools-protocol/ has the commands and events.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT_SECONDS = 60.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Space": (32, " "),
    "ArrowUp": (38, ""),
    "ArrowDown": (40, ""),
    "ArrowRight": (39, ""),
    "ArrowLeft": (37, ""),
}


class BrowserError(Exception):
    """The browser is not there, does not answer, or says that a command failed."""


def find_chromium() -> str:
    """The program to run: `CHROMIUM` of the environment, or the first known name in PATH."""
    chosen = os.environ.get("CHROMIUM")
    found = chosen or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None or not Path(found).exists():
        raise BrowserError(
            f"{chosen or 'Chromium'} was not found, and the report's browser tests need it: install it with "
            "`apt-get install chromium` (any Chrome or Chromium does), or name it in the variable CHROMIUM."
        )
    return found


class Browser:
    """One browser process; as a context manager it ends with the block, whatever happens in it."""

    def __init__(self) -> None:
        program = find_chromium()
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        command_read, command_write = os.pipe()
        answer_read, answer_write = os.pipe()
        # Chromium reads its commands at 3 and answers at 4, which either end may happen to be.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (command_read, answer_write)]
        log = Path(self._profile.name) / "log"
        self._pid = os.posix_spawn(
            program,
            [program, *_FLAGS, f"--user-data-dir={self._profile.name}/profile", "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT, 0o600),
                (os.POSIX_SPAWN_DUP2, ends[0], 3),
                (os.POSIX_SPAWN_DUP2, ends[1], 4),
            ],
            setpgroup=0,
        )
        for fd in (command_read, answer_write, *ends):
            os.close(fd)
        self._log = log
        self._in, self._out = command_write, answer_read
        self._unread = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        for fd in (self._in, self._out):
            os.close(fd)
        self._profile.cleanup()

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._out], [], [], max(0.0, until - time.monotonic()))
            content = os.read(self._out, 1 << 20) if ready else b""
            if not content:
                log = self._log.read_text(errors="replace")[-2_000:] if self._log.exists() else ""
                raise BrowserError(f"Chromium {'ended' if ready else 'does not answer'}. It said:\n{log}")
            self._unread += content
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of a command; events that arrive before it are kept in `events`."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        until = time.monotonic() + TIMEOUT_SECONDS
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._in, content) :]
        while True:
            answer = self._receive(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)


class Page:
    """One tab, with all that it said and asked for since it was opened."""

    def __init__(self, browser: Browser, width: int = 1280, height: int = 900) -> None:
        self._browser = browser
        self._context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def close(self) -> None:
        """Close the tab and forget all that it kept."""
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def events(self, method: str) -> list[dict[str, Any]]:
        """The parameters of every event of one kind."""
        all_events = self._browser.events
        return [e["params"] for e in all_events if e.get("sessionId") == self._session and e["method"] == method]

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, **features: str) -> None:
        """Media features that the reader's system states, such as `prefers_color_scheme="dark"`."""
        stated = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=stated)

    def allow(self, *permissions: str) -> None:
        """What a reader would be asked for and agree to."""
        self._browser.call("Browser.grantPermissions", permissions=list(permissions), browserContextId=self._context)

    def open(self, path: Path) -> None:
        """Load a file and wait until all of it is there."""
        self.call("Page.navigate", url=path.as_uri())
        self.wait("document.readyState === 'complete' && location.href === " + json.dumps(path.as_uri()))

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, once it is settled; raises BrowserError where it throws."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        until = time.monotonic() + TIMEOUT_SECONDS
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > until:
                raise BrowserError(f"not true after {TIMEOUT_SECONDS:g} s: {condition}")
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element, which is scrolled to first."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def focus(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")

    def press(self, key: str, shift: bool = False) -> None:
        """One key of the keyboard, to whatever has the focus."""
        code, text = _KEYS[key]
        common = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        modifiers = 8 if shift else 0
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, modifiers=modifiers, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", modifiers=modifiers, **common)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

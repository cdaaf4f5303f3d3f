"""What is forked is as what is started: its environment, folder, input, outputs and end; about 5 s of imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.warm import warm_programs
from tests.support.repositories import write

# In pawl's place, so that what is asked is the checkout's and not the one that runs this.
PAWL = """
import json, os, pathlib, sys, time
print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), sys.stdin.read(), "mlflow" in sys.modules]))
print("told", file=sys.stderr)
if sys.argv[1:] == ["sleep"]:
    pathlib.Path("pid").write_text(str(os.getpid()))
    time.sleep(600)
sys.exit(7)
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm_programs(tmp_path_factory.mktemp("warm") / "bin", ours=False) as folder:
        yield folder


@pytest.fixture
def told(tmp_path: Path) -> dict[str, Any]:
    """How a process is started that finds that pawl."""
    write(tmp_path, {"src/pawl/__init__.py": "", "src/pawl/__main__.py": PAWL, "here/.keep": ""})
    return {"cwd": tmp_path / "here", "env": {"PYTHONPATH": str(tmp_path / "src"), "ONE": "1"}, "text": True}


@pytest.mark.parametrize("words", [["pawl"], ["python", "-P", "-m", "pawl"], ["python", "-m", "pawl"]])
def test_it_is_a_process_as_any_other(words: list[str], programs: Path, told: dict[str, Any]) -> None:
    command = [str(programs / words[0]), *words[1:], "plan", "--base=ä"]
    done = subprocess.run(command, **told, input="given", capture_output=True)
    arguments, folder, environment, given, is_warm = json.loads(done.stdout)
    assert (arguments, folder, given) == (["plan", "--base=ä"], str(told["cwd"]), "given")
    assert environment.items() >= told["env"].items()
    assert "PATH" not in environment
    assert is_warm
    assert (done.returncode, done.stderr) == (7, "told\n")


def test_any_other_python_is_the_real_one(programs: Path, told: dict[str, Any]) -> None:
    code = "import sys; print(sys.executable, 'mlflow' in sys.modules); sys.exit(3)"
    done = subprocess.run([str(programs / "python"), "-c", code], **told, capture_output=True)
    assert (done.returncode, done.stdout) == (3, f"{sys.executable} False\n"), done.stderr


def test_it_is_killed_when_its_caller_is(programs: Path, told: dict[str, Any]) -> None:
    asking = subprocess.Popen([programs / "pawl", "sleep"], **told, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    file = told["cwd"] / "pid"
    _wait(lambda: file.exists() and file.read_text())
    process = int(file.read_text())
    assert process != asking.pid
    os.kill(asking.pid, signal.SIGKILL)
    asking.wait()
    _wait(lambda: not Path(f"/proc/{process}").exists())


def _wait(what: Any) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)

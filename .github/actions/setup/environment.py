"""Make the environment that a job needs, or find it as an earlier job on this runner left it.

Environments lie in PAWL_ENVIRONMENTS (default: ~/.cache/pawl/environments), each in a folder named by the digest of
Python's version and of everything its requirements file includes. One is complete exactly when its marker exists, and
whoever makes one holds its lock. Nothing of the checkout is installed into it, so every commit can share it.
Only the standard library is used: nothing is installed yet.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CML_PACKAGE = "@dvcorg/cml@0.20.6"
UNUSED_DAYS = 30
"""Environments that no job has used for so long are removed: each can be gigabytes."""


def digest(requirements: Path) -> str:
    """32 hex digits over Python's version, the file and what may be installed instead, with all that they include.

    OSError where one is missing.
    """
    total = hashlib.sha256(f"{platform.python_version()} {platform.machine()}\n".encode())
    paths = _included(requirements.resolve(), [])
    stem = requirements.stem
    for name in (f"{stem}-cpu", f"{stem}-cuda", "requirements-build"):  # what install.py may install, too
        beside = requirements.resolve().with_name(f"{name}.txt")
        paths = _included(beside, paths) if beside.exists() else paths
    for path in paths:
        total.update(path.read_bytes() + b"\0")
    return total.hexdigest()[:32]


def _included(path: Path, seen: list[Path]) -> list[Path]:
    """`path` and what it includes, each once, in the order they are read."""
    if path in seen:
        return seen
    seen.append(path)
    for line in path.read_text(encoding="utf-8").splitlines():
        flag, _, name = line.strip().partition(" ")
        if flag in ("-r", "--requirement", "-c", "--constraint"):
            _included((path.parent / name.strip()).resolve(), seen)
    return seen


def ensure(folder: Path, make: Callable[[Path], None]) -> bool:
    """See to it that `folder` is complete, through `make` if nobody has done it yet; whether it had to be made.

    A folder without its marker is what a killed job left, and is made anew.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    marker = _marker(folder)
    with _locked(folder):
        made = not marker.exists()
        if made:
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
        marker.touch()  # the time of its last use
        return made


def remove_unused(environments: Path, keep: set[Path], now: float) -> list[Path]:
    """Remove environments whose last use is more than UNUSED_DAYS days before `now` (seconds since 1970)."""
    removed = []
    for marker in environments.glob("*.complete"):
        folder = marker.with_suffix("")
        if folder in keep or now - marker.stat().st_mtime < UNUSED_DAYS * 86_400:
            continue
        with _locked(folder):
            marker.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def install_python(requirements: Path) -> Callable[[Path], None]:
    """What makes a virtual environment with the requirements."""

    def make(folder: Path) -> None:
        print(f"Installing {requirements.name} into {folder}: minutes now, under a second next time.", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = Path(__file__).with_name("install.py")
        subprocess.run([str(folder / "bin" / "python"), str(install), str(requirements)], check=True)

    return make


def install_cml(folder: Path) -> None:
    """CML, which is a Node program, with what it needs."""
    print(f"Installing {CML_PACKAGE}", flush=True)
    npm = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", CML_PACKAGE]
    subprocess.run(npm, check=True)


def _marker(folder: Path) -> Path:
    """Beside the folder, so that nothing inside it can pass for one."""
    return folder.with_name(f"{folder.name}.complete")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with folder.with_name(f"{folder.name}.lock").open("a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _write_command(folder: Path, python: Path) -> None:
    """`pawl` as a command: this environment's Python on whatever PYTHONPATH leads to, never the current directory."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "pawl"
    command.write_text(f'#!/bin/sh\nexec "{python}" -P -m pawl "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def _tell_runner(variable: str, lines: list[str]) -> None:
    with Path(os.environ[variable]).open("a", encoding="utf-8") as sink:
        sink.writelines(f"{line}\n" for line in lines)


def main() -> int:
    """Make or find the environment, and tell the runner; 2, with a sentence, where it cannot be made."""
    workspace = Path(os.environ["GITHUB_WORKSPACE"])
    requirements = workspace / os.environ.get("REQUIREMENTS", "requirements.txt")
    place = os.environ.get("PAWL_ENVIRONMENTS") or "~/.cache/pawl/environments"
    environments = Path(place).expanduser().absolute()
    try:
        folder = environments / digest(requirements)
        made = ensure(folder, install_python(requirements))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"setup: the environment of {requirements} cannot be made: {error}: see the lines above.", flush=True)
        return 2
    print(f"environment: {'made' if made else 'kept'}, {folder}")
    paths = [str(folder / "bin")]
    used = {folder}
    if os.environ.get("CML") == "true" and shutil.which("npm"):
        cml = environments / CML_PACKAGE.replace("/", "-")
        try:
            ensure(cml, install_cml)
            used.add(cml)
            paths.append(str(cml / "node_modules" / ".bin"))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"::warning::CML cannot be installed ({error}); pawl posts the comment itself.", flush=True)
    remove_unused(environments, used, time.time())
    commands = Path(os.environ["RUNNER_TEMP"]) / "pawl-command"
    _write_command(commands, folder / "bin" / "python")
    # The runner puts the last line first on PATH; before every environment's own `pawl`, if it has one.
    _tell_runner("GITHUB_PATH", [*paths, str(commands)])
    # Not added to what is there: imports come from this checkout and the environment, and nothing else.
    _tell_runner("GITHUB_ENV", [f"PYTHONPATH={workspace / 'src'}"])
    return 0


if __name__ == "__main__":
    sys.exit(main())

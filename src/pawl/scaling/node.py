"""A machine that makes stages: its checkouts, its one cache, and the process that carries out an order."""

from __future__ import annotations

import fcntl
import hashlib
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from pawl.errors import InputError
from pawl.scaling.orders import Answer, Made, Order
from pawl.scaling.source import Source, put_at

FOLDER_VARIABLE = "PAWL_NODE_FOLDER"
_MOST_CHECKOUTS = 24
_POLL_SECONDS = 0.2


def node_folder() -> Path:
    """Where this machine keeps what it makes: PAWL_NODE_FOLDER, else ~/.cache/pawl/node."""
    return Path(os.environ.get(FOLDER_VARIABLE) or Path.home() / ".cache" / "pawl" / "node").absolute()


def carry_out(order: Order, source: Source, folder: Path) -> Iterator[Answer]:
    """Have a process of its own carry out the order; its answers as they come, the last one with `made`.

    Whoever stops to listen, or dies, ends the process and all that it started.
    """
    try:
        with _checkout(source, folder) as top:
            _write_settings(order, top, folder / "cache")
            yield from _answers_of(order, top)
    except OSError as error:
        yield Answer(made=Made(trouble=f"{error.filename or folder}: {error.strerror or error}"[:2_000]))
    except InputError as error:
        yield Answer(made=Made(trouble=str(error)[:2_000]))


@contextmanager
def _checkout(source: Source, folder: Path) -> Iterator[Path]:
    """A checkout of the commit that nobody else uses meanwhile: DVC takes one command at a time in each."""
    digest = hashlib.sha256(f"{source.commit} {source.tags}".encode()).hexdigest()[:16]
    parent = folder / "checkouts"
    parent.mkdir(parents=True, exist_ok=True)
    _remove_old(parent)
    for slot in range(10_000):
        top = parent / f"{digest}-{slot}"
        lock = _lock(parent / f"{top.name}.lock")
        if lock is None:
            continue
        try:
            if not (top / ".git" / "pawl-ready").exists():
                shutil.rmtree(top, ignore_errors=True)
                top.mkdir()
                put_at(source, top)
                (top / ".git" / "pawl-ready").touch()
            yield top
        finally:
            os.close(lock)
        return
    raise InputError(f"all checkouts in {parent} are taken: end what uses them.")


def _lock(path: Path) -> int | None:
    """The descriptor that holds the lock file; None where another has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.utime(path)
    return descriptor


def _remove_old(parent: Path) -> None:
    """Keep the checkouts that were used last, and those in use."""
    locks = sorted(parent.glob("*.lock"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in locks[_MOST_CHECKOUTS:]:
        lock = _lock(path)
        if lock is not None:
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            os.close(lock)


def _write_settings(order: Order, top: Path, cache: Path) -> None:
    from dvc.config import Config

    config = Config(dvc_dir=str(top / order.inner / ".dvc"), validate=False)
    with config.edit("local", validate=False) as local:
        local["cache"] = {"dir": str(cache)}
        local["remote"] = {name: dict(settings) for name, settings in order.remotes.items()}
        if order.default_remote:
            local["core"] = {"remote": order.default_remote}


def _answers_of(order: Order, top: Path) -> Iterator[Answer]:
    # Ray sets the first one by the cores it gave; a sum over other threads is another sum in its last digits.
    env = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", *order.environment)}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "pawl.scaling.guard", str(top)],
        cwd=top,
        env=env | order.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        last = Answer()
        try:
            process.stdin.write(f"{order.model_dump_json()}\n".encode())
            process.stdin.flush()
            for line in _lines(process.stdout):
                with suppress(ValidationError):  # what a library printed
                    last = Answer.model_validate_json(line)
                    yield last
        finally:
            # Its end is heard there, and waited for here: until then the checkout is in use.
            process.stdin.close()
            process.stdout.read()
    if last.made is None:
        yield Answer(made=Made(trouble=f"what was to make {order.stage} ended without a word"))


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines as they come, never blocking for long: an engine interrupts what runs only between two steps of it."""
    rest = b""
    while True:
        if not select.select([stream], [], [], _POLL_SECONDS)[0]:
            continue
        piece = os.read(stream.fileno(), 65_536)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole

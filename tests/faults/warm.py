"""Pythons that have their imports behind them: the tests run hundreds of pawl's, and most of their time is imports.

`warm_programs` gives a folder for PATH. There `pawl`, `python -m pawl` and what delivers for it are processes of their
own, with the caller's environment, folder, input and output, forked from one that has imported what they need and has
run nothing. Each ends with its exit code, and is killed when its caller is. Any other `python` is the real one.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import marshal
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

INSTALLED = (
    *("dulwich.client", "dulwich.porcelain", "dvc.cachemgr", "dvc.data_cloud", "dvc.fs", "dvc.lock", "dvc.render"),
    *("dvc.repo.artifacts", "dvc.repo.datasets", "dvc.repo.index", "dvc.repo.metrics", "dvc.repo.params"),
    *("dvc.repo.plots", "dvc.repo.stage", "dvc.scm", "dvc.stage.cache", "dvc.utils.strictyaml", "dvc_data.index"),
    *("dvc_data.hashfile.db.local", "dvc_gs", "dvc_render", "fsspec.implementations.memory", "gcsfs", "github"),
    *("importlib_metadata", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "pyarrow.parquet", "rich.progress"),
    *("ruamel.yaml", "scipy.stats", "typer"),
)
OURS = (
    *("pawl.cli", "pawl.actions.events", "pawl.compare.comparison", "pawl.console", "pawl.pipeline.plan"),
    *("pawl.pipeline.reproduce", "pawl.publish.step", "pawl.steps", "pawl.tracking.delivery", "pawl.tracking.track"),
)
SETTINGS = {
    "LANG": "C.UTF-8",
    "DVC_NO_ANALYTICS": "1",
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""What is read when it is imported, and is the same for all that are run."""
# Without `site`, and with little to import.
ASK = """#!{python} -ISE
import marshal, os, socket, sys
words = {words}
if not any(words[:2] == ["-m", name] for name in ("pawl", "pawl.tracking.deliver")):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect("\\0" + {name!r})
    told = marshal.dumps((words[1:], {safe}, os.getcwd(), dict(os.environ)))
    socket.send_fds(asked, [len(told).to_bytes(8, "little")], [0, 1, 2])
    asked.sendall(told)
    code = asked.recv(1)
sys.exit(code[0] if code else 137)
"""
WORDS = 'sys.argv[2:] if sys.argv[1:2] == ["-P"] else sys.argv[1:]'


@contextmanager
def warm_programs(folder: Path, *, ours: bool) -> Iterator[Path]:
    """The folder with `pawl` and `python`, while the block runs; `ours`: pawl is this checkout's, and imported too."""
    folder.mkdir(parents=True)
    name = f"pawl-warm-{uuid.uuid4()}"
    safe = 'sys.argv[1:2] == ["-P"]'
    for program, words in (("pawl", '["-m", "pawl", *sys.argv[1:]]'), ("python", WORDS)):
        text = ASK.format(python=sys.executable, words=words, name=name, safe=True if program == "pawl" else safe)
        (folder / program).write_text(text, encoding="utf-8")
        (folder / program).chmod(0o755)
    modules = (*INSTALLED, *(OURS if ours else ()))
    command = [sys.executable, "-P", __file__, name, str(folder / "python"), *modules]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            env=os.environ | SETTINGS,
        )  # fmt: skip
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == b"ready\n", (folder / "log").read_text()
            yield folder
        finally:
            server.kill()
            server.communicate()


def serve(name: str, python: str, *modules: str) -> None:
    """Fork what is asked for at that name, for ever; it comes back only in what was forked, when that has ended."""
    for module in modules:
        importlib.import_module(module)
    assert threading.active_count() == 1, "what has threads cannot be forked"
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0" + name)
    listener.listen(64)
    print("ready", flush=True)
    callers: dict[int, tuple[int, socket.socket]] = {}
    """pidfd of what runs -> process and who asked for it."""
    while True:
        ready = select.select([listener, *callers, *(asked for _, asked in callers.values())], [], [])[0]
        for ended, (process, asked) in [*callers.items()]:
            if ended in ready:
                _, status = os.waitpid(process, 0)
                code = os.waitstatus_to_exitcode(status)
                with suppress(OSError), asked:
                    asked.sendall(bytes([128 - code if code < 0 else code]))
                os.close(ended)
                del callers[ended]
            elif asked in ready:  # the caller is gone
                os.kill(process, signal.SIGKILL)
        if listener in ready:
            asked, _ = listener.accept()
            told, files = _told(asked)
            process = os.fork()
            if process == 0:
                for one in (listener, *(caller for _, caller in callers.values()), asked):
                    one.close()
                _become(python, files, told)
                return
            callers[os.pidfd_open(process)] = process, asked
            for file in files:
                os.close(file)


def _told(asked: socket.socket) -> tuple[Any, list[int]]:
    """What a caller wants, and its input and outputs."""
    size, files, _, _ = socket.recv_fds(asked, 8, 3)
    told = b""
    while len(told) < int.from_bytes(size, "little"):
        told += asked.recv(1 << 20)
    return marshal.loads(told), files


def _become(python: str, files: list[int], told: tuple[list[str], bool, str, dict[str, str]]) -> None:
    """Go on as if this process had been started with these words, there and with that environment."""
    words, safe, folder, environment = told
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable = python
    added = environment.get("PYTHONPATH", "").split(os.pathsep) if environment.get("PYTHONPATH") else []
    sys.path[:0] = added if safe else [folder, *added]
    sys.argv = words
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int):
            _end(end.code)
        raise
    _end(0)


def _end(code: int) -> None:
    """As Python ends, but for taking apart all that was imported, which would first have to be copied."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(*sys.argv[1:])

"""Ask one DVC remote whether it can be read, and with --write whether it takes writes; one JSON line says what came.

`python -m pawl.doctor.probe ROOT NAME [--write]`. What is written is one small object under `pawl-doctor/`, which DVC
never reads, and it is removed again.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

_FOLDER = "pawl-doctor"


def ask(root: str, name: str, *, write: bool) -> dict[str, Any]:
    """`read`: ok, empty or failed (`why`); `write`: ok or refused (`why_not`); `left`: what could not be removed."""
    from dvc.repo import Repo

    from pawl.pipeline.project import one_line

    try:
        repo = Repo(root)
        odb = repo.cloud.get_remote_odb(name)
        remote = repo.cloud.get_remote(name)
        answer: dict[str, Any] = {"read": _read(remote.fs, remote.path)}
    except Exception as problem:
        return {"read": "failed", "why": one_line(problem)}
    if write:
        answer |= _write(odb.fs, remote.path)
    return answer


def _read(fs: Any, path: str) -> str:
    """Whether anything can be listed there; raises where the place itself cannot be reached."""
    if fs.protocol in ("http", "https"):
        fs.exists(fs.join(path, "files"))  # there is no listing over HTTP
        return "ok"
    try:
        return "ok" if next(iter(fs.ls(path, detail=False)), None) is not None else "empty"
    except FileNotFoundError:
        # In a bucket nothing is a folder until something lies in it: what must exist is the bucket.
        if fs.protocol == "local":
            raise
        fs.ls(path.split("/", 1)[0], detail=False)
        return "empty"


def _write(fs: Any, path: str) -> dict[str, Any]:
    from pawl.pipeline.project import one_line

    folder = fs.join(path, _FOLDER)
    target = fs.join(folder, uuid.uuid4().hex)
    try:
        fs.makedirs(folder, exist_ok=True)
        fs.pipe_file(target, b"Written by `pawl doctor --probe-write`; it can be deleted.\n")
    except Exception as problem:
        return {"write": "refused", "why_not": one_line(problem)}
    try:
        fs.remove(target)
        if fs.protocol == "local":
            fs.fs.rmdir(folder)
    except Exception:
        return {"write": "ok", "left": fs.unstrip_protocol(target)}
    return {"write": "ok"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ask(sys.argv[1], sys.argv[2], write="--write" in sys.argv[3:])) + "\n")

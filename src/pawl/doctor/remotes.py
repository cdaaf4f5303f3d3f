"""DVC's remotes: whether this machine may read and write them as it should.

Each is asked by a process of its own (`pawl.doctor.probe`), because what hangs in a cloud's library can only be ended
with its process. All settings count that DVC itself would read: the checkout's, the machine's and the user's.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.doctor.diagnosis import Line, error, not_checked, ok, warning

_PATIENCE_SECONDS = 9.0
_CLOUD = ("gs", "s3", "azure", "oss", "gdrive", "ssh", "http", "https", "webdav", "webdavs", "hdfs", "webhdfs")


@dataclass(frozen=True)
class Remote:
    """One remote as DVC's merged settings have it."""

    name: str
    url: str
    verify: bool
    is_default: bool
    must_refuse_writes: bool = False


def remotes_of(root: Path, read_only: set[str], environ: Mapping[str, str]) -> list[Remote]:
    """The remotes of the DVC repository at `root`, the default one first. Raises DVC's errors.

    Those in `read_only` must refuse writes; so must the default one in a job for a pull request, because main reads it.
    """
    from dvc.config import Config

    config = Config(str(root / ".dvc"))
    default = config["core"].get("remote")
    found = []
    for name, settings in config["remote"].items():
        is_default = name == default
        sealed = name in read_only or (is_default and environ.get("GITHUB_EVENT_NAME") == "pull_request")
        found.append(Remote(name, settings.get("url", ""), bool(settings.get("verify")), is_default, sealed))
    return sorted(found, key=lambda remote: not remote.is_default)


def list_lines(remotes: list[Remote], read_only: set[str]) -> list[Line]:
    """What can be said without asking any: whether there are remotes, and one that commands use."""
    lines = []
    for name in sorted(read_only - {remote.name for remote in remotes}):
        known = ", ".join(remote.name for remote in remotes) or "none"
        lines.append(error("remotes", name, f"there is no such remote (known: {known})", "Correct --read-only."))
    if not remotes:
        remedy = "Run `dvc remote add --default storage gs://BUCKET/dvc`: other machines train everything again."
        return [*lines, warning("remotes", "remotes", "there is none: results stay on this machine", remedy)]
    if not any(remote.is_default for remote in remotes):
        remedy = "Run `dvc remote default NAME`."
        lines.append(warning("remotes", "remotes", "none is the default, so none is used", remedy))
    return lines


def remote_lines(root: Path, remote: Remote, *, probe_write: bool) -> list[Line]:
    """Whether one remote can be read, verifies what it reads, and takes or refuses writes as it should."""
    name = f"{remote.name}{' (default)' if remote.is_default else ''}"
    shown = without_password(remote.url)
    answer = _ask(root, remote.name, probe_write)
    if answer is None:
        found = f"{shown} gave no answer within {_PATIENCE_SECONDS:.0f} s"
        return [error("remotes", name, found, "Check the address and the network, then the credentials.")]
    lines = [_read_line(name, shown, answer), *_verify_line(name, remote)]
    return [*lines, *([_write_line(name, shown, remote, answer)] if probe_write else [])]


def _read_line(name: str, shown: str, answer: Mapping[str, Any]) -> Line:
    if answer.get("read") == "failed":
        remedy = (
            "Give this machine's identity the right to read and list, and check the address with `dvc remote list`."
        )
        return error("remotes", name, f"{shown} cannot be read: {without_password(str(answer.get('why', '')))}", remedy)
    if answer.get("read") == "empty":
        remedy = "Run `dvc push --run-cache` on main, where writing is allowed."
        return warning("remotes", name, f"{shown} can be read and is empty", remedy)
    if answer.get("read") == "ok":
        return ok("remotes", name, f"{shown} can be read")
    return not_checked("remotes", name, without_password(str(answer.get("why", "the probe ended early"))))


def _verify_line(name: str, remote: Remote) -> list[Line]:
    if remote.verify or not re.match(rf"({'|'.join(_CLOUD)})://", remote.url):
        return []
    remedy = f"Run `dvc remote modify {remote.name} verify true`, outside the checkout on runners."
    found = "DVC believes it what an object holds"
    return [warning("remotes", f"{name}: verify", found, remedy)]


def _write_line(name: str, shown: str, remote: Remote, answer: Mapping[str, Any]) -> Line:
    name, state = f"{name}: write", answer.get("write")
    left = answer.get("left")
    if state == "ok" and left:
        remedy = f"Delete {without_password(str(left))} by hand."
        return warning("remotes", name, f"{shown} takes writes, but no deletions", remedy)
    if state == "ok" and remote.must_refuse_writes:
        remedy = "Give this machine an identity that can only read: a pull request could write what main reads."
        return error("remotes", name, f"{shown} takes writes, which it should refuse here", remedy)
    if state == "ok":
        return ok("remotes", name, f"{shown} takes writes; what was written is removed again")
    if state == "refused":
        why = without_password(str(answer.get("why_not", "")))
        if remote.must_refuse_writes or remote.url.startswith(("http://", "https://")):
            return ok("remotes", name, f"{shown} refuses writes")
        remedy = "Nothing to do where only main's jobs may write; else give this machine's identity the right to."
        return warning("remotes", name, f"{shown} refuses writes: {why}", remedy)
    return not_checked("remotes", name, "it could not be read")


def without_password(text: str) -> str:
    """The text without the user names and passwords of addresses in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)


def _ask(root: Path, name: str, probe_write: bool) -> dict[str, Any] | None:
    """What the probe says; None where it had to be ended."""
    command = [sys.executable, "-P", "-m", "pawl.doctor.probe", str(root), name, *["--write"] * probe_write]
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": path, "DVC_NO_ANALYTICS": "1"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        start_new_session=True,
    ) as process:
        try:
            out, _ = process.communicate(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None
    try:
        answer = json.loads(out.decode(errors="replace").splitlines()[-1])
    except (ValueError, IndexError):
        answer = None
    return answer if isinstance(answer, dict) else {"why": f"the probe ended with {process.returncode}"}

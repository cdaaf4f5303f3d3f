"""Posting through CML, and when not to.

Checked against the source of CML 0.20: `cml comment update` reads the first page of comments (30) of whatever author,
takes the last one whose text holds the mark *anywhere*, and overwrites it; if it finds none, it posts a new comment. So
it duplicates on a busy pull request, and it overwrites a person's comment that quotes the mark. `danger` foresees both
from the same list of comments; then our own writer does the work.
CML reaches github.com and `https://HOST/api/v3`, nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.publish.environment import Target
from pawl.publish.github_api import one_line
from pawl.publish.mark import WATERMARK_URL

COMMENTS_THAT_CML_SEES = 30
CML_SECONDS = 120.0
# The rest of the environment stays here: it can hold secrets, and a CML_* variable changes what CML does or stops it.
PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
)  # fmt: skip


@dataclass(frozen=True)
class CmlRun:
    """How a run of CML ended."""

    ok: bool
    comment_id: int | None
    """From the address that it prints."""
    said: str
    """The end of what it printed, on one line, without the token."""


def find_cml(env: Mapping[str, str]) -> str | None:
    """The program on the PATH of `env`."""
    return shutil.which("cml", path=env.get("PATH", ""))


def address(target: Target) -> str | None:
    """The repository's address that leads CML to the target's API; None where none does."""
    if target.api_url == "https://api.github.com":
        return f"https://github.com/{target.repository}"
    found = re.fullmatch(r"(https://[^/]+)/api/v3", target.api_url)
    return f"{found[1]}/{target.repository}" if found else None


def danger(texts: Sequence[str], ours: int | None, title: str) -> str | None:
    """Why CML would do harm, in a clause; None where it would do the right thing.

    Args:
        texts: all comments of the pull request, oldest first.
        ours: which of them is to be updated; None: there is none, a new one is wanted.
        title: the mark's title.
    """
    mark = re.compile(rf'!\[\]\({re.escape(WATERMARK_URL)}#[0-9a-fA-F]+ "CML watermark {re.escape(title)}"\)')
    seen = [index for index, text in enumerate(texts[:COMMENTS_THAT_CML_SEES]) if mark.search(text)]
    choice = seen[-1] if seen else None
    if choice == ours:
        return None
    if choice is None:
        return f"our comment is not among the first {COMMENTS_THAT_CML_SEES}, it would post another one"
    return "it would overwrite another comment that quotes our mark"


def run_cml(program: str, report: str, target: Target, *, title: str, commit: str, env: Mapping[str, str]) -> CmlRun:
    """Let CML post `report` and put its mark after it. Raises nothing: CML can fail in any way, and then we write."""
    with tempfile.TemporaryDirectory(prefix="pawl-cml-") as folder:
        file = Path(folder) / "report.md"
        file.write_bytes(report.encode())
        passed = {name: env[name] for name in PASSED_ON if name in env}
        passed |= {
            "REPO_TOKEN": target.token,  # in the environment, because everybody on the machine can read arguments
            "GITHUB_REPOSITORY": target.repository,
            "GITHUB_SHA": commit,
            "ITERATIVE_DO_NOT_TRACK": "1",
            "GIT_CONFIG_GLOBAL": str(Path(folder) / "gitconfig"),  # every run of CML appends to the global one
        }
        command = [
            program, "comment", "update", "--driver=github", f"--repo={address(target)}",
            f"--target=pr/{target.pull_request}", "--publish=false", f"--watermark-title={title}", str(file),
        ]  # fmt: skip
        try:
            process = subprocess.Popen(
                command, cwd=folder, env=passed, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return CmlRun(False, None, f"it cannot be started: {error.strerror}")
        try:
            out, err = process.communicate(timeout=CML_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return CmlRun(False, None, f"no end after {CML_SECONDS:.0f} s")
    printed = out.decode(errors="replace")
    found = re.search(r"#issuecomment-([0-9]{1,18})\s*$", printed)
    said = f"{err.decode(errors='replace')} {printed}".replace(target.token, "***")[-300:]
    return CmlRun(process.returncode == 0, int(found[1]) if found else None, one_line(said) or "no message")

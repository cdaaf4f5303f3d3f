"""`pawl plan` with the options that the workflow's event asks for.

What people typed into GitHub (branch names, a dispatch's inputs) is read from the event's file and handed on as
arguments, so that no shell ever sees it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def options(event_name: str, event: Mapping[str, Any], is_commit_here: Callable[[str], bool]) -> list[str]:
    """The options of `pawl plan` for one event. Raises ValueError, with a sentence, for overrides that are none.

    >>> options("pull_request", {"pull_request": {"base": {"ref": "main"}}}, lambda commit: True)
    ['--base=main']
    """
    if event_name == "pull_request":
        # The branch and not the event's commit of it: HEAD is a merge with the branch as it is by now.
        return [f"--base={event['pull_request']['base']['ref']}"]
    if event_name == "push":
        before = str(event.get("before") or "")
        if re.fullmatch(r"[0-9a-f]{40,64}", before) and before.strip("0") and is_commit_here(before):
            return [f"--base={before}"]
        # A new branch, or one whose past was rewritten: there is no before, so all of it is made sure of.
        return ["--base=HEAD", "--all"]
    return _dispatched(event.get("inputs") or {})


def _dispatched(inputs: Mapping[str, Any]) -> list[str]:
    try:
        overrides = shlex.split(str(inputs.get("overrides") or ""))
    except ValueError as error:
        raise ValueError(f"the input `overrides` has a quote too few or too many ({error}): dispatch again.") from None
    for override in overrides:
        if "=" not in override:
            raise ValueError(f"{override!r} in the input `overrides` is not KEY=VALUE: dispatch again.")
    base = str(inputs.get("base") or "").strip()
    force = str(inputs.get("force")).lower() == "true"
    return [*([f"--base={base}"] if base else []), *(f"--set={one}" for one in overrides), *(["--force"] * force)]


def _is_commit_here(commit: str) -> bool:
    return subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True).returncode == 0


def main() -> int:
    """Run `pawl plan`, and end as it does."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    try:
        given = options(os.environ["GITHUB_EVENT_NAME"], event, _is_commit_here)
    except ValueError as error:
        print(f"plan: {error}", file=sys.stderr)
        return 2
    return subprocess.run(["pawl", "plan", *given]).returncode


if __name__ == "__main__":
    sys.exit(main())

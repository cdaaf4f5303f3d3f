"""Lint the workflows and actions: `python -m tests.lint_workflows`. Exit code 1 where any of the tools finds something.

actionlint checks them and, through shellcheck, their shell lines; zizmor their security; act whether it can run them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.act_workflows import make_fit_for_act

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def commands(root: Path) -> list[list[str]]:
    """One command line for each tool."""
    workflows = sorted((root / ".github" / "workflows").glob("*.yml"))
    # pyflakes is off, not missing: nothing of Python stands in the workflows.
    shell = ["-shellcheck", str(BIN / "shellcheck"), "-pyflakes", ""]
    return [
        [str(BIN / "actionlint"), *shell, *map(str, workflows)],
        [str(BIN / "zizmor"), "--offline", "--persona", "pedantic", "--no-progress", "--quiet", str(root)],
    ]


def act_commands(folder: Path) -> list[list[str]]:
    """One for each workflow in `folder`, in which act may run them."""
    return [[str(BIN / "act"), "--validate", "--strict", "--workflows", str(p)] for p in sorted(folder.glob("*.yml"))]


def main(root: Path = ROOT) -> int:
    """Run them all, whatever the first says."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree(root / ".github" / "workflows", folder, dirs_exist_ok=True)
        make_fit_for_act(folder)
        return _run([*commands(root), *act_commands(folder)], root)


def _run(commands: list[list[str]], root: Path) -> int:
    found = 0
    for command in commands:
        done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            found = 1
            print(f"{Path(command[0]).name} ends with {done.returncode}:\n{done.stdout}{done.stderr}")
    return found


if __name__ == "__main__":
    sys.exit(main())

"""Lint what is deployed and look for secrets: `python -m tests.lint_deploy`. Exit code 1 where a tool finds something.

check-jsonschema holds compose files against the Compose specification; detect-secrets looks through every file that git
would take. In tests, where passwords are made up, it looks for what has the form of a real key alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
# Digests are everywhere here, on purpose, and are nobody's secret.
_NOT_SCANNED = r"^(dvc\.lock|noise\.json|requirements[a-z-]*\.txt)$|\.(png|svg|parquet)$"
_GUESSES = ("HexHighEntropyString", "IPPublicDetector")
_GUESSES_IN_TESTS = (*_GUESSES, "Base64HighEntropyString", "KeywordDetector", "BasicAuthDetector")
# The name of a Kubernetes secret, and a test's key that is none.
_NO_SECRETS = r"githubConfigSecret\b|-----\\nsecret\\n-----END"


def commands(root: Path) -> list[list[str]]:
    """One command line for each tool and set of files."""
    compose = sorted(map(str, root.glob("deploy/*/compose.yaml")))
    checked = [[str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *compose]]
    files = _files(root)
    in_tests = [name for name in files if name.startswith("tests/")]
    rest = [name for name in files if not name.startswith("tests/")]
    return [*(checked if compose else []), *_scans(rest, _GUESSES), *_scans(in_tests, _GUESSES_IN_TESTS)]


def main(root: Path = ROOT) -> int:
    """Run them all, whatever the first says."""
    found = 0
    for command in commands(root):
        done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            found = 1
            print(f"{Path(command[0]).name} ends with {done.returncode}:\n{done.stdout}{done.stderr}")
    return found


def _files(root: Path) -> list[str]:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and (root / name).is_file() and not (root / name).is_symlink()]


def _scans(files: list[str], without: tuple[str, ...]) -> list[list[str]]:
    if not files:
        return []
    disabled = [part for plugin in without for part in ("--disable-plugin", plugin)]
    excluded = ["--exclude-files", _NOT_SCANNED, "--exclude-lines", _NO_SECRETS]
    return [[str(BIN / "detect-secrets-hook"), "--no-verify", *disabled, *excluded, "--", *files]]


if __name__ == "__main__":
    sys.exit(main())

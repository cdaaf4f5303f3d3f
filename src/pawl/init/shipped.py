"""What a repository takes over from pawl's own: the workflows with their steps, and the loop that they run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from pawl.errors import InputError

FOLDERS = (".github/workflows", ".github/actions", "src/pawl")
# The one for CUDA stands in for requirements.txt as a whole, and is of this repository's own tasks.
_REQUIREMENTS = re.compile(r"\brequirements-(?!cuda\b)[a-z]+\.txt\b")
_PUSHED_BRANCH = re.compile(r"^(?P<key>\s*branches: )\[main\]\s*$", re.MULTILINE)


def own_checkout() -> Path:
    """The checkout that this pawl runs from. Raises InputError where it was installed without one."""
    package = Path(__file__).resolve().parents[1]
    root = package.parents[1]
    if package.parent.name == "src" and (root / FOLDERS[0]).is_dir() and _is_pawls(root / "pyproject.toml"):
        return root
    raise InputError(
        f"this pawl ({package}) is a copy without all that goes with it: clone pawl's own repository, `pip install -e` "
        "the clone, and run that one's `pawl init`."
    )


def _is_pawls(pyproject: Path) -> bool:
    try:
        content = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content.get("project"), dict) and content["project"].get("name") == "pawl"


def shipped_files(root: Path, base: str) -> dict[str, bytes]:
    """Path -> content of every file to take over from the checkout `root`; workflows run on pushes to `base`."""
    found: dict[str, bytes] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    found |= _requirements(root, [text.decode("utf-8") for name, text in found.items() if name.startswith(".github/")])
    if base != "main":
        for name in [name for name in found if name.startswith(".github/workflows/")]:
            found[name] = for_branch(found[name].decode("utf-8"), base).encode()
    return found


def _requirements(root: Path, texts: list[str]) -> dict[str, bytes]:
    """The requirements files that the texts name beside requirements.txt, and those that these include."""
    found: dict[str, bytes] = {}
    waiting = [name for text in texts for name in _REQUIREMENTS.findall(text)]
    while waiting:
        name = waiting.pop(0)
        if name not in found and (root / name).is_file():
            found[name] = (root / name).read_bytes()
            waiting += _REQUIREMENTS.findall(found[name].decode("utf-8"))
    return found


def for_branch(workflow: str, base: str) -> str:
    """The workflow's text with `base` in place of main wherever it names the branches that it listens to."""
    quoted = yaml.safe_dump(base, default_style='"', allow_unicode=True, width=10_000).strip()
    return _PUSHED_BRANCH.sub(lambda found: f"{found['key']}[{quoted}]", workflow)

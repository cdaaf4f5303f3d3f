"""The Python files of `.github`, which are no package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

GITHUB = Path(__file__).parents[2] / ".github"


def load(name: str) -> ModuleType:
    """The module at `name`, a path below `.github`."""
    path = GITHUB / name
    spec = importlib.util.spec_from_file_location(f"github_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""Workflows as act takes them: it does not know yet that a concurrency group can queue."""

from __future__ import annotations

import re
from pathlib import Path


def for_act(text: str) -> str:
    """A workflow without the one key that act's schema refuses; act enforces no concurrency anyway."""
    return re.sub(r"^ *queue: max\n", "", text, flags=re.MULTILINE)


def make_fit_for_act(folder: Path) -> None:
    """Rewrite every workflow in `folder`."""
    for path in sorted(folder.glob("*.yml")):
        path.write_text(for_act(path.read_text(encoding="utf-8")), encoding="utf-8")

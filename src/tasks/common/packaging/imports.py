"""What a module of `tasks` imports, at first or second hand, as its source says: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "tasks"


@dataclass(frozen=True)
class Imports:
    """All that a few modules need."""

    files: tuple[str, ...]
    """Of this package, relative to the folder that holds it, such as `tasks/common/model/card.py`; in order."""
    others: tuple[str, ...]
    """Top-level names of other packages, such as `numpy`; in order."""


def imports_of(source: Path, modules: Sequence[str]) -> Imports:
    """What `modules` such as `tasks.digits.infer` import, themselves included; `source` is the folder that has `tasks`.

    Imports within functions count, those for type checkers alone do not.
    """
    found: dict[str, None] = {}
    others: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        file = _file_of(source, module)
        if file is None or file in found:
            continue
        found[file] = None
        waiting += [module.rpartition(".")[0]] if "." in module else []
        for name in _imported(ast.parse((source / file).read_text(encoding="utf-8"))):
            if name.partition(".")[0] == PACKAGE:
                waiting.append(name)
            else:
                others.add(name.partition(".")[0])
    return Imports(tuple(sorted(found)), tuple(sorted(others)))


def _file_of(source: Path, module: str) -> str | None:
    """None where the name is of something within a module."""
    base = "/".join(module.split("."))
    return next((file for file in (f"{base}.py", f"{base}/__init__.py") if (source / file).is_file()), None)


def _imported(tree: ast.AST) -> Iterator[str]:
    """The names in a module's import statements; of `from a import b` both `a` and `a.b`, which may be a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from _imported(node)

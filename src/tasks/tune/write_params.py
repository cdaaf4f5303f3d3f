"""Values set in params.yaml where they stand: every other character of the file stays as it is."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_file
from tasks.common.stage.params import PARAMS_FILE


def write_values(root: Path, values: Mapping[str, Any]) -> list[str]:
    """Set keys such as `tabular.train.C` to JSON values; those that were changed. The file is written whole or not.

    Raises TaskError for a key that is not there, or a value that stands elsewhere, behind an alias.
    """
    from ruamel.yaml import YAML

    path = root / PARAMS_FILE
    # As it is, with whatever ends its lines.
    before = path.read_bytes().decode("utf-8")
    loaded = _load(before)
    changed = [key for key, value in values.items() if not _equal(_at(loaded, key), value)]
    tree = YAML(pure=True).compose(io.StringIO(before))
    spans = sorted(((*_span(tree, key), key) for key in changed), reverse=True)
    after = before
    for start, end, key in spans:
        after = after[:start] + json.dumps(values[key], ensure_ascii=False) + after[end:]
    expected = _load(before)
    for key in changed:
        *parents, last = key.split(".")
        _at(expected, ".".join(parents))[last] = values[key]
    if json.dumps(_load(after), default=str) != json.dumps(expected, default=str):
        raise TaskError(f"{PARAMS_FILE}: {', '.join(changed)} cannot be set where it stands; change it by hand.")
    if changed:
        with new_file(path) as partial:
            partial.write_bytes(after.encode("utf-8"))
    return changed


def _load(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def _at(block: Any, key: str) -> Any:
    part = block
    for name in key.split("."):
        if not isinstance(part, dict) or name not in part:
            raise TaskError(f'{PARAMS_FILE}: the key "{key}" is missing; add it.')
        part = part[name]
    return part


def _equal(one: Any, other: Any) -> bool:
    return json.dumps(one, default=str) == json.dumps(other, default=str)


def _span(tree: Any, key: str) -> tuple[int, int]:
    """From where to where the value of the key stands in the text."""
    node = tree
    for name in key.split("."):
        outer = node
        node = next(value for label, value in outer.value if label.value == name)
        is_elsewhere = not outer.start_mark.index <= node.start_mark.index < outer.end_mark.index
        if is_elsewhere or node.anchor is not None:
            raise TaskError(f"{PARAMS_FILE}: {key} shares its value with another key (& or *); change it by hand.")
    return node.start_mark.index, _end(node)


def _end(node: Any) -> int:
    # A list in block style ends for the parser where the next key begins, behind the comments between.
    if isinstance(node.value, list) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)

"""scikit-learn models in skops files: only types of a written list are read, and equal models are equal bytes."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tasks.common.model.archive import read_archive, renumber, write_archive
from tasks.common.stage.errors import TaskError

_SCHEMA_FILE = "schema.json"


def save_skops(model: Any, path: Path) -> None:
    """Write a fitted estimator to `path`."""
    import skops.io

    skops.io.dump(model, path)
    files = read_archive(path)
    # skops names objects and files by their address in memory: number them by first appearance instead.
    schema = renumber(json.loads(files.pop(_SCHEMA_FILE)), "__id__")
    names: dict[str, str] = {}
    _rename(schema, names)
    renamed = {names[name]: content for name, content in files.items()}
    ordered = {_SCHEMA_FILE: json.dumps(schema).encode()} | {name: renamed[name] for name in sorted(renamed)}
    write_archive(path, ordered)


def load_skops(path: Path, allowed: Collection[str]) -> Any:
    """The estimator in `path`, if every type in it is in `allowed`, as full names. Raises TaskError."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        types = _types(json.loads(read_archive(path)[_SCHEMA_FILE]))
        foreign = sorted(types - set(allowed))
        if foreign:
            raise TaskError(
                f"{path} holds {foreign[0]}, which this task's models have no use for; do not use the file."
            )
        return skops.io.load(path, trusted=sorted(types))
    except UntrustedTypesFoundException as error:
        raise TaskError(f"{path} holds types that are not allowed; do not use the file.") from error
    except TaskError:
        raise
    except Exception as error:
        raise TaskError(f"{path} is not a skops file; run the stage train again.") from error


def _rename(node: Any, names: dict[str, str]) -> None:
    """Rename the files that the schema mentions in place, and note the new names."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _rename(part, names)
    if isinstance(node, dict) and isinstance(node.get("file"), str):
        node["file"] = names.setdefault(node["file"], f"{len(names):04d}{Path(node['file']).suffix}")


def _types(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*(_types(item) for item in node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*(_types(value) for value in node.values()))
    if "__class__" in node and "__module__" in node:
        found.add(f"{node['__module__']}.{node['__class__']}")
    return found

"""`--set KEY=VALUE`: other parameter values, checked against the file before anything runs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any

from pawl.errors import InputError, nearest
from pawl.pipeline.project import flatten

DEFAULT_FILE = "params.yaml"


def apply_overrides(root: Path, overrides: Iterable[str]) -> dict[str, str]:
    """The parameter files as they would read with `overrides` set: path relative to `root` -> text.

    An override is `dotted.key=VALUE` or `file.yaml:dotted.key=VALUE`; VALUE is YAML. Comments are kept. Raises
    InputError for an unknown key (naming the nearest), another kind of value, or a file that cannot be read.
    """
    documents: dict[str, Any] = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals or not name:
            raise InputError(f'--set {override}: write it as key=value, such as "digits.train.epochs=5".')
        file, colon, key = name.rpartition(":")
        file = file if colon else DEFAULT_FILE
        if file not in documents:
            documents[file] = load_yaml(root / file)
        _set(documents[file], key, _value(override, text), file)
    return {file: _dump(document, file) for file, document in documents.items()}


def load_yaml(path: Path) -> Any:
    """A YAML file with its comments. Raises InputError naming file and line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        document = YAML().load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path.name} does not exist: --set changes parameters of a committed file.") from None
    except MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path.name} is not valid YAML{line}: {error.problem or error.context}.") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read: {error}.") from None
    if not isinstance(document, MutableMapping):
        raise InputError(f"{path.name} must hold keys and values.")
    return document


def _value(override: str, text: str) -> Any:
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"--set {override}: the value is not valid YAML; quote it.") from None
    if isinstance(value, str):
        try:  # YAML 1.1 reads 1e-3 as text; nobody who writes it means text
            return float(value) if not value.strip().lower().strip("+-").startswith(("n", "i")) else value
        except ValueError:
            return value
    return value


def _set(document: Any, key: str, value: Any, file: str) -> None:
    known = [name for name, _ in flatten(document)]
    *parents, last = key.split(".")
    place = document
    for part in parents:
        place = place.get(part) if isinstance(place, MutableMapping) else None
    if not isinstance(place, MutableMapping) or last not in place:
        raise InputError(f'--set {key}: {file} has no "{key}": {nearest(key, known)}')
    place[last] = _same_kind(key, place[last], value)


def _same_kind(key: str, old: Any, new: Any) -> Any:
    """`new`, as a float where an integer stands for one; an InputError where it is another kind of value than `old`."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list"}
    for kind in (bool, int, float, list):
        if isinstance(old, kind):
            if kind is float and isinstance(new, int) and not isinstance(new, bool):
                return float(new)
            if not isinstance(new, kind) or (isinstance(new, bool) and kind is not bool):
                raise InputError(f"--set {key}={new!r}: it must be {kinds[kind]}, as {old!r} is.")
            return new
    if isinstance(old, str) and not isinstance(new, str | dict):
        raise InputError(f"--set {key}={new!r}: it must be text, as {old!r} is; put it in quotes.")
    return new


def _dump(document: Any, file: str) -> str:
    from ruamel.yaml import YAML

    if file.endswith(".json"):  # which can be read as YAML, but not written so
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    writer = YAML()
    writer.width = 4_096
    buffer = io.StringIO()
    writer.dump(document, buffer)
    return buffer.getvalue()

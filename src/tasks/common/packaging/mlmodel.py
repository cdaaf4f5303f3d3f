"""The file MLmodel and its neighbours, by which MLflow knows a package; https://mlflow.org/docs/latest/ml/model.

Written by hand, from values that follow from the package's content: MLflow would put the time, a random id and the
versions of this machine there, and equal packages would not be equal bytes. A test compares it with what MLflow writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.common.stage.files import file_digest

MLMODEL_FILE = "MLmodel"
REQUIREMENTS_FILE = "requirements.txt"
PYTHON_ENV_FILE = "python_env.yaml"
INPUT_EXAMPLE_FILE = "input_example.json"
SERVING_EXAMPLE_FILE = "serving_input_example.json"
PYTHON = "3.11"
"""The version that every task is written for."""

_NO_TIME = "1970-01-01 00:00:00.000000"

ColumnType = Literal["string", "double"]


@dataclass(frozen=True)
class Column:
    """One column of a table that goes in or comes out."""

    name: str
    type: ColumnType
    required: bool = True


@dataclass(frozen=True)
class Signature:
    """What a package takes and gives."""

    inputs: Sequence[Column]
    outputs: Sequence[Column]


def write_environment(folder: Path, requirements: Sequence[str]) -> None:
    """Write requirements.txt, lines such as `numpy==2.4.6`, and python_env.yaml, which names it."""
    (folder / REQUIREMENTS_FILE).write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    _write_yaml(
        folder / PYTHON_ENV_FILE,
        {"python": PYTHON, "build_dependencies": ["pip"], "dependencies": [f"-r {REQUIREMENTS_FILE}"]},
    )


def write_example(folder: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write rows of input, one value a column, as MLflow's client and its server read them."""
    table = {"columns": list(columns), "data": [list(row) for row in rows]}
    for name, content in ((INPUT_EXAMPLE_FILE, table), (SERVING_EXAMPLE_FILE, {"dataframe_split": table})):
        text = json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def write_mlmodel(
    folder: Path,
    signature: Signature,
    *,
    code_file: str,
    artifacts: Mapping[str, str],
    mlflow_version: str,
    metadata: Mapping[str, Any],
) -> None:
    """Write `folder/MLmodel`, when all else is in the folder: its id is the digest of that.

    code_file: what MLflow runs. artifacts: name to path in the folder.
    """
    has_example = (folder / INPUT_EXAMPLE_FILE).is_file()
    example = {
        "artifact_path": INPUT_EXAMPLE_FILE,
        "pandas_orient": "split",
        "serving_input_path": SERVING_EXAMPLE_FILE,
        "type": "dataframe",
    }
    content = {
        "flavors": {
            "python_function": {
                "artifacts": {name: {"path": path, "uri": path} for name, path in sorted(artifacts.items())},
                # MLflow would put the code on Python's path, where that of two packages cannot both be.
                "code": None,
                "env": {"virtualenv": PYTHON_ENV_FILE},
                "loader_module": "mlflow.pyfunc.loaders.code_model",
                "model_code_path": code_file,
                "python_version": PYTHON,
                "streamable": False,
            }
        },
        "is_signature_from_type_hint": False,
        "metadata": dict(metadata),
        "mlflow_version": mlflow_version,
        "model_id": None,
        "model_size_bytes": sum(path.stat().st_size for path in _files(folder)),
        "model_uuid": _digest(folder)[:32],
        "prompts": None,
        **({"saved_input_example_info": example} if has_example else {}),
        "signature": {"inputs": _columns(signature.inputs), "outputs": _columns(signature.outputs), "params": None},
        "type_hint_from_example": False,
        "utc_time_created": _NO_TIME,
    }
    _write_yaml(folder / MLMODEL_FILE, content)


def _columns(columns: Sequence[Column]) -> str:
    rows = [{"type": column.type, "name": column.name, "required": column.required} for column in columns]
    return json.dumps(rows, ensure_ascii=False)


def _digest(folder: Path) -> str:
    lines = [f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MLMODEL_FILE)


def _write_yaml(path: Path, content: Any) -> None:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 10_000
    yaml.allow_unicode = True
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)

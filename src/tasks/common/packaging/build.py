"""A package: a trained model with the code, parameters and requirements that its answers follow from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tasks.common.inference.result import Endpoint
from tasks.common.model.card import Card, read_card
from tasks.common.packaging.imports import imports_of
from tasks.common.packaging.mlmodel import (
    Column,
    Signature,
    write_environment,
    write_example,
    write_mlmodel,
)
from tasks.common.packaging.provenance import PROVENANCE_FILE, Provenance, upstream_of
from tasks.common.packaging.requirements import OWN_PINS, TASKS_PINS, pinned, requirements_of
from tasks.common.stage.files import file_digest, new_folder, write_json
from tasks.common.stage.params import PARAMS_FILE, StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

STAGE = "package"
CODE_FOLDER = "code"
ARTIFACTS_FOLDER = "artifacts"
SERVING_FILE = "serving.py"

_SOURCE = Path(__file__).parents[3]


class PackageParams(StageParams):
    """`<task>.package`, or what every task has of it."""

    examples: Annotated[int, Field(ge=0, le=100)]


@dataclass(frozen=True)
class Inputs:
    """What a task's model takes, and examples of it."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    """One value a column."""


def package_folder(paths: TaskPaths) -> Path:
    """Folder that package writes."""
    return paths.output_root / "packages" / paths.task


def build_package(
    paths: TaskPaths,
    params: PackageParams,
    endpoint: Endpoint,
    inputs: Inputs,
    *,
    copy_model: Callable[[Path], None] | None = None,
    scores_of: str | None = None,
) -> None:
    """Write packages/<task>, an MLflow model that `mlflow.pyfunc.load_model` loads without this repository.

    It has the task's module `infer` with all that it imports, the block `<task>.evaluate` of params.yaml, which
    inference reads, the model's folder, or what `copy_model` puts in the folder it is given, the pinned packages, and
    provenance.json. scores_of: what evaluate measured, where that was not this very model. Equal inputs write equal
    bytes. Raises TaskError where there is no usable model.
    """
    card = read_card(paths.model, paths.task)
    imports = imports_of(_SOURCE, [f"tasks.{paths.task}.infer", "tasks.common.inference.served"])
    with new_folder(package_folder(paths)) as folder:
        model = folder / ARTIFACTS_FOLDER / "models" / paths.task
        model.parent.mkdir(parents=True)
        if copy_model is None:
            shutil.copytree(paths.model, model, copy_function=shutil.copyfile)
        else:
            model.mkdir()
            copy_model(model)
        packaged = read_card(model, paths.task)
        _write_params(paths, folder / ARTIFACTS_FOLDER)
        for file in imports.files:
            target = folder / CODE_FOLDER / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_SOURCE / file, target)
        shutil.copyfile(Path(__file__).with_name(SERVING_FILE), folder / SERVING_FILE)
        write_environment(folder, requirements_of(imports.others, card.framework))
        if inputs.rows:
            write_example(folder, [column.name for column in inputs.columns], inputs.rows)
        code = {file: file_digest(folder / CODE_FOLDER / file) for file in imports.files}
        write_json(folder / PROVENANCE_FILE, _provenance(paths, params, packaged, code, scores_of).model_dump())
        write_mlmodel(
            folder,
            Signature(inputs.columns, _outputs(endpoint, card.labels)),
            code_file=SERVING_FILE,
            artifacts={
                "model": f"{ARTIFACTS_FOLDER}/models/{paths.task}",
                "params": f"{ARTIFACTS_FOLDER}/{PARAMS_FILE}",
            },
            mlflow_version=pinned(OWN_PINS)["mlflow"],
            metadata={"task": paths.task} | ({"scores_of": scores_of} if scores_of else {}),
        )
        size_mib = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    say(f"package {paths.task}: {len(packaged.files)} model files, {len(code)} of code, {size_mib:.1f} MiB")


def _write_params(paths: TaskPaths, folder: Path) -> None:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    content = {"tasks": [paths.task], paths.task: {"evaluate": _block(paths, "evaluate")}}
    with (folder / PARAMS_FILE).open("w", encoding="utf-8") as file:
        yaml.dump(content, file)


def _block(paths: TaskPaths, stage: str) -> Mapping[str, Any]:
    """The stage's block as it stands in params.yaml, which is checked where it is read."""
    from ruamel.yaml import YAML

    content = YAML(typ="safe", pure=True).load((paths.root / PARAMS_FILE).read_text(encoding="utf-8"))
    block: Mapping[str, Any] = content[paths.task][stage]
    return block


def _outputs(endpoint: Endpoint, labels: Sequence[str]) -> list[Column]:
    """The columns that `Served.predict` gives; what has a problem has nothing else."""
    what = (
        [Column(endpoint.written, "string")] if endpoint.written else [Column(f"score:{x}", "double") for x in labels]
    )
    always = [Column("prediction", "string"), Column("problem", "string")]
    return [Column(column.name, column.type, required=False) for column in (*always, *what)]


def _provenance(
    paths: TaskPaths, params: PackageParams, card: Card, code: Mapping[str, str], scores_of: str | None
) -> Provenance:
    blocks = {"evaluate": _block(paths, "evaluate"), STAGE: params.model_dump()}
    source = card.source
    return Provenance(
        task=paths.task,
        stage=f"{STAGE}@{paths.task}",
        command=f"python src/tasks/package.py {paths.task}",
        parameters={f"{paths.task}.{stage}.{key}": v for stage, block in blocks.items() for key, v in block.items()},
        model=card.files,
        training_key=card.stage_key,
        scores_of=scores_of,
        code=dict(code),
        packages=pinned(TASKS_PINS, OWN_PINS),
        data_digest=card.data_digest,
        data_revision=next((str(source[name]) for name in ("commit", "rev") if source.get(name)), None),
        data_source=source,
        upstream=None if paths.overridden else upstream_of(paths, paths.model),
    )

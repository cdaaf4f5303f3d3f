"""A package asked about files: loaded by MLflow, answering with its own code, whatever this checkout has."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.common.inference.result import Inferred
from tasks.common.packaging.provenance import read_provenance
from tasks.common.stage.errors import TaskError


def ask_package(folder: Path, task: str, files: Sequence[Path], out: Path) -> list[Inferred]:
    """What the package says of each of the files, by its own code. Raises TaskError where it is of another task."""
    made_for = read_provenance(folder).task
    if made_for != task:
        raise TaskError(f'{folder} is a package of the task "{made_for}", not "{task}".')
    try:
        import mlflow
    except ModuleNotFoundError:
        raise TaskError(f"{folder}: MLflow is not installed; install the version in requirements.txt.") from None
    # What MLflow imports would leave bytecode in the package, which would then not be the one that was signed.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        model = mlflow.pyfunc.load_model(str(folder)).unwrap_python_model()
        answers = model.served.answer_files(files, out)
    except Exception as error:
        # A TaskError of the package's own code is another class than the one here.
        if type(error).__name__ in ("TaskError", "MlflowException"):
            raise TaskError(f"{folder} cannot be used: {str(error).splitlines()[0]}") from error
        raise
    finally:
        sys.dont_write_bytecode = before
    return [Inferred(a.source, a.labels, a.predicted, a.written, a.problem) for a in answers]

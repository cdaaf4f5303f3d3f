"""The trained model behind MLflow's server: photographs in base64 in, the grade and each grade's probability out.

MLflow runs this file as it is when it loads the model, so it has no use for a pickle.
"""

from __future__ import annotations

import base64
import binascii
import shutil
import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc.model import PythonModel

from tasks.common.stage.paths import TaskPaths
from tasks.retinopathy.infer import infer

COLUMN = "photograph"


class Grader(PythonModel):
    """A table with the column `photograph`, a JPEG or PNG file in base64 in each row, to a table of grades."""

    def load_context(self, context: Any) -> None:
        """Put model and parameters where inference looks for them."""
        self._folder = tempfile.TemporaryDirectory()
        root = Path(self._folder.name)
        self._paths = TaskPaths(root, "retinopathy")
        shutil.copytree(context.artifacts["model"], self._paths.model)
        shutil.copyfile(context.artifacts["params"], root / "params.yaml")

    # MLflow would read types here as a schema of its own kind.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """One row a photograph: `grade`, `problem` and `probability:<grade>`; what has a problem has no grade."""
        import pandas as pd

        with tempfile.TemporaryDirectory() as name:
            files = []
            for number, text in enumerate(model_input[COLUMN]):
                files.append(Path(name) / f"{number}.image")
                try:
                    files[-1].write_bytes(base64.b64decode(text, validate=True))
                except (binascii.Error, TypeError, ValueError):
                    files[-1].write_bytes(b"")
            answers = infer(self._paths, files, Path(name))
        return pd.DataFrame(
            [
                {
                    "grade": answer.predicted[0] if answer.predicted else None,
                    "problem": answer.problem,
                    **{f"probability:{label}": value for label, value in answer.labels.items()},
                }
                for answer in answers
            ]
        )


mlflow.models.set_model(Grader())

"""What MLflow runs to load this package: the model, answered for by the code that is kept beside it.

That code is the package `tasks` in `code/`. It is imported under a name that nothing else has, so that two packages in
one process, or a package in a checkout of the repository, each run their own code; nothing is put on Python's path.
Bytecode is neither read nor written: with one file more it would not be the package that was signed.
"""

from __future__ import annotations

import builtins
import importlib
import shutil
import sys
import uuid
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel

PACKAGE = "tasks"


class PrivateCode(MetaPathFinder):
    """The package `tasks` in a folder, importable under another name."""

    def __init__(self, folder: Path) -> None:
        # Read now: the folder may be a download that is gone when a function imports something later.
        self.sources = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.py")}
        self.folder = folder
        self.name = f"{PACKAGE}_{uuid.uuid4().hex}"

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The module of that name, if it is of this package."""
        if fullname.partition(".")[0] != self.name:
            return None
        base = "/".join([PACKAGE, *fullname.split(".")[1:]])
        for file, is_package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
            if file in self.sources:
                at = str(self.folder / file)
                loader = _Loader(fullname, at, self.sources[file], self.import_here)
                # It names no folder, in which Python's own search would find modules, and run them as any others.
                spec = ModuleSpec(fullname, loader, origin=at, is_package=is_package)
                spec.has_location = True
                return spec
        return None

    def module(self, name: str) -> ModuleType:
        """The module that is called `tasks....` in the code itself."""
        return importlib.import_module(self.name + name.removeprefix(PACKAGE))

    def import_here(self, name: str, *words: Any, **named: Any) -> ModuleType:
        """What the word `import` does in the package's own modules, which have no relative imports."""
        if name.partition(".")[0] == PACKAGE:
            name = self.name + name.removeprefix(PACKAGE)
        return builtins.__import__(name, *words, **named)


class _Loader(SourceFileLoader):
    """Runs a module from its source alone, with an `import` of its own."""

    def __init__(self, fullname: str, path: str, source: bytes, import_here: Any) -> None:
        super().__init__(fullname, path)
        self._source, self._import = source, import_here

    def get_data(self, path: str) -> bytes:
        return self._source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        super().exec_module(module)


class Packaged(PythonModel):
    """A table in, a table out; `MLmodel` says of which columns."""

    def load_context(self, context: Any) -> None:
        """Load the code, and with it the model."""
        code = PrivateCode(Path(__file__).parent / "code")
        sys.meta_path.append(code)
        root = Path(context.artifacts["params"]).parent
        (task,) = code.module("tasks.common.stage.params").read_tasks(root)
        paths = code.module("tasks.common.stage.paths").TaskPaths(root, task)
        self.served = code.module("tasks.common.inference.served").Served(code.module(f"tasks.{task}.infer"), paths)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row for each row: `prediction`, `problem`, and a score for each label or what was written."""
        return self.served.predict(model_input)


if Path(__file__).with_name("MLmodel").is_file():
    # Left by MLflow's own import of this file.
    shutil.rmtree(Path(__file__).with_name("__pycache__"), ignore_errors=True)
mlflow.models.set_model(Packaged())

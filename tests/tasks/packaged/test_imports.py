"""What goes into a package is found in the source, and nothing of it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.common.packaging.imports import imports_of
from tasks.common.packaging.requirements import pinned, requirements_of
from tasks.common.stage.errors import TaskError
from tests.tasks.checkouts import REPOSITORY, TASKS

FILES = {
    "__init__.py": '"""All."""\n',
    "one/__init__.py": '"""One."""\nraise SystemExit("nothing is run")\n',
    "one/run.py": (
        "from typing import TYPE_CHECKING\nimport json\n"
        "from tasks.two.lazy import thing\nif TYPE_CHECKING:\n    import numpy\n    from tasks.two.typed import T\n"
        "def f():\n    import scipy.ndimage\n    from tasks.two import sibling, something\n"
    ),
    "two/__init__.py": '"""Two."""\n',
    "two/lazy.py": (
        "from tasks.one.run import f\nclass A:\n    def g(self):\n        try:\n            import PIL.Image as I\n"
        "        except ImportError:\n            pass\n"
    ),
    "two/sibling.py": "import os, tasks.three\n",
    "two/typed.py": "import torch\n",
    "two/unused.py": "import torch\n",
    "three.py": "from __future__ import annotations\n",
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "tasks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_imports_are_followed_wherever_they_stand_but_for_those_of_types(source):
    found = imports_of(source, ["tasks.one.run"])
    assert found.files == (
        "tasks/__init__.py",
        "tasks/one/__init__.py",
        "tasks/one/run.py",
        "tasks/three.py",
        "tasks/two/__init__.py",
        "tasks/two/lazy.py",
        "tasks/two/sibling.py",
    )
    assert set(found.others) - {"typing", "json", "os", "__future__"} == {"scipy", "PIL"}


@pytest.mark.parametrize("task", TASKS)
def test_no_stage_that_makes_data_or_trains_goes_along(task):
    files = imports_of(REPOSITORY / "src", [f"tasks.{task}.infer"]).files
    assert f"tasks/{task}/infer.py" in files
    assert not [file for file in files if f"/{task}/fetch/" in file or f"/{task}/train/" in file]
    assert not [file for file in files if file.startswith(("tasks/common/learning/", "tasks/common/sources/"))]


def test_requirements_are_pins_in_the_order_of_the_files():
    assert requirements_of(["numpy", "PIL", "torch", "keras", "os"], "torch") == [
        f"{name}=={version}"
        for name, version in pinned(
            REPOSITORY / "src/tasks/requirements.txt", REPOSITORY / "src/tasks/common/packaging/requirements.txt"
        ).items()
        if name in ("torch", "safetensors", "numpy", "pillow", "mlflow")
    ]


def test_a_line_that_pins_nothing_is_one_sentence(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("# why\nnumpy==2.4.6  # because\n\nscipy>=1\n")
    with pytest.raises(TaskError, match='"scipy>=1" is not of the form name==version; pin one version'):
        pinned(file)
    file.write_text("# why\nnumpy==2.4.6  # because\n\n")
    assert pinned(file) == {"numpy": "2.4.6"}

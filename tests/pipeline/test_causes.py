"""What is named where the packages that a stage declares differ."""

from __future__ import annotations

from pathlib import Path

from tests.support.loop import measure
from tests.support.repositories import FILES, branch, make_repository

BEFORE = "# pinned\ntorch==2.12.0\nscikit_learn==1.6 ; python_version > '3'\nruff>=0.9\nmlflow[extras]==3.1\n"


def test_packages_that_are_pinned_otherwise_are_named(tmp_path: Path) -> None:
    pipeline = FILES["dvc.yaml"].replace("deps: [train.py, data.txt]", "deps: [train.py, data.txt, env]")
    root = make_repository(tmp_path / "repository", {"dvc.yaml": pipeline, "env/requirements.txt": BEFORE})

    def causes(name: str, text: str) -> list[tuple[str, str | None, str | None]]:
        branch(root, name, {"env/requirements.txt": text})
        found = measure(root, base="HEAD~1").planned("train").causes
        assert {cause.kind for cause in found} == {"environment"}
        return [(cause.what, cause.base, cause.head) for cause in found]

    after = BEFORE.replace("2.12.0", "2.13.0+cpu").replace("scikit_learn==1.6 ;", "Scikit-Learn==1.6;")
    assert causes("torch", after) == [("env/requirements.txt: torch", "2.12.0", "2.13.0+cpu")]
    assert causes("gone", after.replace("mlflow[extras]==3.1\n", "")) == [("env/requirements.txt: mlflow", "3.1", None)]
    assert causes("comment", "# other\n" + after.replace("mlflow[extras]==3.1\n", "")) == [
        ("env/requirements.txt", None, None)
    ]
    many = causes("many", "".join(f"p{i:02}==1\n" for i in range(20)))
    assert many[0] == ("env/requirements.txt: p00", None, "1")
    assert (len(many), many[-1][0]) == (11, "and 12 more in env/requirements.txt")

"""What `tasks infer` prints and how it ends; what the models themselves answer is tested with their tasks."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tasks.cli import app
from tasks.commands.infer import answer_lines, as_object
from tasks.common.inference.result import Inferred
from tasks.common.stage.errors import TaskError
from tests.tasks.checkouts import REPOSITORY


@pytest.fixture(scope="module")
def root(finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the trained table model, and two files of rows: one good, one with a bad row."""
    made = tmp_path_factory.mktemp("infer") / "root"
    shutil.copytree(finished["svc"].root, made)
    shutil.copy(REPOSITORY / "dvc.yaml", made)
    header, *rows = (made / "data/tabular/raw/table.csv").read_text().splitlines()
    (made / "good.csv").write_text("\n".join([header, *rows[:2]]) + "\n")
    (made / "bad.csv").write_text("\n".join([header, "1,2,3", rows[2]]) + "\n")
    return made


def infer(root: Path, *words: str) -> Result:
    """As the command does it, without the seconds that its imports take in a new process."""
    with contextlib.chdir(root):
        return CliRunner().invoke(app, ["infer", *words])


def test_each_answer_has_its_labels_the_likeliest_first(root):
    done = infer(root, "tabular", "good.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    blocks = [block.splitlines() for block in done.stdout.strip().split("\n\n")]
    assert [block[0] for block in blocks] == ["good.csv, line 2", "good.csv, line 3"]
    for _, first, second in blocks:
        assert first.startswith("  * ")
        assert second.startswith("    ")
        assert {first.split()[1], second.split()[0]} == {"benign", "malignant"}
        assert float(first.split()[2]) + float(second.split()[1]) == pytest.approx(1, abs=1e-4)


def test_what_has_no_answer_is_named_after_the_others_are_answered_and_the_exit_code_is_2(root):
    done = infer(root, "tabular", "bad.csv", "good.csv", "absent.csv", "--top-k", "1")
    assert done.exit_code == 2
    assert [line for line in done.stdout.splitlines() if not line.startswith(" ") and line] == [
        "bad.csv, line 3",
        "good.csv, line 2",
        "good.csv, line 3",
    ]
    assert len([line for line in done.stdout.splitlines() if line.startswith("  *")]) == 3
    bad_row, absent = done.stderr.splitlines()
    assert bad_row.startswith("error: bad.csv, line 2: has 3 cells instead of ")
    assert absent == "error: absent.csv: does not exist."


def test_json_is_a_list_with_the_same(root):
    done = infer(root, "tabular", "bad.csv", "--json")
    assert done.exit_code == 2
    bad, good = json.loads(done.stdout)
    assert set(bad) == {"source", "problem"}
    assert good["source"] == "bad.csv, line 3"
    assert sum(good["labels"].values()) == pytest.approx(1)
    assert good["predicted"] == [max(good["labels"], key=good["labels"].get)]


def test_a_task_without_a_model_is_one_sentence(root):
    done = infer(root, "pets", "good.csv")
    assert done.stdout == ""
    assert isinstance(done.exception, TaskError)
    assert "run the stage train first" in str(done.exception)


def test_ties_keep_the_order_of_the_labels_and_what_was_written_is_named():
    answer = Inferred("a.mha", {"b": 0.25, "a": 0.5, "c": 0.25}, ("a",), written=Path("masks/a_gland.mha"))
    assert [line.split()[-3 if "*" in line else 0] for line in answer_lines(answer, 2)] == [
        "a.mha",
        "a",
        "b",
        "written:",
    ]
    assert answer_lines(answer, 2)[-1].strip() == "written: masks/a_gland.mha"
    content = as_object(answer, 2)
    assert list(content["labels"]) == ["a", "b"]
    assert content["written"] == "masks/a_gland.mha"

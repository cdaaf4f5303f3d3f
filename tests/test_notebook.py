"""docs/demo.ipynb, executed in a copy of this repository.

`python -m tests.test_notebook` executes it too, and writes what the cells print into it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.support.working_tree import REPOSITORY, copy_working_tree, environment_of

NOTEBOOK = Path("docs/demo.ipynb")
CELL_SECONDS = 600
VERDICT = re.compile(r"\*\*(Better|Worse|No measurable change)\*\*: `digits accuracy`")
# Places of one machine, whatever the machine.
PLACE = re.compile(r"/(tmp|home|root|work|Users|private|var)\b|file://")


def execute(folder: Path) -> NotebookNode:
    """The notebook with its outputs, run in a copy of this repository under `folder` by a kernel of this Python."""
    root = copy_working_tree(folder / "repository")
    kernel = folder / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel_spec = {"argv": command, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(kernel_spec), encoding="utf-8")
    settings = {
        name: str(folder / name.lower()) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    }
    notebook = nbformat.read(root / NOTEBOOK, as_version=4)
    # nbclient reads where kernels are from this process, and gives the kernel its environment.
    with _environment(environment_of(root) | settings | {"JUPYTER_PATH": str(folder / "jupyter")}):
        client = NotebookClient(
            notebook, timeout=CELL_SECONDS, coalesce_streams=True, resources={"metadata": {"path": str(root / "docs")}}
        )
        return client.execute()


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """Over a minute: it trains the network three times."""
    return execute(tmp_path_factory.mktemp("notebook"))


def cell_of(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == name)


def text_of(cell: NotebookNode) -> str:
    """All that the cell shows as text."""
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        shown.append(output.get("text") or data.get("text/markdown") or data.get("text/plain", ""))
    return "".join(shown)


def test_every_cell_does_what_it_says(executed: NotebookNode) -> None:
    shown = {cell.id: text_of(cell) for cell in executed.cells if cell.cell_type == "code"}
    failed = re.compile(r"Traceback|^error:|command not found", re.MULTILINE)
    assert {name: text for name, text in shown.items() if failed.search(text)} == {}
    assert re.search(r"^digits +Handwritten digits", shown["clone"], re.MULTILINE)
    assert "# Passes over the training split" in shown["params"]
    assert "digits.train.dropout" in shown["plan"]
    assert shown["run"].startswith("exit code 0\n")
    assert "prepare@digits" in shown["dag"]
    assert shown["repro"].count("is cached - skipping run") == 4
    assert re.search(r"^results/digits/metrics.json +0\.9[6-9]", shown["repro"], re.MULTILINE)
    assert re.search(r"\b7\b.*\b(9\d|100)", shown["infer"])
    assert "epoch 2 of 2" in shown["train"]


def test_the_comment_has_the_verdict_and_the_gate_stops_the_regression(executed: NotebookNode) -> None:
    verdict = VERDICT.search(text_of(cell_of(executed, "comment")))
    assert verdict
    assert re.search(rf"^{verdict[1]}: digits accuracy", text_of(cell_of(executed, "run")), re.MULTILINE)
    assert text_of(cell_of(executed, "comparison")).startswith(f"{verdict[1].lower()}, gate open: ")
    assert "image/png" in cell_of(executed, "picture").outputs[-1].data
    regression = text_of(cell_of(executed, "regression"))
    assert regression.startswith("exit code 1\n")
    assert re.search(r"^Worse: digits accuracy", regression, re.MULTILINE)
    assert re.search(r"^Gate: FAIL", regression, re.MULTILINE)
    # Base was trained for the first verdict.
    assert "head: train@digits runs" in regression
    assert "base: train@digits runs" not in regression


def test_what_readers_see_is_what_the_cells_say(executed: NotebookNode) -> None:
    stored = nbformat.read(REPOSITORY / NOTEBOOK, as_version=4)
    for cell in executed.cells:
        if cell.cell_type == "code":
            kept = cell_of(stored, cell.id)
            assert (kept.source, kept.execution_count) == (cell.source, cell.execution_count)
            assert bool(text_of(kept)) == bool(text_of(cell)), f"{cell.id}: run python -m tests.test_notebook"
    for name, pattern in (("comment", VERDICT), ("regression", re.compile("^(Worse|Gate).*", re.MULTILINE))):
        assert _words(pattern, cell_of(stored, name)) == _words(pattern, cell_of(executed, name))
    text = (REPOSITORY / NOTEBOOK).read_text(encoding="utf-8")
    assert not PLACE.search(text)
    assert "image/png" not in text


def clean(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the text that its cells show, and without pictures and the times of this run."""
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if "image/png" not in output.get("data", {})]
    return notebook


def _words(pattern: re.Pattern[str], cell: NotebookNode) -> list[str]:
    """What the pattern finds, without numbers: processors differ."""
    return [re.sub(r"[\d.]+", "N", found[0]) for found in pattern.finditer(text_of(cell))]


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        nbformat.write(clean(execute(Path(scratch))), REPOSITORY / NOTEBOOK)

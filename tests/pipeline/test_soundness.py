"""What cannot be run is said before anything runs, in DVC's words; what DVC would run is not refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.exceptions import DvcException

from pawl.errors import InputError
from pawl.pipeline.project import open_project
from pawl.pipeline.soundness import check_pipeline

A = "  a: {cmd: make a, deps: [data], outs: [out/a]}\n"
PIPELINES = {
    "sound": A + "  b: {cmd: make b, deps: [out/a], outs: [out/b]}\n",
    "reads a folder around outputs": A + "  b: {cmd: make b, deps: [out], outs: [other]}\n",
    "names that only look alike": A + "  b: {cmd: make b, deps: [out/a], outs: [out/a.b, out/ab]}\n",
    "the same output twice": A + "  b: {cmd: make b, deps: [other], outs: [out/a]}\n",
    "an output in another": A + "  b: {cmd: make b, deps: [other], outs: [out]}\n",
    "an output around another": "  b: {cmd: make b, deps: [other], outs: [out]}\n" + A,
    "a folder of stages that are not looked for": A + "  b: {cmd: make b, deps: [other], outs: [inner]}\n",
}
REFUSED = {"the same output twice", "an output in another", "an output around another"}


@pytest.mark.parametrize("what", PIPELINES)
def test_refused_is_what_dvc_refuses(what: str, tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n" + PIPELINES[what])
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "dvc.yaml").write_text("stages:\n  c: {cmd: make c, deps: [d], outs: [e]}\n")
    project = open_project(tmp_path)
    if what in REFUSED:
        with pytest.raises(InputError, match="DVC cannot run the pipeline"):
            check_pipeline(project)
        with pytest.raises(DvcException):
            open_project(tmp_path).repo.index.check_graph()
    else:
        check_pipeline(project)
        project.repo.index.check_graph()


def test_a_circle_through_data_that_was_imported_is_found(tmp_path: Path) -> None:
    """A `.dvc` file can read what a stage makes, and be read by it."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n  a: {cmd: make a, deps: [data], outs: [out]}\n")
    (tmp_path / "data.dvc").write_text("deps:\n- path: out\nouts:\n- path: data\n")
    with pytest.raises(InputError, match="DVC cannot run the pipeline"):
        check_pipeline(open_project(tmp_path))


def test_an_output_that_holds_stages_is_found(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    for folder, out in (("inner", "../e"), ("later", "../inner")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "dvc.yaml").write_text(f"stages:\n  c: {{cmd: make c, deps: [d], outs: [{out}]}}\n")
    with pytest.raises(InputError, match="DVC cannot run the pipeline"):
        check_pipeline(open_project(tmp_path))

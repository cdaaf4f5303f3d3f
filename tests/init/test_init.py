"""`pawl init` in a real DVC repository: what it writes, what it leaves, and that pawl runs with it."""

from __future__ import annotations

import json
import re
import shutil
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pawl.config import load_config
from pawl.doctor.requirements import normal, read_pins, unmet
from pawl.errors import InputError
from pawl.init.begin import begin
from pawl.init.outcome import PlacedFile, Setup
from pawl.init.placing import create
from pawl.init.shipped import for_branch, own_checkout, shipped_files
from tests.support.repositories import PIPELINE, commit, dvc, git, make_repository, pawl, write

WORKFLOW = ".github/workflows/continuous-training.yml"
SOURCE = Path(__file__).parents[2]


def of(setup: Setup, path: str) -> PlacedFile:
    return next(file for file in setup.files if file.path == path)


def tree(root: Path) -> dict[str, bytes]:
    """Every file but git's own and what DVC notes for itself, with its content."""
    found = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()]
    names = [path.as_posix() for path in found if path.parts[0] != ".git" and path.parts[:2] != (".dvc", "tmp")]
    assert names
    return {name: (root / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_repository(tmp_path_factory.mktemp("template") / "repository")
    dvc(root, "repro", "--quiet")
    commit(root, "Results")
    return root


@pytest.fixture
def reproduced(tmp_path: Path, template: Path) -> Path:
    """With the results of its stages, as a team's checkout has them."""
    return Path(shutil.copytree(template, tmp_path / "repository"))


def test_from_nothing_to_a_run_that_the_gate_judges(reproduced: Path) -> None:
    done = pawl(reproduced, "init")
    assert done.returncode == 0, done.stderr
    assert "metrics.json:accuracy: higher is better (guessed), proposed as primary" in done.stdout
    assert "metrics.json:loss: lower is better (guessed)" in done.stdout
    commit(reproduced, "Bring in pawl")
    git(reproduced, "checkout", "--quiet", "-b", "slower")
    commit(reproduced, "Slower", {"params.yaml": "train:\n  rate: 0.5\n"})
    run = pawl(reproduced, "run", "--no-pictures", "--json")
    comparison = json.loads(run.stdout)
    assert (run.returncode, comparison["verdict"], comparison["gate_passed"]) == (1, "worse", False)
    judged = {metric["key"]: (metric["direction"], metric["primary"]) for metric in comparison["metrics"]}
    assert judged == {"accuracy": ("higher", True), "loss": ("lower", False)}


def test_everything_that_pawl_ships_is_there_and_nothing_else(reproduced: Path) -> None:
    own = {
        path.relative_to(SOURCE).as_posix(): path.read_bytes()
        for folder in (".github/workflows", ".github/actions", "src/pawl")
        for path in (SOURCE / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert WORKFLOW in own
    before = tree(reproduced)
    begin(reproduced, check=False)
    after = tree(reproduced)
    new = {name: content for name, content in after.items() if name not in before}
    rest = {"pawl.yaml", ".gitattributes", "requirements.txt", "requirements-pawl.txt"}
    # What the workflows install beside requirements.txt.
    also = {name for name in new if re.fullmatch(r"requirements-[a-z]+\.txt", name)} - rest
    assert {"requirements-report.txt"} <= also
    assert {name: new[name] for name in also} == {name: (SOURCE / name).read_bytes() for name in also}
    assert {name: new[name] for name in own} == own
    assert set(new) == set(own) | rest | also
    assert {name for name in before if after[name] != before[name]} == set()


def test_a_second_time_nothing_is_left_to_do(reproduced: Path) -> None:
    begin(reproduced, check=False)
    before = tree(reproduced)
    again = begin(reproduced, check=False)
    assert tree(reproduced) == before
    assert not any(file.written for file in again.files)
    assert begin(reproduced, check=True).drifted == []
    assert pawl(reproduced, "init", "--check").returncode == 0


def test_check_changes_nothing_and_tells_all(reproduced: Path) -> None:
    before = tree(reproduced)
    done = pawl(reproduced, "init", "--check", "--json")
    assert done.returncode == 1
    assert tree(reproduced) == before
    told = Setup.model_validate_json(done.stdout)
    assert of(told, WORKFLOW).state == "missing"
    assert of(told, ".gitattributes").difference == "+dvc.lock -merge\n"
    assert len(told.drifted) > 50


def test_what_is_there_is_left_and_its_difference_shown(reproduced: Path) -> None:
    begin(reproduced, check=False)
    file = reproduced / WORKFLOW
    changed = file.read_text().replace("name: continuous training", "name: ours")
    file.write_text(changed)
    (reproduced / "pawl.yaml").write_text("base: main\n")
    done = pawl(reproduced, "init")
    assert done.returncode == 0
    assert file.read_text() == changed
    assert "-name: ours\n+name: continuous training" in done.stdout
    assert (reproduced / "pawl.yaml").read_text() == "base: main\n"
    checked = begin(reproduced, check=True)
    assert [file.path for file in checked.drifted] == [WORKFLOW]
    assert of(checked, "pawl.yaml").state == "yours"


def test_an_invalid_pawl_yaml_is_drift(reproduced: Path) -> None:
    begin(reproduced, check=False)
    (reproduced / "pawl.yaml").write_text("bsae: main\n")
    [drifted] = begin(reproduced, check=True).drifted
    assert (drifted.path, "did you mean" in drifted.note) == ("pawl.yaml", True)


@pytest.mark.parametrize("there", ["*.png binary", "*.png binary\n", "* merge\n", ""])
def test_the_line_is_added_to_attributes_that_are_there(reproduced: Path, there: str) -> None:
    file = reproduced / ".gitattributes"
    file.write_text(there)
    assert of(begin(reproduced, check=False), ".gitattributes").written
    kept = there + ("" if not there or there.endswith("\n") else "\n")
    assert file.read_text() == f"{kept}dvc.lock -merge\n"
    assert git(reproduced, "check-attr", "merge", "dvc.lock").endswith("unset")
    begin(reproduced, check=False)
    assert file.read_text().count("dvc.lock") == 1


def test_ignored_folders_are_added_where_a_repository_ignores_folders(reproduced: Path) -> None:
    (reproduced / ".gitignore").write_text("*.log\nreports")
    begin(reproduced, check=False)
    assert (reproduced / ".gitignore").read_text() == "*.log\nreports\n/.pawl/\n"
    (reproduced / ".gitignore").unlink()
    begin(reproduced, check=False)
    assert not (reproduced / ".gitignore").exists()


def test_reports_that_are_in_git_are_not_ignored(reproduced: Path) -> None:
    commit(reproduced, "Reports", {"reports/paper.txt": "x", ".gitignore": "*.log\n"})
    setup = begin(reproduced, check=False)
    assert (reproduced / ".gitignore").read_text() == "*.log\n/.pawl/\n"
    assert any("reports/ has files in git" in note for note in setup.notes)


def test_requirements_of_ones_own_are_left_and_what_they_lack_is_said(reproduced: Path) -> None:
    (reproduced / "requirements.txt").write_text("numpy==2.4.6\n")
    setup = begin(reproduced, check=False)
    assert (reproduced / "requirements.txt").read_text() == "numpy==2.4.6\n"
    assert of(setup, "requirements.txt").state == "lacks"
    assert "add `-r requirements-pawl.txt`" in of(setup, "requirements.txt").note
    (reproduced / "requirements.txt").write_text("numpy==2.4.6\n-r requirements-pawl.txt\n")
    assert begin(reproduced, check=True).drifted == []


def test_the_pins_are_all_that_pawl_leads_to_and_agree_with_its_own(reproduced: Path) -> None:
    begin(reproduced, check=False)
    pins = read_pins(reproduced / "requirements.txt")
    # Of site-packages alone: setuptools, once imported, puts what it carries along on the path.
    found = metadata.distributions(path=[sysconfig.get_path("purelib")])
    installed = {normal(one.name): one.version for one in found}
    assert unmet(pins, installed) == []
    names = {pin.name for pin in pins}
    for pin in pins:
        for needed in map(Requirement, metadata.requires(pin.name) or []):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert normal(needed.name) in names, f"{pin.name} needs {needed}"
    text = (reproduced / "requirements-pawl.txt").read_text()
    for name in ("dvc[gs]==", "dvc-gs==", "gcsfs==", "mlflow==", "pydantic_core==", "typer=="):
        assert name.lower().replace("_", "-") in text.lower().replace("_", "-")
    assert "tensorflow" not in text
    assert "\ntorch" not in text


def test_another_main_branch_is_used_everywhere(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r")
    git(root, "branch", "--move", "trunk")
    setup = begin(root, check=False)
    assert load_config(root).base == "trunk"
    assert 'branches: ["trunk"]' in (root / WORKFLOW).read_text()
    assert any("trunk" in note for note in setup.notes)
    assert begin(root, check=True).drifted == []


def test_a_branch_name_cannot_add_to_the_workflow() -> None:
    text = (SOURCE / WORKFLOW).read_text()
    changed = for_branch(text, 'a"]\n  schedule: [')
    assert len(changed.splitlines()) == len(text.splitlines())


def test_without_metrics_there_is_no_rule_and_a_word_about_it(repository: Path) -> None:
    setup = begin(repository, check=False)
    assert load_config(repository).metrics == {}
    assert any("dvc repro" in note for note in setup.notes)


def test_metrics_that_only_dvcs_cache_has_are_read(reproduced: Path) -> None:
    (reproduced / "metrics.json").unlink()
    assert [guess.key for guess in begin(reproduced, check=True).guesses] == ["accuracy", "loss"]


def test_a_project_in_a_folder(tmp_path: Path) -> None:
    top = tmp_path / "r"
    make_repository(top / "model")
    (top / "model" / ".git").rename(top / ".git")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "Move")
    setup = begin(top / "model", check=False)
    assert (top / "model" / "pawl.yaml").exists()
    assert (top / WORKFLOW).exists()
    assert not (top / "pawl.yaml").exists()
    assert any("-C model" in note for note in setup.notes)
    assert git(top, "check-attr", "merge", "model/dvc.lock").endswith("unset")


def test_uncommitted_work_is_left_alone_and_named(reproduced: Path) -> None:
    write(reproduced, {"train.py": "# mine\n"})
    setup = begin(reproduced, check=False)
    assert (reproduced / "train.py").read_text() == "# mine\n"
    assert any("train.py" in note for note in setup.notes)


def test_nothing_is_written_out_of_the_checkout(reproduced: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (reproduced / ".github").symlink_to(outside)
    (reproduced / ".gitattributes").symlink_to(outside / "attributes")
    done = pawl(reproduced, "init")
    assert done.returncode == 1
    assert list(outside.iterdir()) == []
    assert "symbolic link out of the checkout" in done.stdout
    assert (reproduced / ".gitattributes").is_symlink()
    assert (reproduced / "pawl.yaml").exists()


def test_a_file_where_a_folder_has_to_be(reproduced: Path) -> None:
    (reproduced / "src").write_text("x")
    blocked = [file for file in begin(reproduced, check=False).files if file.state == "blocked"]
    assert all("src is a file" in file.note for file in blocked)
    assert len(blocked) > 50


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("theirs")
    with pytest.raises(InputError, match="cannot be written"):
        create(tmp_path, "there", b"ours")
    assert (tmp_path / "there").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]


def test_where_there_is_nothing_to_bring_pawl_into(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="git"):
        begin(tmp_path, check=False)
    git(tmp_path, "init", "--quiet")
    with pytest.raises(InputError, match="dvc init"):
        begin(tmp_path, check=False)
    root = make_repository(tmp_path / "r", {"dvc.yaml": "stages: {}\n"})
    before = tree(root)
    with pytest.raises(InputError, match="dvc stage add"):
        begin(root, check=False)
    assert tree(root) == before
    broken = make_repository(tmp_path / "broken", {"dvc.yaml": PIPELINE.replace("stages:", "stages")})
    assert pawl(broken, "init").returncode == 2


def test_a_copy_taken_over_says_where_to_run_init_from(reproduced: Path) -> None:
    begin(reproduced, check=False)
    done = pawl(reproduced, "init", "--check", env={"PYTHONPATH": str(reproduced / "src")})
    assert done.returncode == 2
    assert "clone pawl's own repository" in done.stderr


def test_what_is_shipped_is_every_file_of_the_folders() -> None:
    files = shipped_files(own_checkout(), "main")
    assert files[WORKFLOW] == (SOURCE / WORKFLOW).read_bytes()
    assert "src/pawl/report/templates/report.html" in files or any("templates/" in name for name in files)
    assert not any("__pycache__" in name for name in files)

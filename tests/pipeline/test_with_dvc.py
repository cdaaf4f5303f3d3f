"""pawl and DVC in one workspace: what one of them made, the other takes for made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.loop import measure
from tests.support.repositories import branch, commit, dvc, git, make_repository, pawl, write

# A part of a folder as dependency, a stage with its own folder and parameter file, several commands, data behind a
# .dvc file, an output kept in git, a shell variable, a second dvc.yaml.
FILES = {
    "dvc.yaml": """
stages:
  split:
    cmd:
      - mkdir -p parts/deep
      - echo "$DVC_STAGE" > parts/name.txt
      - cp data.txt parts/deep/rows.txt
    deps: [data.txt]
    outs: [parts]
  count:
    wdir: counting
    cmd: python count.py
    deps: [count.py, ../parts/deep]
    params:
      - settings.yaml: [weights.first, weights.second, weights.odd]
    metrics:
      - total.json: {cache: false}
""",
    "counting/count.py": """
import json, pathlib, yaml
weights = yaml.safe_load(open("settings.yaml"))["weights"]
words = len(pathlib.Path("../parts/deep/rows.txt").read_text().split())
json.dump({"total": words * weights["first"] + weights["second"]}, open("total.json", "w"))
""",
    "counting/settings.yaml": "weights: {first: 0.1, second: 0x10, odd: 1e-7}\n",
    "more/dvc.yaml": """
stages:
  copy:
    cmd: cp ../parts/name.txt name.txt
    deps: [../parts/name.txt]
    outs: [name.txt]
""",
    ".gitignore": "/parts\n/more/name.txt\n/reports\n.pawl\n/data.txt\n",
}


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    """A repository with most of what DVC pipelines can have."""
    root = make_repository(tmp_path / "repository", {"data.txt": "a b c d\n"})
    for name in ("train.py", "evaluate.py", "params.yaml"):
        (root / name).unlink()
    write(root, FILES)
    commit(root, "another pipeline, the data still in git")
    git(root, "rm", "--quiet", "--cached", "data.txt")
    dvc(root, "add", "data.txt")
    commit(root, "the data in DVC")
    return root


STAGES = ["head:split", "head:count", "head:more/dvc.yaml:copy"]


def test_dvc_takes_what_pawl_made_for_up_to_date(rich: Path) -> None:
    assert sorted(measure(rich, everything=True).trained()) == sorted(STAGES)
    assert "up to date" in dvc(rich, "status")
    assert "up to date" in dvc(rich, "repro", "--all-pipelines")
    assert (rich / "parts" / "name.txt").read_text() == "split\n"


def test_pawl_takes_what_dvc_made_for_made(rich: Path) -> None:
    dvc(rich, "repro", "--all-pipelines")
    lock = (rich / "dvc.lock").read_bytes()
    measured = measure(rich, everything=True)
    assert measured.trained() == []
    assert (rich / "dvc.lock").read_bytes() == lock


def test_dvc_restores_by_the_key_that_pawl_filed_it_under(rich: Path) -> None:
    measure(rich, everything=True)
    (rich / "dvc.lock").unlink()
    (rich / "counting" / "total.json").unlink()
    said = dvc(rich, "repro", "count")
    assert said.count("is cached - skipping run") == 2


def test_base_is_the_same_from_every_folder(rich: Path) -> None:
    branch(rich, "heavier", {"counting/settings.yaml": "weights: {first: 0.5, second: 16, odd: 1e-7}\n"})
    done = pawl(rich / "counting", "run", "--no-pictures")
    assert done.returncode == 0, done.stderr
    assert "total" in done.stdout
    assert "16.4" in done.stdout
    assert "18" in done.stdout
    assert (rich / "reports" / "report.md").exists()

"""Training main with other seeds: through the same stages, nothing twice, and nothing that is no luck of training."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pawl.config import load_config
from pawl.errors import InputError
from pawl.noise.measure import measure_noise
from pawl.noise.spread import read_noise, write_noise
from pawl.pipeline.plan import look_over
from pawl.pipeline.project import open_project
from pawl.pipeline.remote import Remote
from pawl.schema import Noise
from tests.pipeline.dag import wait_for
from tests.support.loop import measure
from tests.support.repositories import branch, commit, git, make_repository, pawl

# Each stage leaves its name in a log beside the repository, wherever its checkout is.
LOG = "import os, pathlib, random, sys, time, yaml\nopen(os.environ['RUNS'], 'a').write(sys.argv[1] + '\\n')\n"
LOG += "params = yaml.safe_load(open('params.yaml'))\n"
SPLIT = LOG + "pathlib.Path('test.txt').write_text(str(params['prepare']['seed']))\n"
TRAIN = LOG + "pathlib.Path('model.txt').write_text(repr(random.Random(params['train']['seed']).random()))\n"
EVALUATE = LOG + "value = pathlib.Path('model.txt').read_text()\n"
EVALUATE += "pathlib.Path('metrics.json').write_text('{\"accuracy\": ' + value + ', \"name\": \"x\"}')\n"
PIPELINE = """
stages:
  split:
    cmd: python split.py split
    deps: [split.py]
    params: [prepare]
    outs: [test.txt]
    metrics: [data.json]
  train:
    cmd: python train.py train
    deps: [train.py, test.txt]
    params: [train]
    outs: [model.txt]
  evaluate:
    cmd: python evaluate.py evaluate
    deps: [evaluate.py, model.txt, test.txt]
    metrics: [metrics.json]
"""
FILES = {
    "split.py": SPLIT + "pathlib.Path('data.json').write_text('{\"rows\": 3}')\n",
    "train.py": TRAIN,
    "evaluate.py": EVALUATE,
    "dvc.yaml": PIPELINE,
    "params.yaml": "prepare: {seed: 1}\ntrain:\n  # Of weights.\n  seed: 1\n",
}


def value_of(seed: int) -> float:
    """The accuracy that the training ends with."""
    return random.Random(seed).random()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNS", str(tmp_path / "runs.log"))
    return tmp_path / "runs.log"


@pytest.fixture
def root(tmp_path: Path, log: Path) -> Path:
    return repository(tmp_path)


def repository(tmp_path: Path, files: Mapping[str, str] = {}) -> Path:
    return make_repository(tmp_path / "repository", FILES | files)


def runs(log: Path) -> dict[str, int]:
    names = log.read_text().split() if log.exists() else []
    return {name: names.count(name) for name in sorted(set(names))}


def noise(root: Path, seeds: int, said: list[str] | None = None, jobs: int = 2) -> Noise:
    return measure_noise(root, load_config(root), seeds, (said if said is not None else []).append, jobs=jobs)


def test_other_seeds_are_trained_once_and_what_they_do_not_reach_is_shared(root: Path, log: Path) -> None:
    said: list[str] = []
    found = noise(root, 2, said)
    assert runs(log) == {"evaluate": 3, "split": 1, "train": 3}
    assert [run.seeds for run in found.runs] == [{"params.yaml:train.seed": seed} for seed in (1, 1001, 1002)]
    (metric,) = found.metrics
    values = [value_of(seed) for seed in (1, 1001, 1002)]
    assert (metric.path, metric.key, metric.stage, list(metric.values)) == (
        "metrics.json",
        "accuracy",
        "evaluate",
        values,
    )
    assert metric.standard_deviation == pytest.approx(statistics.stdev(values))
    assert found.commit == git(root, "rev-parse", "main")
    assert "seed 2 done (3 of 3 trainings)" in said or "seed 1 done (3 of 3 trainings)" in said
    more = noise(root, 3)
    assert runs(log) == {"evaluate": 4, "split": 1, "train": 4}
    assert more.metrics[0].values[:3] == metric.values
    assert noise(root, 2) == found
    assert git(root, "status", "--porcelain") == ""
    assert [path.name for path in (root / ".pawl" / "noise").iterdir()] == ["logs"]


def test_one_after_the_other_gives_the_same(root: Path, log: Path) -> None:
    together = noise(root, 2, jobs=4)
    assert noise(root, 2, jobs=1) == together


def test_bases_results_are_used_and_the_noise_helps_the_next_run(root: Path, log: Path) -> None:
    measure(root, everything=True)
    noise(root, 1)
    assert runs(log) == {"evaluate": 2, "split": 1, "train": 2}
    branch(root, "lucky", {"params.yaml": FILES["params.yaml"].replace("seed: 1\n", "seed: 1001\n")})
    measured = measure(root)
    assert measured.trained() == [], "somebody's lucky seed is on record already"
    head, base = measured.result("train"), measured.result("train", "base")
    assert head is not None
    assert base is not None
    assert base.origin is not None
    assert (head.origin, base.origin.commit) == (None, measured.plan.base.commit), "no commit had that seed"


def test_a_branch_measures_where_it_left_main(root: Path, log: Path) -> None:
    left = git(root, "rev-parse", "HEAD")
    branch(root, "feature", {"train.py": "raise SystemExit(1)\n"})
    found = noise(root, 1)
    assert (found.commit, len(found.metrics)) == (left, 1)


def test_a_seed_that_fails_is_said_and_left_out(tmp_path: Path, log: Path) -> None:
    failing = TRAIN + "assert params['train']['seed'] != 1001, 'an unlucky number'\n"
    root = repository(tmp_path, {"train.py": failing})
    said: list[str] = []
    (metric,) = noise(root, 2, said).metrics
    assert metric.values == (value_of(1), None, value_of(1002))
    assert metric.count == 2
    assert "seed 1: evaluate has no result and is left out of the spread" in said
    assert "an unlucky number" in (root / ".pawl" / "noise" / "logs" / "seed_1-train.log").read_text()
    assert noise(root, 1).metrics == ()


def test_a_seed_that_reaches_the_test_set_is_named_before_anything_is_trained(tmp_path: Path, log: Path) -> None:
    root = repository(tmp_path, {"pawl.yaml": "noise: {seeds: ['*:*.seed']}\n"})
    with pytest.raises(InputError, match=r"^params\.yaml:prepare\.seed reaches evaluate not only through the model"):
        noise(root, 2)
    assert runs(log) == {}
    assert not [path for path in (root / ".pawl" / "noise").iterdir() if path.name != "logs"]


def test_a_script_that_splits_by_its_seed_is_found_out_by_its_predictions(tmp_path: Path, log: Path) -> None:
    """It trains and measures in one, so only the examples tell."""
    script = LOG + "import pyarrow as pa, pyarrow.parquet as pq\nseed = params['train']['seed']\n"
    script += "pathlib.Path('metrics.json').write_text('{\"accuracy\": 1}')\n"
    script += "pq.write_table(pa.table({'id': IDS}), 'predictions.parquet')\n"
    pipeline = """
stages:
  all:
    cmd: python train.py all
    deps: [train.py]
    params: [train, prepare]
    outs: [predictions.parquet]
    metrics: [metrics.json]
"""
    for ids, fine in (("['x', 'y'][:: 1 if seed == 1 else -1]", True), ("['x', f'y{seed}']", False)):
        files = {"train.py": script.replace("IDS", ids), "dvc.yaml": pipeline}
        root = make_repository(tmp_path / f"repository{fine}", FILES | files)
        if fine:
            assert noise(root, 1).metrics[0].standard_deviation == 0
        else:
            with pytest.raises(InputError, match=r"predictions\.parquet is about other examples .*params\.yaml:train"):
                noise(root, 1)


def test_seeds_that_reach_no_metric_are_named(tmp_path: Path, log: Path) -> None:
    without = PIPELINE.replace("deps: [evaluate.py, model.txt, test.txt]", "deps: [evaluate.py, test.txt]")
    root = repository(tmp_path, {"dvc.yaml": without})
    with pytest.raises(InputError, match=r"no metric follows from params\.yaml:train\.seed"):
        noise(root, 1)


def test_the_file_names_the_recipe_of_what_it_measured(root: Path, log: Path) -> None:
    config = load_config(root)
    write_noise(root, config, noise(root, 1))
    first = (root / "noise.json").read_bytes()
    commit(root, "the noise and a document", {"README.md": "hello\n"})

    def is_current() -> bool:
        found = read_noise(root, config)
        assert found is not None
        project = open_project(root)
        return found.metrics[0].recipe_key == look_over(project, Remote(project))["evaluate"].recipe_key

    assert is_current()
    commit(root, "another training", {"train.py": TRAIN + "# more\n"})
    assert not is_current()
    write_noise(root, config, measure_noise(root, config, 1, lambda _: None, base="HEAD~2"))
    assert (root / "noise.json").read_bytes() == first


def test_the_command_writes_the_file_and_says_what_to_do_with_it(tmp_path: Path, log: Path) -> None:
    root = repository(tmp_path)
    done = pawl(root, "noise", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert "metrics.json:accuracy" in done.stdout
    assert f"wrote {root / 'noise.json'}: commit it on main" in done.stderr
    as_json = pawl(root, "noise", "--seeds", "1", "--json")
    assert as_json.stdout == (root / "noise.json").read_text()
    assert Noise.model_validate_json(as_json.stdout).metrics[0].count == 2
    commit(root, "fails", {"train.py": "raise SystemExit(1)\n"})
    failed = pawl(root, "noise", "--seeds", "1")
    assert (failed.returncode, failed.stdout) == (3, "")
    assert "fewer than 2 trainings ended well" in failed.stderr
    assert "accuracy" in (root / "noise.json").read_text(), "the last good one stays"


def test_an_interrupt_keeps_what_was_complete(tmp_path: Path, log: Path) -> None:
    pids = tmp_path / "pid"
    hang = f"open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    hanging = TRAIN + f"if params['train']['seed'] == 1002: {hang}\n"
    root = repository(tmp_path, {"train.py": hanging})
    process = subprocess.Popen(
        [sys.executable, "-m", "pawl", "noise", "--seeds", "2", "--jobs", "1"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        stderr=subprocess.PIPE,
        text=True,
        # Started in the background of a shell without a terminal, the tests ignore it, and so would pawl.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for(lambda: pids.exists() and pids.read_text())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.terminate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not (root / "noise.json").exists()
    assert [path.name for path in (root / ".pawl" / "noise").iterdir()] == ["logs"]
    assert runs(log) == {"evaluate": 2, "split": 1, "train": 3}
    noise(root, 1)
    assert runs(log) == {"evaluate": 2, "split": 1, "train": 3}
    json.loads((root / ".pawl" / "lock").read_text())

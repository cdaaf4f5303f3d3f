"""Real searches on the table, a process a trial where that is what is tested, and what they leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.common.model.card import read_card
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tasks.tune.results import importances, to_json, to_markdown, write_results
from tasks.tune.space import (
    with_values,
)
from tasks.tune.study import Search, Trial, best_of, list_trials, load_study, run_search
from tasks.tune.write_params import write_values
from tests.tasks.checkouts import REPOSITORY, change_params
from tests.tasks.tune.studies import SPACE, files_in, numbers, search_in, tasks, tune_block


@pytest.fixture(scope="module")
def searched(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """A study of 12 trials, in two runs of the search: about 5 s."""
    root = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("searched") / "root"))
    before = files_in(root)
    search = search_in(root)
    first = run_search(search, 4, None, 2, "inline")
    assert numbers(first) == [0, 1, 2, 3]
    done = {path: path.stat().st_mtime_ns for path in search.folder.rglob("done.json")}
    assert len(done) == 4
    again = search_in(root)
    assert again.folder == search.folder
    assert numbers(run_search(again, 12, None, 2, "inline")) == list(range(12))
    assert {path: path.stat().st_mtime_ns for path in done} == done
    # Nothing but the study's own folder was touched: no model, no result, no parameter.
    assert files_in(root) == before
    return search


def test_the_search_is_better_than_a_bad_start_which_is_its_first_trial(searched):
    trials = list_trials(searched, load_study(searched))
    assert trials[0].values == {"train.C": 0.0002, "train.select_columns": 2, "train.model": "logistic_regression"}
    best = best_of(searched, trials)
    assert best is not None
    assert best.value is not None
    assert best.value < trials[0].value / 3
    assert best.value == min(trial.value for trial in trials)


def test_the_values_of_the_best_trial_train_to_what_the_trial_measured(searched, tmp_path):
    root = Path(shutil.copytree(searched.root, tmp_path / "root", ignore=shutil.ignore_patterns(".tune")))
    best = best_of(searched, list_trials(searched, load_study(searched)))
    assert best is not None
    write_values(root, {f"tabular.{key}": value for key, value in best.values.items()})
    run_stage("train", "tabular", root)
    card = read_card(TaskPaths(root, "tabular").model, "tabular")
    assert card.validation["loss"] == best.value
    assert card.params == with_values(searched.block, best.values)


def test_a_study_that_has_its_trials_runs_nothing(searched):
    before = {path: path.stat().st_mtime_ns for path in searched.folder.rglob("*.json")}
    assert len(run_search(searched, 5, None, 2)) == 12
    assert {path: path.stat().st_mtime_ns for path in searched.folder.rglob("*.json")} == before


def test_no_trial_keeps_its_model(searched):
    kept = {path.name for path in (searched.folder / "trials").rglob("*") if path.is_file()}
    assert kept == {"task.json", "done.json", "result.json"}


def test_git_ignores_the_studies(searched):
    subprocess.run(["git", "init", "-q"], cwd=searched.root, check=True)
    status = subprocess.run(
        ["git", "status", "--short", "-uall"], cwd=searched.root, capture_output=True, text=True, check=True
    )
    assert ".tune" not in status.stdout
    assert "params.yaml" in status.stdout


def test_the_results_are_a_table_best_first_and_two_pictures(searched):
    trials = list_trials(searched, load_study(searched))
    failed = Trial(12, trials[0].values, None, "it | diverged")
    lines = to_markdown(searched, [*trials, failed]).splitlines()
    assert lines[0] == f"| trial | val/loss | {' | '.join(searched.tune.space)} |"
    values = [float(line.split("|")[2]) for line in lines[2:-1]]
    assert values == sorted(values)
    assert "failed: it / diverged" in lines[-1]
    table, png, svg = write_results(searched, trials)
    assert table.read_text() == to_markdown(searched, trials)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "val/loss of each trial" in svg.read_text()
    content = to_json(searched, trials)
    assert content["best"] == content["trials"][content["best"]["number"]]


def test_the_importances_are_shares_and_only_told_of_enough_trials(searched):
    trials = list_trials(searched, load_study(searched))
    shares = importances(searched, trials)
    assert set(shares) == set(SPACE)
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(searched, trials[:9]) == {}


def test_the_command_changes_params_only_when_asked_and_only_the_lines_of_the_best_values(searched, tmp_path):
    root = Path(shutil.copytree(searched.root, tmp_path / "root"))
    text = (root / "params.yaml").read_text()
    done = tasks(root, "tune", "tabular", "--trials", "12", "--json")
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)["best"]["values"]
    assert (root / "params.yaml").read_text() == text
    done = tasks(root, "tune", "tabular", "--trials", "12", "--write")
    assert done.returncode == 0, done.stderr
    others = ["tabular.train.model"] if best["train.model"] != "logistic_regression" else []
    said = ", ".join(["tabular.train.C", *others, "tabular.train.select_columns"])
    assert done.stderr.endswith(f"tune tabular: params.yaml: {said} set\n")
    old, new = text.splitlines(), (root / "params.yaml").read_text().splitlines()
    changed = [b.strip() for a, b in zip(old, new, strict=True) if a != b]
    assert f"C: {best['train.C']}" in changed
    assert f"select_columns: {best['train.select_columns']}" in changed
    assert len(changed) == 2 + len(others)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)


def test_interrupted_it_keeps_what_is_done_and_goes_on_from_there(root):
    """About 12 s: a search is interrupted in its second trial, and brought to two trials then."""
    space = {"train.epochs": {"choices": [2, 10_000]}}
    change_params(root, {"tabular.tune": tune_block(space), "tabular.train.model": "mlp", "tabular.train.epochs": 2})
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "tasks", "tune", "tabular", "--trials", "9"]
    process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
    study = root / ".tune" / "tabular"
    # The sampler is free to try the 2 epochs again: it is interrupted wherever it is then.
    wait_until(lambda: len(list(study.glob("*/trials/*/done.json"))) >= 1 and _is_at_work(study))
    process.send_signal(signal.SIGINT)
    table, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "| 0 |" in table
    kept = len(list(study.glob("*/trials/*/done.json")))
    assert kept >= 1
    wait_until(lambda: not _jobs_of(study))
    done = {path: path.stat().st_mtime_ns for path in study.glob("*/trials/*/done.json")}
    # A trial that was begun is done first, with its number.
    (one,) = study.iterdir()
    begun = sorted(path.name for path in (one / "trials").iterdir())
    for name in begun:
        if not (one / "trials" / name / "done.json").is_file():
            # Ten thousand epochs are too long for a test: the result is put where the job would have put it.
            task = json.loads((one / "trials" / name / "task.json").read_text())
            (one / "trials" / name / "out").mkdir(exist_ok=True)
            (one / "trials" / name / "out" / "result.json").write_text('{"value": 0.5}')
            (one / "trials" / name / "done.json").write_text(json.dumps({"digest": task["digest"]}))
    finished = run_search(search_in(root), len(begun), None, 1)
    assert numbers(finished) == list(range(len(begun)))
    assert {path: path.stat().st_mtime_ns for path in done} == done


def _is_at_work(study: Path) -> bool:
    trials = sorted(study.glob("*/trials/*"))
    return bool(trials) and (trials[-1] / "log.txt").is_file() and not (trials[-1] / "done.json").is_file()


def _jobs_of(study: Path) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(study) in words:
                found.append(words)
    return found


def test_a_trial_that_fails_is_told_and_the_others_go_on(root):
    """A step size that diverges beside one that does not."""
    # The first trial is that of params.yaml; that all others are like it has the probability of (1/4) to the 7th.
    space = {"train.learning_rate": {"choices": [0.003, 1e298, 1e299, 1e300]}}
    changes = {"tune": tune_block(space), "train.model": "mlp", "train.epochs": 2}
    search = search_in(root, **changes)
    trials = run_search(search, 8, None, 2, "inline")
    assert numbers(trials) == list(range(8))
    assert trials[0].value is not None
    for trial in trials:
        assert (trial.value is None) == (trial.values["train.learning_rate"] > 1)
        assert (trial.error is None) == (trial.value is not None)
    assert any(trial.value is None for trial in trials), "the seed no longer tries both"


def test_a_metric_that_the_training_has_not_is_one_sentence(root):
    search = search_in(root, tune=tune_block(metric="val/los"))
    with pytest.raises(TaskError) as caught:
        run_search(search, 1, None, 1, "inline")
    assert 'has no metric "val/los" on its validation split; did you mean "val/loss"?' in str(caught.value)


def test_two_searches_at_once_in_one_study_are_refused(root):
    search = search_in(root)
    import fcntl

    with (search.folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TaskError, match="another search is at work"):
            run_search(search, 1, None, 1, "inline")


def test_after_its_seconds_no_trial_is_begun(root):
    assert run_search(search_in(root), 5, 0, 1) == []


def test_the_study_is_another_where_the_question_is(root):
    first = search_in(root).folder
    assert search_in(root, **{"train.C": 5.0, "train.model": "svc"}).folder == first
    assert search_in(root, **{"train.seed": 99}).folder != first
    assert search_in(root, **{"train.seed": 1}).folder == first
    assert search_in(root, tune=tune_block(metric="val/accuracy")).folder != first
    assert search_in(root, tune=tune_block()).folder == first
    report = root / "data/tabular/prepared/data_report.json"
    report.write_text(report.read_text() + " ")
    assert search_in(root).folder != first


def test_without_prepared_data_it_says_what_to_do(root):
    shutil.rmtree(root / "data")
    with pytest.raises(TaskError, match="run the stage prepare first"):
        search_in(root)

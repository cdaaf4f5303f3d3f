"""What a user can get wrong: one sentence that says what, where and what to do; exit code 2; nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config import Config, parse_config
from pawl.errors import InputError
from pawl.pipeline.overrides import apply_overrides
from tests.support.loop import measure
from tests.support.repositories import FILES, branch, commit, make_repository, pawl, write

GATED = "metrics:\n  'metrics.json:accuracy': {direction: higher, tolerance: 0.01, primary: true}\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("metrics: [", "is not valid YAML in line 1"),
        ("metrix: {}", 'unknown key "metrix": did you mean "metrics"?'),
        ("metrics: {'*': {direktion: higher}}", 'unknown key "metrics.*.direktion": did you mean "direction"?'),
        ("metrics: {'*': {direction: up}}", "\"metrics.*.direction\" is 'up': input should be"),
        ("metrics: {'*': {tolerance: -1}}", '"metrics.*.tolerance" is -1: input should be greater than or equal to 0'),
        ("metrics: {'*': {tolerance: .nan}}", '"metrics.*.tolerance" is nan'),
        ("tracking: {enabled: 'yes'}", "\"tracking.enabled\" is 'yes': input should be a valid boolean"),
        ("tracking: {url: x}", 'unknown key "tracking.url": did you mean "uri"?'),
        ("- a\n- b", "must hold keys and values, not list"),
        ("metrics: {a: {beats: b}}", "\"metrics.a\" is {'beats': 'b'}: beats needs primary: true, and direction"),
    ],
)
def test_a_broken_settings_file_names_the_place(repository: Path, text: str, sentence: str) -> None:
    commit(repository, "settings", {"pawl.yaml": text})
    done = pawl(repository, "plan")
    assert done.returncode == 2
    assert "pawl.yaml" in done.stderr
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (repository / "reports").exists()


@given(st.text(max_size=300))
def test_any_text_is_settings_or_one_sentence(text: str) -> None:
    with suppress(InputError):
        assert isinstance(parse_config(text, "pawl.yaml"), Config)


def test_settings_that_were_named_must_exist(repository: Path) -> None:
    done = pawl(repository, "plan", "--config", "nowhere.yaml")
    assert done.returncode == 2
    assert "nowhere.yaml does not exist: give an existing file to --config" in done.stderr


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("trian.rate=1", 'params.yaml has no "trian.rate": did you mean "train.rate"?'),
        ("train.rate.more=1", 'params.yaml has no "train.rate.more"'),
        ("train.rate=fast", "--set train.rate='fast': it must be a number, as 1.0 is"),
        ("train.rate=true", "--set train.rate=True: it must be a number, as 1.0 is"),
        ("train.rate", 'write it as key=value, such as "digits.train.epochs=5"'),
        ("train.rate=[", "the value is not valid YAML"),
        ("other.yaml:a=1", "does not exist"),
    ],
)
def test_an_unusable_override_is_refused_before_any_work(repository: Path, override: str, sentence: str) -> None:
    done = pawl(repository, "run", "--set", override)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (repository / ".pawl" / "set").exists()


def test_overrides_keep_comments_and_kinds(repository: Path) -> None:
    text = apply_overrides(repository, ["train.rate=2"])["params.yaml"]
    assert text == "train:\n  # Step size.\n  rate: 2.0\n"
    assert apply_overrides(repository, ["train.rate=1e-3"])["params.yaml"].endswith("rate: 0.001\n")


@pytest.mark.parametrize("value", ["true", "2.5", "two", "[2]"])
def test_a_whole_number_stays_one(tmp_path: Path, value: str) -> None:
    write(tmp_path, {"params.yaml": "epochs: 3\n"})
    with pytest.raises(InputError, match="it must be a whole number, as 3 is"):
        apply_overrides(tmp_path, [f"epochs={value}"])


def test_overrides_are_measured_beside_the_workspace(repository: Path) -> None:
    measured = measure(repository, base="HEAD", overrides=("train.rate=3.0",))
    accuracy = measured.metric("accuracy")
    assert (accuracy.base, accuracy.head) == (0.6, 0.8)
    assert (repository / "params.yaml").read_text() == FILES["params.yaml"]
    assert not (repository / "dvc.lock").exists()
    write(repository, {"params.yaml": "train:\n  rate: 9.0\n"})
    again = measure(repository, base="HEAD", overrides=("train.rate=3.0",))
    assert again.metric("accuracy") == accuracy
    assert "params.yaml are left out" in again.comparison.notes[0]
    assert measure(repository, base="HEAD", overrides=("train.rate=3.0",)).trained() == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"params.yaml": "train: [\n"}, "params.yaml"),
        ({"params.yaml": "train: {}\n"}, "Parameters 'train.rate' are missing from 'params.yaml'"),
        ({"dvc.yaml": "stages: 5\n"}, "DVC cannot read the pipeline"),
        (
            {"dvc.yaml": FILES["dvc.yaml"].replace("deps: [train.py, data.txt]", "deps: [gone.py]")},
            "'gone.py' does not exist",
        ),
        ({"dvc.lock": "<<<<<<< HEAD\n"}, "dvc.lock"),
    ],
)
def test_a_broken_pipeline_is_one_sentence(repository: Path, files: dict[str, str], sentence: str) -> None:
    branch(repository, "broken", files)
    done = pawl(repository, "run")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in pawl(repository, "--debug", "run").stderr


def test_a_dirty_worktree_is_refused_or_said(repository: Path) -> None:
    branch(repository, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    write(repository, {"params.yaml": "train:\n  rate: 5.0\n"})
    done = pawl(repository, "run")
    assert done.returncode == 2
    assert "params.yaml has uncommitted changes" in done.stderr
    assert "--allow-dirty" in done.stderr
    measured = measure(repository, allow_dirty=True)
    assert measured.metric("accuracy").head == 1.0
    assert "belong to no commit" in measured.comparison.notes[0]


def test_a_metrics_file_that_is_none_names_the_side(tmp_path: Path) -> None:
    broken = FILES["evaluate.py"] + "\nopen('metrics.json', 'w').write('accuracy: high')\n"
    root = make_repository(tmp_path / "repository")
    branch(root, "broken", {"evaluate.py": broken})
    with pytest.raises(InputError, match=r"metrics.json of head cannot be read as metrics: Expecting value"):
        measure(root)


def test_steps_out_of_order_name_the_one_before(repository: Path) -> None:
    for command, missing in (
        ("reproduce", "pawl plan"),
        ("compare", "pawl plan"),
        ("report", "pawl plan"),
        ("gate", "pawl compare"),
    ):
        done = pawl(repository, command)
        assert done.returncode == 2
        assert f"does not exist: run `{missing}` first" in done.stderr


def test_steps_for_another_commit_are_refused(repository: Path) -> None:
    assert pawl(repository, "plan").returncode == 0
    commit(repository, "later", {"README.md": "x\n"})
    done = pawl(repository, "reproduce")
    assert done.returncode == 2
    assert "run `pawl plan` again" in done.stderr


def test_the_steps_one_by_one_are_the_run(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", config=GATED)
    branch(root, "slower", {"params.yaml": "train:\n  rate: 0.5\n"})
    for command in ("plan", "reproduce", "compare", "track"):
        done = pawl(root, command)
        assert done.returncode == 0, done.stderr
    single = (root / "reports" / "comparison.json").read_bytes()
    assert pawl(root, "report", "--no-pictures").returncode == 0
    done = pawl(root, "gate")
    assert (done.returncode, done.stdout.startswith("fail: accuracy 0.6 → 0.55")) == (1, True)
    done = pawl(root, "run", "--no-pictures")
    assert done.returncode == 1
    assert (root / "reports" / "comparison.json").read_bytes() == single


def test_a_hand_made_json_file_is_refused(repository: Path) -> None:
    write(repository, {"reports/comparison.json": '{"schema_version": 1, "verdict": "better"}'})
    done = pawl(repository, "gate")
    assert done.returncode == 2
    assert "is not what `pawl compare` writes" in done.stderr


def test_a_full_disk_leaves_the_last_report_whole(repository: Path) -> None:
    branch(repository, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    assert pawl(repository, "run", "--no-pictures").returncode == 0
    before = {path.name: path.read_bytes() for path in (repository / "reports").iterdir() if path.is_file()}
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "pawl", "report", "--no-pictures"],
        cwd=repository,
        env=env,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000)),
    )
    assert done.returncode == 2
    assert "cannot be written (file too large)" in done.stderr
    after = {path.name: path.read_bytes() for path in (repository / "reports").iterdir() if path.is_file()}
    assert after == before


def test_a_branch_cannot_relax_its_own_gate(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", config=GATED)
    relaxed = GATED.replace("0.01", "0.5").replace("higher", "lower")
    branch(root, "sneaky", {"params.yaml": "train:\n  rate: 0.5\n", "pawl.yaml": relaxed})
    measured = measure(root)
    assert (measured.comparison.verdict, measured.comparison.gate_passed) == ("worse", False)
    assert any("base's rule judges it" in note for note in measured.comparison.notes)

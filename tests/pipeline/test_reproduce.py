"""That what is reported was trained from exactly what is committed, and that nothing is trained twice."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from pawl.errors import InputError
from tests.support.loop import measure
from tests.support.repositories import FILES, TRAIN, branch, commit, dvc, git, make_repository, write

FASTER = {"params.yaml": "train:\n  rate: 2.0\n"}


def trainings(root: Path) -> int:
    """How often the stage really ran there, by its own account."""
    log = root / "runs.log"
    return len(log.read_text().split()) if log.exists() else 0


def test_both_columns_are_trained_and_the_second_time_neither(repository: Path) -> None:
    branch(repository, "faster", FASTER)
    first = measure(repository)
    assert first.trained() == ["head:train", "head:evaluate", "base:train", "base:evaluate"]
    second = measure(repository)
    assert second.trained() == []
    assert second.outcome("train") == second.outcome("train", "base") == "restored"
    assert second.comparison.metrics == first.comparison.metrics
    assert trainings(repository) == 1


def test_base_is_measured_in_its_own_checkout_and_the_workspace_is_heads(repository: Path) -> None:
    branch(repository, "faster", FASTER)
    measured = measure(repository)
    accuracy = measured.metric("accuracy")
    assert (accuracy.base, accuracy.head) == (0.6, 0.7)
    assert json.loads((repository / "metrics.json").read_text())["accuracy"] == 0.7
    assert git(repository, "status", "--porcelain", "--untracked-files=no") in ("", "M .gitignore")


def test_a_committed_number_is_never_believed(tmp_path: Path) -> None:
    pipeline = FILES["dvc.yaml"].replace("- metrics.json\n", "- metrics.json: {cache: false}\n")
    root = make_repository(tmp_path / "repository", {"dvc.yaml": pipeline, "metrics.json": '{"accuracy": 0.99}'})
    branch(root, "faster", FASTER | {"metrics.json": '{"accuracy": 0.999}'})
    measured = measure(root)
    accuracy = measured.metric("accuracy")
    assert (accuracy.base, accuracy.head) == (0.6, 0.7)


def test_a_fresh_clone_restores_by_key_from_the_remote(repository: Path, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    write(repository, {".dvc/config": f"[core]\n    remote = store\n['remote \"store\"']\n    url = {storage}\n"})
    commit(repository, "a remote")
    measure(repository, everything=True)
    dvc(repository, "push", "--run-cache")
    branch(repository, "faster", FASTER)
    first = measure(repository)
    assert first.outcome("train", "base") == "restored"
    dvc(repository, "push", "--run-cache")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--branch=faster", str(repository), str(clone))
    second = measure(clone)
    assert second.trained() == []
    assert second.comparison.metrics == first.comparison.metrics
    assert (clone / "model.txt").read_text() == "2.0"


def test_a_result_that_the_remote_has_lost_is_trained_again(repository: Path, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    write(repository, {".dvc/config": f"[core]\n    remote = store\n['remote \"store\"']\n    url = {storage}\n"})
    commit(repository, "a remote")
    branch(repository, "faster", FASTER)
    measure(repository)
    dvc(repository, "push", "--run-cache")
    shutil.rmtree(storage / "files")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--branch=faster", str(repository), str(clone))
    assert measure(clone).trained() == ["head:train", "head:evaluate", "base:train", "base:evaluate"]


def test_an_unreachable_remote_is_one_sentence_and_can_be_left_out(repository: Path) -> None:
    remote = "[core]\n    remote = store\n['remote \"store\"']\n    url = ssh://nowhere.invalid/folder\n"
    commit(repository, "a remote that is none", {".dvc/config": remote})
    branch(repository, "faster", FASTER)
    with pytest.raises(InputError, match=r'the DVC remote "store" \(ssh://nowhere.invalid/folder\) .*--no-remote'):
        measure(repository)
    assert measure(repository, use_remote=False).metric("accuracy").head == 0.7


def test_a_merge_that_forges_the_lock_is_not_believed(repository: Path) -> None:
    """The merge that git makes without a conflict, and that `dvc status` calls up to date."""
    spoiled = TRAIN.replace("FACTOR = 1.0", "FACTOR = 1.0 if rate < 1.5 else 0.0  # a higher rate is worthless now")
    (repository / ".gitattributes").unlink(missing_ok=True)
    measure(repository, everything=True)
    commit(repository, "the results of main")
    branch(repository, "a", FASTER)
    measure(repository, everything=True)
    commit(repository, "a's lock")
    git(repository, "checkout", "--quiet", "main")
    branch(repository, "c", {"train.py": spoiled})
    measure(repository, everything=True)
    commit(repository, "c's lock")
    git(repository, "merge", "--quiet", "--message", "no conflict", "a")
    shutil.rmtree(repository / ".pawl")
    dvc(repository, "checkout", "--force")
    assert "up to date" in dvc(repository, "status")
    assert json.loads((repository / "metrics.json").read_text())["accuracy"] == 0.7
    measured = measure(repository)
    assert measured.planned("train").unproven
    assert measured.outcome("train") == "trained"
    assert "recorded another result" in measured.result("train").note  # type: ignore[union-attr]
    assert (measured.metric("accuracy").base, measured.metric("accuracy").head) == (0.6, 0.5)


def test_a_true_lock_without_its_run_is_made_again_and_not_complained_of(repository: Path, tmp_path: Path) -> None:
    measure(repository, everything=True)
    commit(repository, "the results of main")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    measured = measure(clone, everything=True)
    assert measured.planned("train").unproven
    assert measured.trained() == ["head:train", "head:evaluate"]
    assert not any(stage.note for stage in measured.stages.stages)
    assert git(clone, "status", "--porcelain", "--untracked-files=no") == ""


def test_a_damaged_receipt_is_none(repository: Path) -> None:
    branch(repository, "faster", FASTER)
    first = measure(repository)
    key = first.result("train").stage_key  # type: ignore[union-attr]
    (entry,) = (repository / ".dvc/cache/runs" / key[:2] / key).iterdir()
    entry.write_text(entry.read_text().replace("md5: ", "md5: 0", 1).replace("rate: 2.0", "rate: 9.0"))
    assert measure(repository).outcome("train") == "trained"


def test_a_receipt_that_names_other_outputs_is_none(repository: Path) -> None:
    """One object exchanged for another that is in the cache: every digest is there, only the entry's own is wrong."""
    branch(repository, "faster", FASTER)
    first = measure(repository)
    key = first.result("train").stage_key  # type: ignore[union-attr]
    (entry,) = (repository / ".dvc/cache/runs" / key[:2] / key).iterdir()
    ours, theirs = (hashlib.md5(text).hexdigest() for text in (b"2.0", b"1.0"))
    assert ours in entry.read_text()
    entry.chmod(0o644)
    entry.write_text(entry.read_text().replace(ours, theirs))
    again = measure(repository)
    assert again.outcome("train") == "trained"
    assert again.metric("accuracy").head == 0.7


def test_another_command_is_another_stage(repository: Path) -> None:
    measure(repository, everything=True)
    branch(
        repository, "command", {"dvc.yaml": FILES["dvc.yaml"].replace("cmd: python train.py", "cmd: python ./train.py")}
    )
    measured = measure(repository)
    assert measured.trained() == ["head:train"]
    assert [(c.kind, c.what) for c in measured.planned("train").causes] == [("command", "cmd")]


def test_a_failed_stage_leaves_no_older_number_in_its_place(repository: Path) -> None:
    measure(repository, everything=True)
    assert (repository / "metrics.json").exists()
    branch(repository, "broken", {"train.py": "raise SystemExit(1)\n"})
    measured = measure(repository)
    assert measured.comparison.verdict == "failed"
    assert all(metric.head is None for metric in measured.comparison.metrics)


def test_a_renamed_stage_is_not_compared_with_itself(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", config="metrics:\n  '*:accuracy': {primary: true}\n")
    renamed = FILES["dvc.yaml"].replace("  evaluate:", "  assess:")
    branch(root, "renamed", {"dvc.yaml": renamed})
    measured = measure(root)
    accuracy = measured.metric("accuracy")
    assert (accuracy.base_state, accuracy.head) == ("not run", 0.6)
    assert not measured.comparison.gate_passed


def test_editing_an_input_while_the_stage_runs_leaves_no_result(tmp_path: Path) -> None:
    meddling = TRAIN + "\npathlib.Path('data.txt').write_text('other rows')\n"
    root = make_repository(tmp_path / "repository", {"train.py": meddling})
    branch(root, "faster", FASTER)
    measured = measure(root)
    assert measured.outcome("train") == "failed"
    assert "changed while it ran" in measured.result("train").log_tail  # type: ignore[union-attr]
    assert not (root / "dvc.lock").exists()
    git(root, "checkout", "--quiet", "--", "data.txt")
    assert measure(root).outcome("train") == "failed", "no receipt may remain"


def test_a_failing_stage_takes_only_what_depends_on_it(tmp_path: Path) -> None:
    pipeline = (
        FILES["dvc.yaml"]
        + "  alone:\n    cmd: cp params.yaml copy.txt\n    deps: [params.yaml]\n    outs: [copy.txt]\n"
    )
    root = make_repository(tmp_path / "repository", {"dvc.yaml": pipeline})
    branch(root, "broken", FASTER | {"train.py": "import sys\nprint('no such column: age')\nsys.exit(7)\n"})
    measured = measure(root)
    failed = measured.result("train")
    assert failed is not None
    assert (failed.outcome, failed.exit_code) == ("failed", 7)
    assert "no such column: age" in failed.log_tail
    assert (measured.outcome("evaluate"), measured.outcome("alone")) == ("skipped", "trained")
    assert measured.outcome("train", "base") == "skipped", "base is not trained for nothing"
    assert (measured.comparison.verdict, measured.comparison.gate_passed) == ("failed", False)


def test_force_runs_what_is_known(repository: Path) -> None:
    branch(repository, "faster", FASTER)
    measure(repository)
    assert measure(repository, force=True).trained() == ["head:train", "head:evaluate"]


RANDOM = TRAIN.replace("FACTOR = 1.0", "import random; FACTOR = random.random()")


def test_a_stage_whose_result_differs_each_time_can_be_forced(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", {"train.py": RANDOM})
    branch(root, "faster", FASTER)
    first = measure(root)
    second = measure(root, force=True)
    assert second.trained() == ["head:train", "head:evaluate"]
    assert second.result("train").stage_key == first.result("train").stage_key  # type: ignore[union-attr]
    assert second.result("evaluate").stage_key != first.result("evaluate").stage_key  # type: ignore[union-attr]
    model = float((root / "model.txt").read_text())
    assert second.metric("accuracy").head == min(0.5 + model / 10, 1.0)


def test_a_lost_result_that_comes_out_otherwise_takes_what_follows_with_it(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    root = make_repository(tmp_path / "repository", {"train.py": RANDOM})
    commit(root, "a remote", {".dvc/config": f"[core]\n    remote = s\n['remote \"s\"']\n    url = {storage}\n"})
    measure(root, everything=True)
    dvc(root, "push", "--run-cache")
    lost = hashlib.md5((root / "model.txt").read_bytes()).hexdigest()
    (storage / "files" / "md5" / lost[:2] / lost[2:]).unlink()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(root), str(clone))
    again = measure(clone, everything=True)
    assert again.trained() == ["head:train", "head:evaluate"]
    model = float((clone / "model.txt").read_text())
    assert again.metric("accuracy").head == min(0.5 + model / 10, 1.0)


def test_only_the_changed_stage_and_what_follows_runs(repository: Path) -> None:
    measure(repository, everything=True)
    branch(repository, "evaluation", {"evaluate.py": FILES["evaluate.py"].replace("value / 10", "value / 5")})
    measured = measure(repository)
    assert measured.trained() == ["head:evaluate"]
    assert [(c.kind, c.what) for c in measured.planned("evaluate").causes] == [("code", "evaluate.py")]
    assert measured.outcome("train") == "unchanged"


def test_a_change_that_leaves_the_model_alone_stops_there(repository: Path) -> None:
    """Early cut-off: train.py differs, its output does not, so the evaluation is restored."""
    branch(repository, "comment", {"train.py": FILES["train.py"] + "\n# a remark\n"})
    measured = measure(repository)
    assert measured.outcome("train") == "trained"
    assert (measured.outcome("evaluate"), measured.outcome("evaluate", "base")) == ("trained", "restored")
    assert measured.comparison.verdict == "no measurable change"


def test_data_behind_a_dvc_file_is_fetched_for_base_and_never_overwritten(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository")
    git(root, "rm", "--quiet", "--cached", "data.txt")
    dvc(root, "add", "data.txt")
    commit(root, "data by DVC")
    (root / "data.txt").chmod(0o644)
    (root / "data.txt").unlink()
    (root / "data.txt").write_text("a b c d e\n")
    dvc(root, "add", "data.txt")
    git(root, "checkout", "--quiet", "-b", "more-data")
    commit(root, "more data")
    measured = measure(root)
    assert measured.trained()[0] == "head:train"
    assert [(c.kind, c.what) for c in measured.planned("train").causes] == [("data", "data.txt")]
    assert (root / ".pawl/base" / measured.plan.base.commit[:16] / "data.txt").read_text() == "a b c\n"
    (root / "data.txt").unlink()
    (root / "data.txt").write_text("mine\n")
    commit(root, "again", {"params.yaml": "train:\n  rate: 4.0\n"})
    with pytest.raises(InputError, match=r"data\.txt .* is not what data\.txt\.dvc records"):
        measure(root)
    assert (root / "data.txt").read_text() == "mine\n"

"""Where a result comes from: written down when it is made, told when it is restored, believed only if well-formed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pawl.pipeline import environment
from pawl.pipeline.causes import environment_causes
from pawl.pipeline.environment import describe_machine
from pawl.schema import Origin, StageResult
from tests.support.loop import Measured, measure
from tests.support.repositories import FILES, branch, commit, dvc, make_repository, write

FASTER = {"params.yaml": "train:\n  rate: 2.0\n"}
PIPELINE = """
stages:
  split:
    cmd: cp data.txt split.txt
    deps: [data.txt]
    outs: [split.txt]
  train:
    cmd: cat split.txt train.py > model.txt
    deps: [split.txt, train.py]
    params: [train]
    outs: [model.txt]
"""
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda text: b"",
    "no text": lambda text: b"\xff\x00",
    "NaN": lambda text: text.replace(b'"energy_joules":null', b'"energy_joules":NaN'),
    "an unknown key": lambda text: text.replace(b'"commit":', b'"other":1,"commit":'),
    "no commit": lambda text: text.replace(b'"commit":"', b'"commit":"; rm -rf /'),
    "too long": lambda text: text[:-1] + b" " * 1_000_001 + b"}",
    "too deep": lambda text: b"[" * 5_000,
}
PARAMS = "train:\n  rate: 1.0\n  seed: 7\n  split: {random_state: [1, 2]}\n"


def result(measured: Measured, name: str, side: str = "head") -> StageResult:
    found = measured.result(name, side)
    assert found is not None
    return found


def records(root: Path) -> list[Path]:
    return sorted((root / ".dvc" / "cache" / "pawl" / "origins").rglob("*.json"))


def test_a_restored_result_tells_which_run_made_it(repository: Path) -> None:
    first = branch(repository, "faster", FASTER)
    trained = result(measure(repository), "train")
    assert trained.usage is not None
    assert trained.origin is not None
    assert (trained.origin.commit, trained.origin.usage) == (first, trained.usage)
    assert (trained.usage.seconds, trained.usage.peak_memory_bytes) == (trained.seconds, trained.peak_memory_bytes)
    assert (trained.usage.gpu_seconds, trained.usage.energy_joules) == (None, None)
    commit(repository, "on", {"README.md": "more\n", "evaluate.py": FILES["evaluate.py"] + "# more\n"})
    (repository / "model.txt").unlink()
    measured = measure(repository)
    restored = result(measured, "train")
    assert (restored.outcome, restored.usage, restored.origin) == ("restored", None, trained.origin)
    assert restored.origin is not None
    assert restored.origin.device == measured.stages.machine.device
    assert restored.origin.environment_digest == measured.stages.machine.environment_digest
    assert result(measured, "train", "base").origin != restored.origin


def test_what_was_trained_from_no_commit_has_no_record(repository: Path) -> None:
    write(repository, FASTER)
    assert result(measure(repository, allow_dirty=True), "train").origin is None
    assert all(Origin.model_validate_json(path.read_bytes()).commit for path in records(repository))
    commit(repository, "faster", FASTER)
    restored = result(measure(repository, base="HEAD~1"), "train")
    assert (restored.outcome, restored.origin) == ("restored", None)


def test_a_record_that_is_not_one_is_none(repository: Path) -> None:
    branch(repository, "faster", FASTER)
    measure(repository)
    good = {path: path.read_bytes() for path in records(repository)}
    assert len(good) == 4
    for what, spoil in SPOILT.items():
        for path, text in good.items():
            path.write_bytes(spoil(text))
        again = measure(repository)
        assert {(s.outcome, s.origin) for s in again.stages.stages} == {("restored", None)}, what


def test_dvc_neither_minds_nor_removes_the_records(repository: Path) -> None:
    branch(repository, "faster", FASTER)
    measure(repository)
    dvc(repository, "gc", "--workspace", "--force")
    assert len(records(repository)) == 4
    assert "up to date" in dvc(repository, "status")


def test_data_and_seeds_are_told(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", {"dvc.yaml": PIPELINE, "params.yaml": PARAMS})
    before = measure(root, everything=True)
    assert result(before, "split").data_digest is None, "data.txt is kept in git, like code"
    train = result(before, "train")
    assert train.seeds == {"params.yaml:train.seed": "7", "params.yaml:train.split.random_state": "[1, 2]"}
    branch(root, "code", {"train.py": "other\n"})
    code = result(measure(root), "train")
    assert code.data_digest == train.data_digest is not None
    assert code.stage_key != train.stage_key
    branch(root, "data", {"data.txt": "d e f\n"})
    assert result(measure(root), "train").data_digest not in (None, train.data_digest)


def test_a_result_made_on_another_machine_is_a_cause_and_no_other_key(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = describe_machine([]).packages | {"torch": "1.0", "gone": "3"}
    with monkeypatch.context() as patched:
        patched.setattr(environment, "_packages", lambda: other)
        patched.setattr(environment, "_device", lambda gpus: "1 x Old Card")
        made = measure(repository, everything=True)
    branch(repository, "faster", FASTER)
    measured = measure(repository)
    planned = measured.planned("train")
    assert (planned.action, planned.base_action) == ("run", "restore")
    causes = {cause.what: (cause.base, cause.head) for cause in planned.causes if cause.kind == "environment"}
    here = measured.stages.machine
    assert causes == {
        "device": ("1 x Old Card", here.device),
        "package torch": ("1.0", here.packages["torch"]),
        "package gone": ("3", None),
    }
    assert planned.causes[0].kind == "params"
    assert result(made, "train").stage_key == result(measured, "train", "base").stage_key
    # Both restored now: as they were made, whatever this machine is.
    assert [c for c in measure(repository).planned("train").causes if c.kind == "environment"]


def test_the_same_software_on_another_device_is_told_apart(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(environment, "_device", lambda gpus: "1 x Old Card")
        measure(repository, everything=True)
    branch(repository, "faster", FASTER)
    here = measure(repository).stages.machine.device
    restored = measure(repository).planned("train")
    assert (restored.action, restored.base_action) == ("restore", "restore")
    assert [(c.what, c.base, c.head) for c in restored.causes if c.kind == "environment"] == [
        ("device", "1 x Old Card", here)
    ]


def test_on_one_machine_the_environment_is_no_cause(repository: Path) -> None:
    measure(repository, everything=True)
    branch(repository, "faster", FASTER)
    for _ in range(2):
        assert [cause.kind for cause in measure(repository).planned("train").causes] == ["params"]


def test_many_other_packages_are_counted_and_an_unknown_machine_is_no_cause() -> None:
    here = describe_machine([])
    there = here.model_copy(update={"packages": {f"p{i:02}": "1" for i in range(30)}, "driver": "550.1"})
    causes = environment_causes(there, here.model_copy(update={"packages": {}}))
    assert [cause.what for cause in causes[:2]] == ["GPU driver", "package p00"]
    assert causes[-1].what == "and 20 more packages"
    assert len(causes) == 12
    assert environment_causes(None, here) == environment_causes(here, None) == environment_causes(here, here) == []


def test_the_environment_has_another_digest_with_another_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for driver in (None, "550.1", "550.2"):
        monkeypatch.setattr(environment, "driver_version", lambda driver=driver: driver)
        machine = describe_machine([("0", "Card")])
        assert machine.driver == driver
        digests.add(machine.environment_digest)
    assert len(digests) == 3
    assert json.loads(machine.model_dump_json())["driver"] == "550.2"

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.learning.checkpoints import PhaseCheckpoints, Snapshot, checkpoints, training_name
from tasks.common.learning.seeds import chance_arrays, set_chance
from tasks.common.learning.trainer import DataParams
from tasks.common.stage.paths import TaskPaths

KEY = "a" * 64
PARAMS = DataParams(num_workers=1)

ARRAYS = {
    "scalar": np.array(1.5),
    "empty": np.zeros((0, 3), np.float32),
    "transposed": np.arange(6, dtype=np.int64).reshape(2, 3).T,
    "bytes": np.array([0, 255], np.uint8),
    "yes": np.array([True, False]),
    "extremes": np.array([np.nan, np.inf, -0.0, 5e-324]),
}


def snapshot(number: float) -> Snapshot:
    return Snapshot({"n": np.array(number)}, {"number": number})


def written(folder: Path, count: int) -> PhaseCheckpoints:
    phase = PhaseCheckpoints(folder, "train x")
    for number in range(count):
        phase.write(snapshot(number))
    return phase


def interrupted(paths: TaskPaths, part: str = "") -> None:
    """A training that is ended after one checkpoint."""
    with checkpoints(paths, KEY, PARAMS, part) as store:
        store.phase("head").write(snapshot(1))
        raise KeyboardInterrupt


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_snapshot_comes_back_bit_for_bit(tmp_path):
    phase = PhaseCheckpoints(tmp_path, "train x")
    record = {"loss": 0.1 + 0.2, "history": [{"val/loss": 1e-300}], "none": None, "text": "ä"}
    phase.write(Snapshot(ARRAYS, record))
    back = PhaseCheckpoints(tmp_path, "train x").newest()
    assert back is not None
    assert back.record == record
    for name, array in ARRAYS.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].tobytes() == array.tobytes()


def test_two_are_kept_and_the_newest_counts(tmp_path):
    phase = written(tmp_path, 12)
    assert len(files(tmp_path)) == 2
    assert phase.newest().record == {"number": 11}


def test_nothing_is_pickled(tmp_path):
    phase = PhaseCheckpoints(tmp_path, "train x")
    with pytest.raises(TypeError):
        phase.write(Snapshot({}, {"object": object()}))
    with pytest.raises(ValueError, match="JSON"):
        phase.write(Snapshot({}, {"loss": float("nan")}))
    assert files(tmp_path) == []


@given(st.data())
def test_a_newest_one_with_any_byte_changed_is_not_used(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    phase = written(folder, 3)
    newest = files(folder)[-1]
    content = bytearray(newest.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    newest.write_bytes(content)
    assert phase.newest().record == {"number": 1}
    phase.write(snapshot(7))
    assert phase.newest().record == {"number": 7}


@pytest.mark.parametrize("content", [b"", b"\0" * 40, None])
def test_what_is_not_whole_is_said_and_removed(tmp_path, capsys, content):
    phase = written(tmp_path, 2)
    for path in files(tmp_path):
        path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert phase.newest() is None
    assert capsys.readouterr().err.count("train x: the checkpoint") == 2
    assert files(tmp_path) == []


def test_half_a_file_of_a_killed_process_is_removed(tmp_path):
    paths = TaskPaths(tmp_path, "digits")
    with pytest.raises(KeyboardInterrupt):
        interrupted(paths)
    (files(tmp_path)[0].parent / ".00000001-abc-x1y2.safetensors").write_bytes(b"half")
    with checkpoints(paths, KEY, PARAMS) as store:
        phase = store.phase("head")
        assert phase.newest().record == {"number": 1}
        assert [path.name[:8] for path in files(store.folder)] == ["00000000"]


def test_the_folder_stays_while_the_training_is_not_done_and_goes_when_it_is(tmp_path):
    paths = TaskPaths(tmp_path, "digits")
    with pytest.raises(KeyboardInterrupt):
        interrupted(paths)
    (file,) = files(tmp_path)
    with checkpoints(paths, KEY, PARAMS) as store:
        assert store.folder == file.parents[1]
        assert store.folder.parent == tmp_path / ".checkpoints/digits"
        assert store.folder.name.startswith(KEY)
        assert store.phase("fine_tune").newest() is None
        assert store.phase("head").newest() is not None
    assert not store.folder.exists()
    assert files(tmp_path) == []


def test_a_part_takes_away_its_own_checkpoints_only(tmp_path):
    paths = TaskPaths(tmp_path, "prostate")
    with checkpoints(paths, KEY, PARAMS) as whole:
        for part in ("fold-0", "fold-1"):
            with pytest.raises(KeyboardInterrupt):
                interrupted(paths, part)
        with checkpoints(paths, KEY, PARAMS, "fold-0") as store:
            assert store.label == "train prostate fold-0"
        assert {path.parts[-3] for path in files(whole.folder)} == {"fold-1"}
    assert not whole.folder.exists()


def test_trainings_that_may_differ_have_different_names(tmp_path):
    paths = TaskPaths(tmp_path, "digits")
    paths.prepared.mkdir(parents=True)
    (paths.prepared / "manifest.csv").write_text("id\n")
    name = training_name(paths, None, PARAMS)
    assert name == training_name(paths, None, DataParams(num_workers=1))
    assert name != training_name(paths, None, DataParams(num_workers=2))
    assert name != training_name(paths, KEY, PARAMS)
    assert training_name(paths, KEY, PARAMS) != training_name(paths, KEY, DataParams(num_workers=2))
    (paths.prepared / "manifest.csv").write_text("di\n")
    assert name != training_name(paths, None, PARAMS)


def test_where_trials_write_there_are_their_checkpoints(tmp_path):
    paths = TaskPaths(tmp_path / "root", "digits", outputs=tmp_path / "trial")
    with checkpoints(paths, KEY, PARAMS) as store:
        assert store.folder.is_relative_to(tmp_path / "trial")


def test_git_and_dvc_leave_checkpoints_alone():
    root = Path(__file__).parents[3]
    for file in (".gitignore", ".dvcignore"):
        assert any(line.strip("/") == ".checkpoints" for line in (root / file).read_text().splitlines())


@pytest.mark.parametrize("n_gauss", [0, 1])
def test_python_and_numpy_go_on_with_the_same_numbers(n_gauss):
    """After one normal number, both generators hold back the second of its pair."""
    random.seed(3)
    np.random.seed(3)
    for _ in range(n_gauss):
        random.gauss(0, 1)
        np.random.normal()
    arrays = chance_arrays()
    json.dumps({name: array.tolist() for name, array in arrays.items()})
    first = [random.gauss(0, 1), random.random(), np.random.normal(), np.random.random()]
    set_chance(arrays)
    assert [random.gauss(0, 1), random.random(), np.random.normal(), np.random.random()] == first

"""provenance.json: what the inputs were, and nothing that is not known."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tasks.common.model.card import read_card
from tasks.common.packaging.build import CODE_FOLDER, package_folder
from tasks.common.packaging.command import run_package
from tasks.common.packaging.provenance import LOCK_FILE, PROVENANCE_FILE, Provenance, dvc_digest, read_provenance
from tasks.common.packaging.requirements import OWN_PINS, TASKS_PINS, pinned
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.paths import TaskPaths


@pytest.fixture
def trained(finished, tmp_path: Path) -> TaskPaths:
    """A copy of a checkout to change."""
    return TaskPaths(Path(shutil.copytree(finished["svc"].root, tmp_path / "root")), "tabular")


def lock(paths: TaskPaths) -> dict:
    """What DVC would have written of the stages, with stand-ins for digests that no test looks at."""
    one = "0123456789abcdef" * 2

    def entry(stage: str, deps: dict[str, str], outs: dict[str, str]) -> dict:
        return {
            "cmd": f"python src/tasks/stage.py {stage} tabular",
            "deps": [{"path": path, "hash": "md5", "md5": digest, "size": 1} for path, digest in deps.items()],
            "params": {"params.yaml": {f"tabular.{stage}": {"seed": 1}}},
            "outs": [{"path": path, "hash": "md5", "md5": digest, "size": 1} for path, digest in outs.items()],
        }

    raw, prepared, model = dvc_digest(paths.raw), dvc_digest(paths.prepared), dvc_digest(paths.model)
    return {
        "schema": "2.0",
        "stages": {
            "fetch@tabular": entry("fetch", {"src/tasks/tabular/fetch": one}, {"data/tabular/raw": raw}),
            "prepare@tabular": entry("prepare", {"data/tabular/raw": raw}, {"data/tabular/prepared": prepared}),
            "train@tabular": entry("train", {"data/tabular/prepared": prepared}, {"models/tabular": model}),
            "evaluate@tabular": entry("evaluate", {"models/tabular": model}, {"results/tabular/metrics.json": one}),
            "fetch@digits": entry("fetch", {"src/tasks/digits/fetch": one}, {"data/digits/raw": one}),
        },
    }


def package_with(paths: TaskPaths, content: object) -> Provenance:
    with (paths.root / LOCK_FILE).open("w") as file:
        YAML(typ="safe", pure=True).dump(content, file)
    run_package("tabular", paths.root)
    return read_provenance(package_folder(paths))


def test_by_hand_what_dvc_alone_knows_is_null(finished):
    record = read_provenance(package_folder(finished["svc"]))
    assert record.upstream is None
    assert record.training_key is None
    assert record.data_revision is None


def test_it_says_what_the_package_is_made_from(finished):
    for name, paths in finished.items():
        folder = package_folder(paths)
        record, card = read_provenance(folder), read_card(paths.model, paths.task)
        assert (record.task, record.stage) == (paths.task, f"package@{paths.task}")
        assert record.command == f"python src/tasks/package.py {paths.task}"
        assert record.model == card.files, name
        assert record.model == {
            file: file_digest(folder / "artifacts/models" / paths.task / file) for file in card.files
        }
        assert record.code == {
            path.relative_to(folder / CODE_FOLDER).as_posix(): file_digest(path)
            for path in sorted((folder / CODE_FOLDER).rglob("*.py"))
        }
        assert record.packages == pinned(TASKS_PINS, OWN_PINS)
        assert record.data_source == json.loads((paths.raw / "source.json").read_text())
        assert record.data_digest == file_digest(paths.prepared / "manifest.csv")
        assert record.parameters[f"{paths.task}.package.examples"] == 1


def test_what_led_to_the_model_is_taken_from_dvc_lock(trained):
    content = lock(trained)
    record = package_with(trained, content)
    assert record.upstream is not None
    assert [stage.name for stage in record.upstream] == ["train@tabular", "prepare@tabular", "fetch@tabular"]
    train, _, fetch = record.upstream
    assert train.outputs == {"models/tabular": dvc_digest(trained.model)}
    assert train.parameters == {"tabular.train": {"seed": 1}}
    assert fetch.command == "python src/tasks/stage.py fetch tabular"


def test_a_lock_of_another_model_or_of_other_data_says_nothing_of_this_one(trained):
    content = lock(trained)
    content["stages"]["prepare@tabular"]["outs"][0]["md5"] = "f" * 32 + ".dir"
    record = package_with(trained, content)
    assert [stage.name for stage in record.upstream or []] == ["train@tabular"]
    content["stages"]["train@tabular"]["outs"][0]["md5"] = "f" * 32 + ".dir"
    assert package_with(trained, content).upstream is None


def test_values_set_by_hand_are_of_no_lock(trained):
    package_with(trained, lock(trained))
    run_package("tabular", trained.root, ["examples=2"])
    record = read_provenance(package_folder(trained))
    assert record.upstream is None
    assert record.parameters["tabular.package.examples"] == 2


def test_entries_without_an_md5_are_left_out_and_what_is_no_lock_is_one_sentence(trained):
    content = lock(trained)
    content["stages"]["fetch@tabular"]["outs"] = [{"path": "gs://bucket/raw", "etag": "abc"}]
    assert [stage.name for stage in package_with(trained, content).upstream or []] == [
        "train@tabular",
        "prepare@tabular",
    ]
    for text in ("stages: 5\n", "{", "\xff"):
        (trained.root / LOCK_FILE).write_text(text, encoding="latin-1")
        with pytest.raises(TaskError, match=r"dvc\.lock is not what DVC writes; restore it from git"):
            run_package("tabular", trained.root)


def test_the_digest_of_a_folder_is_that_of_dvc(tmp_path):
    """As DVC's own code computes it; a real dvc.lock is read in tests/tasks/test_commands.py."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()
    for name, text in {"b/c.txt": "one", "b.txt": "two", "B/é.txt": "three", "b/a/d": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        tree.add(tuple(name.split("/")), None, HashInfo("md5", hashlib.md5(text.encode()).hexdigest()))
    tree.digest()
    assert dvc_digest(tmp_path) == tree.hash_info.value


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 2},
        {"surprise": 1},
        {"code": {"tasks/x.py": "0" * 63}},
        {"training_key": "none"},
        {"upstream": [{"name": "train"}]},
        {"data_source": {"a": float("nan")}},
        {"task": 5},
    ],
)
def test_what_is_not_exactly_such_a_record_is_refused(finished, tmp_path, change):
    record = json.loads((package_folder(finished["svc"]) / PROVENANCE_FILE).read_text())
    (tmp_path / PROVENANCE_FILE).write_text(json.dumps(record | change))
    with pytest.raises(TaskError, match="is not a record of where a model comes from"):
        read_provenance(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / PROVENANCE_FILE).write_bytes(content)
    with pytest.raises(TaskError):
        read_provenance(folder)

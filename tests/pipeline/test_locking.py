"""dvc.lock of many stages: written together, whole at the end, and after an interrupt."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from dvc.utils.serialize._yaml import dumps_yaml, parse_yaml_for_update
from hypothesis import given
from hypothesis import strategies as st

from pawl.pipeline.lock_text import with_entries
from pawl.pipeline.locking import Locking
from tests.pipeline.dag import make_dag, reproduce_all, runs, stage
from tests.support.repositories import git

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

STAGES = {f"s{n:02d}": stage(f"s{n:02d}") for n in range(12)}


def test_a_file_that_is_dear_to_write_is_written_less_often_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, times = Locking.write, []

    def dear(self: Locking) -> None:
        times.append(len(self._waiting))
        write(self)
        self._cost_seconds = 600.0

    monkeypatch.setattr(Locking, "write", dear)
    root = make_dag(tmp_path / "work", STAGES)
    reproduce_all(root, 1)
    assert times == [1, 11]
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    assert list(lock["stages"]) == list(STAGES)


def test_what_was_made_before_a_failure_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_dag(tmp_path / "work", STAGES)
    made = Locking.made

    def break_off(self: Locking, stage: object) -> None:
        made(self, stage)  # type: ignore[arg-type]
        self._cost_seconds = 600.0
        if stage.name == "s05":  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    monkeypatch.setattr(Locking, "made", break_off)
    with pytest.raises(KeyboardInterrupt):
        reproduce_all(root, 1)
    assert list(yaml.safe_load((root / "dvc.lock").read_text())["stages"]) == list(STAGES)[:6]


SEEN = 'import shutil; shutil.copy("dvc.lock", at / "seen.lock")'


def test_a_command_finds_all_it_follows_from_in_it_however_dear_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Locking.made

    def dear(self: Locking, stage: PipelineStage) -> None:
        self._cost_seconds, self._written_at = 600.0, time.monotonic()
        made(self, stage)

    monkeypatch.setattr(Locking, "made", dear)
    chain = {"a": stage("a"), "b": stage("b", after=["a"]), "c": stage("c", SEEN, after=["b"])}
    root = make_dag(tmp_path / "work", chain)
    reproduce_all(root, 1)
    now = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    assert yaml.safe_load((root / "at/seen.lock").read_text())["stages"] == {name: now[name] for name in "ab"}

    # What was made before is in it too, though `c` needs no more than what `b` wrote.
    (root / "dvc.lock").unlink()
    for file in root.glob("?.txt"):
        file.unlink()
    (root / "dvc.yaml").write_text(json.dumps({"stages": chain | {"c": stage("c", "x = 2", SEEN, after=["b"])}}))
    git(root, "commit", "--quiet", "--all", "--message", "another c")
    reproduce_all(root, 1)
    assert runs(root) == ["a", "b", "c", "c"]
    assert yaml.safe_load((root / "at/seen.lock").read_text())["stages"] == {name: now[name] for name in "ab"}


NAMES = st.text("ab1.-@ _:'\"é", min_size=1, max_size=8).map(str.strip).filter(bool)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0.5, -1e-3, 1e22])  # Of longer ones DVC changes the last digit each time that it writes them.
    | st.text("ab #:-'\"\n\\é?!&*|>%@`", max_size=20)
    | st.just("a long command " * 12)
    | st.just("- # two\n\n  lines\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.dictionaries(NAMES, st.fixed_dictionaries({"cmd": VALUES, "params": VALUES}), max_size=4)


def as_dvc_has_it(text: str, entries: Mapping[str, Any]) -> str:
    """What DVC makes of a lock and entries, by its own functions."""
    data = parse_yaml_for_update(text, "dvc.lock")
    for name, entry in entries.items():
        data["stages"].update({name: entry})
    return dumps_yaml(data)


@given(there=ENTRIES.filter(bool), entries=ENTRIES)
def test_the_text_is_that_of_dvc(there: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
    text = dumps_yaml({"schema": "2.0", "stages": there})
    # Of the hundreds of ways in which a text can be written, DVC's own way of reading it and writing it again is one.
    text = as_dvc_has_it(text, {})
    found = with_entries(text, entries)
    assert found is None or found == as_dvc_has_it(text, entries)


def test_the_lock_of_this_repository_is_written_without_dvc() -> None:
    text = Path("dvc.lock").read_text(encoding="utf-8")
    stages = yaml.safe_load(text)["stages"]
    first, *others = stages
    changed = {
        first: {**stages[first], "cmd": "python other.py"},
        others[-1]: stages[others[-1]],
        "new@1": {"cmd": "x"},
    }
    assert with_entries(text, changed) == as_dvc_has_it(text, changed) != text
    assert with_entries(text, {first: stages[first]}) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema: '2.0'\n",
        "schema: '2.0'\nstages: {}\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\ndatasets: []\n",
        "schema: '2.0'\nstages:\n  # by hand\n  a:\n    cmd: x\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n  a:\n    cmd: y\n",
        "schema: '2.0'\nstages:\n  'b':\n    cmd: x\n",
        "stages:\n  a:\n    cmd: x\nschema: '2.0'\n",
    ],
)
def test_what_dvc_did_not_write_is_left_to_it(text: str) -> None:
    assert with_entries(text, {"b": {"cmd": "z"}}) is None

"""Patients in folds, and those that choose a fold's best epoch."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.stage.errors import TaskError
from tasks.common.stage.run import run_stage
from tasks.prostate.model.prepared import open_prepared
from tasks.prostate.prepare.folds import assign_folds, choose_validation, read_folds
from tests.tasks.prostate.volumes import write_layout

patients = st.lists(st.integers(0, 60).map(str), min_size=8, max_size=80).filter(lambda names: len(set(names)) >= 8)
seeds = st.integers(0, 2**32)


@given(patients, st.integers(2, 8), seeds, st.randoms())
def test_folds_are_even_seeded_and_whatever_the_order(names, n_folds, seed, random):
    fold_of = assign_folds(names, n_folds, seed)
    assert set(fold_of) == set(names)
    sizes = Counter(fold_of.values())
    assert set(sizes) == set(range(n_folds))
    assert max(sizes.values()) - min(sizes.values()) <= 1
    shuffled = names[:]
    random.shuffle(shuffled)
    assert assign_folds(shuffled, n_folds, seed) == fold_of


def test_patients_with_many_studies_are_spread():
    names = ["a"] * 5 + ["b"] * 5 + ["c"] * 5 + [str(n) for n in range(9)]
    for seed in range(20):
        fold_of = assign_folds(names, 3, seed)
        assert Counter(fold_of[name] for name in names) == {0: 8, 1: 8, 2: 8}


def test_the_folds_are_shuffled_by_the_seed():
    names = [str(number) for number in range(30)]
    arrangements = {tuple(assign_folds(names, 3, seed)[name] for name in names) for seed in range(10)}
    assert len(arrangements) == 10
    assert tuple(number % 3 for number in range(30)) not in arrangements


@given(patients, st.integers(2, 5), st.floats(0.01, 0.49), seeds)
def test_validation_is_a_share_of_the_other_folds_patients(names, n_folds, fraction, seed):
    fold_of = assign_folds(names, n_folds, seed)
    chosen = choose_validation(fold_of, n_folds, fraction, seed)
    assert len(chosen) == n_folds
    for fold, validation in enumerate(chosen):
        others = {name for name, own in fold_of.items() if own != fold}
        assert set(validation) < others, "some are left to train with"
        assert len(validation) == max(1, round(fraction * len(others)))


@pytest.mark.parametrize("n_folds", [2, 5])
def test_too_few_patients_are_an_error_that_counts_them(n_folds):
    with pytest.raises(TaskError, match="2 usable patients"):
        assign_folds(["a", "b", "b"], n_folds, 0)


FOLDS = [{"train": ["2_1"], "val": ["1_0", "absent"]}, {"train": ["1_0"], "val": ["2_1", "2_2"]}]
GROUPS = {"1_0": "1", "2_1": "2", "2_2": "2"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([*FOLDS, {"val": ["1_0"]}], "'1_0' is in val of two folds"),
        ([{"val": ["1_0", "2_1"]}, {"val": ["2_2"]}], "patient '2' is in val of two folds"),
        ([{"val": ["1_0"]}, {"val": ["2_1"]}], "'2_2' is in val of no fold"),
        ([*FOLDS, {"val": ["other"]}], "fold 2 tests none"),
        (FOLDS[:1], "at least two blocks"),
        ({"val": []}, "at least two blocks"),
        ([{"val": [1]}, {"val": ["2"]}], "list of studies"),
        ([{"train": []}, {}], "list of studies"),
    ],
)
def test_folds_of_one_s_own_are_checked(tmp_path, content, words):
    (tmp_path / "splits.json").write_text(json.dumps(content))
    with pytest.raises(TaskError, match=words):
        read_folds(tmp_path / "splits.json", GROUPS)


def test_folds_of_one_s_own_are_taken(tmp_path, tiny):
    (tmp_path / "splits.json").write_text(json.dumps(FOLDS))
    assert read_folds(tmp_path / "splits.json", GROUPS) == ({"1": 0, "2": 1}, 2)

    paths = tiny({"prepare.folds_file": "splits.json"})
    write_layout(paths.raw, ["1_0", "2_1", "3_2", "4_3"])
    (paths.raw / "splits.json").write_text(json.dumps([{"val": ["2_1", "4_3"]}, {"val": ["1_0", "3_2"]}]))
    run_stage("prepare", "prostate", paths.root)
    prepared = open_prepared(paths.prepared)
    assert [example.split for example in prepared.examples] == ["fold-1", "fold-0", "fold-1", "fold-0"]


def test_a_file_of_folds_outside_of_the_data_is_refused(tiny):
    paths = tiny({"prepare.folds_file": "../../../params.yaml"})
    write_layout(paths.raw, ["1_0", "2_1", "3_2"])
    with pytest.raises(TaskError, match="outside of the data"):
        run_stage("prepare", "prostate", paths.root)


def test_no_patient_trains_validates_and_tests_in_one_fold(sample):
    prepared = open_prepared(sample.prepared)
    tested = []
    for fold in prepared.folds:
        groups = [{prepared.examples[v].group for v in prepared.part(fold, p)} for p in ("train", "validation", "test")]
        assert all(groups)
        assert not groups[0] & groups[1]
        assert not groups[1] & groups[2]
        assert not groups[0] & groups[2]
        numbers = [set(prepared.slice_numbers(fold, p).tolist()) for p in ("train", "validation", "test")]
        assert set.union(*numbers) == set(range(len(prepared.images)))
        assert sum(map(len, numbers)) == len(prepared.images)
        tested += prepared.part(fold, "test")
    assert sorted(tested) == list(range(len(prepared.volumes)))

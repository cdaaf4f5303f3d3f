from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.data.multilabel_splits import assign_multilabel_splits
from tasks.common.data.splits import SPLITS, SplitParams

PARAMS = SplitParams(validation_fraction=0.15, test_fraction=0.25, seed=7, max_rejected_share=0.1)

label_sets = st.sets(st.sampled_from("abcdef"), max_size=4)
rows_of = st.lists(st.tuples(label_sets, st.integers(0, 60).map(str)), max_size=120)


def params(seed: int) -> SplitParams:
    return PARAMS.model_copy(update={"seed": seed})


def unzip(rows):
    return [labels for labels, _ in rows], [group for _, group in rows]


@given(rows_of, st.integers(0, 5))
def test_no_group_is_in_two_splits_and_every_example_is_in_one(rows, seed):
    splits = assign_multilabel_splits(*unzip(rows), params(seed))
    assert len(splits) == len(rows)
    assert set(splits) <= set(SPLITS)
    homes = defaultdict(set)
    for (_, group), split in zip(rows, splits, strict=True):
        homes[group].add(split)
    assert all(len(home) == 1 for home in homes.values())


@given(rows_of, st.randoms(use_true_random=False))
def test_the_order_of_the_examples_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    expected = dict(zip((g for _, g in rows), assign_multilabel_splits(*unzip(rows), PARAMS), strict=True))
    found = dict(zip((g for _, g in shuffled), assign_multilabel_splits(*unzip(shuffled), PARAMS), strict=True))
    assert found == expected


@given(rows_of)
def test_the_order_of_an_examples_labels_does_not_matter(rows):
    upwards = [(sorted(labels), group) for labels, group in rows]
    downwards = [(sorted(labels, reverse=True), group) for labels, group in rows]
    assert assign_multilabel_splits(*unzip(upwards), PARAMS) == assign_multilabel_splits(*unzip(downwards), PARAMS)


@given(st.integers(0, 10_000), st.integers(200, 500))
def test_every_label_is_cut_by_the_fractions(seed, n):
    """No label is four examples from its share, although groups have up to six."""
    rng = np.random.default_rng(seed)
    frequencies = rng.uniform(0.05, 0.5, 6)
    labels = [
        [name for name, share in zip("abcdef", frequencies, strict=True) if rng.random() < share] for _ in range(n)
    ]
    groups = [str(group) for group in rng.integers(0, n, n)]
    splits = assign_multilabel_splits(labels, groups, params(seed))
    fractions = {"train": 0.6, "validation": 0.15, "test": 0.25}
    for name in "abcdef":
        counts = Counter(split for split, names in zip(splits, labels, strict=True) if name in names)
        for split, fraction in fractions.items():
            assert abs(counts[split] - fraction * counts.total()) < 4
    for split, fraction in fractions.items():
        assert splits.count(split) / n == pytest.approx(fraction, abs=0.02)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(3, 12), min_size=1), st.integers(0, 50))
def test_a_label_with_three_groups_of_its_own_is_in_every_split(counts, seed):
    labels = [[name] for name, count in counts.items() for _ in range(count)]
    splits = assign_multilabel_splits(labels, [str(i) for i in range(len(labels))], params(seed))
    for name in counts:
        assert {split for split, names in zip(splits, labels, strict=True) if names == [name]} == set(SPLITS)


def test_stratified_by_labels_is_better_than_by_chance():
    """The rarest label of a film table: chance would leave it out of the validation split one time in five."""
    rng = np.random.default_rng(0)
    labels = [["common", *(["rare"] if i < 12 else [])] for i in range(600)]
    for seed in range(20):
        groups = [str(g) for g in rng.permutation(600)]
        splits = assign_multilabel_splits(labels, groups, params(seed))
        counts = Counter(splits[:12])
        assert counts["train"] in (7, 8)
        assert counts["validation"] in (1, 2)
        assert counts["test"] == 3


def test_another_seed_is_another_split_and_the_same_seed_is_not():
    labels, groups = [["x"]] * 100, [str(i) for i in range(100)]
    splits = assign_multilabel_splits(labels, groups, PARAMS)
    assert assign_multilabel_splits(labels, groups, params(8)) != splits
    assert assign_multilabel_splits(labels, groups, params(7)) == splits

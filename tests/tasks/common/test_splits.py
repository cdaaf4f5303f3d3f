from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tasks.common.data.splits import SPLITS, SplitParams, assign_splits

PARAMS = SplitParams(validation_fraction=0.15, test_fraction=0.25, seed=7, max_rejected_share=0.1)


def replaced(**changes):
    return PARAMS.model_copy(update=changes)


labels_and_groups = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60).map(str)), max_size=120)
fractions = st.floats(0.05, 0.49)


@given(labels_and_groups, st.integers(0, 5), fractions, fractions)
def test_no_group_is_in_two_splits(rows, seed, validation, test):
    params = replaced(validation_fraction=validation, test_fraction=test, seed=seed)
    splits = assign_splits([label for label, _ in rows], [group for _, group in rows], params)
    homes = defaultdict(set)
    for (_, group), split in zip(rows, splits, strict=True):
        homes[group].add(split)
    assert all(len(home) == 1 for home in homes.values())


@given(labels_and_groups, st.randoms(use_true_random=False))
def test_the_order_of_the_examples_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    expected = dict(zip((g for _, g in rows), assign_splits(*_unzip(rows), PARAMS), strict=True))
    found = dict(zip((g for _, g in shuffled), assign_splits(*_unzip(shuffled), PARAMS), strict=True))
    assert found == expected


@given(st.lists(st.integers(1, 50), min_size=3, max_size=40), fractions, fractions)
def test_a_label_with_three_groups_is_in_every_split(sizes, validation, test):
    params = replaced(validation_fraction=validation, test_fraction=test, seed=0)
    groups = [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    assert set(assign_splits(["x"] * len(groups), groups, params)) == set(SPLITS)


def test_every_label_is_cut_by_the_fractions():
    labels = ["rare"] * 40 + ["common"] * 400
    splits = assign_splits(labels, [str(i) for i in range(440)], PARAMS)
    assert Counter(splits[:40]) == {"test": 10, "validation": 6, "train": 24}
    assert Counter(splits[40:]) == {"test": 100, "validation": 60, "train": 240}


@given(st.integers(20, 200), st.integers(0, 3))
def test_a_new_example_moves_only_neighbours_of_a_cut(n, seed):
    params = replaced(seed=seed)
    before = assign_splits(["x"] * n, [str(i) for i in range(n)], params)
    after = assign_splits(["x"] * (n + 1), [str(i) for i in range(n + 1)], params)
    assert sum(old != new for old, new in zip(before, after[:n], strict=True)) <= 2


@given(st.integers(0, 1000))
def test_a_group_of_several_labels_counts_as_its_commonest(seed):
    params = replaced(seed=seed)
    splits = assign_splits([*"aaab", *"bbb"], [*"0000", *"123"], params)
    assert set(splits[4:]) == set(SPLITS)


def test_another_seed_is_another_split():
    groups = [str(i) for i in range(100)]
    other = replaced(seed=8)
    assert assign_splits(["x"] * 100, groups, PARAMS) != assign_splits(["x"] * 100, groups, other)


def _unzip(rows):
    return [label for label, _ in rows], [group for _, group in rows]

"""Whether shares and distributions differ, against SciPy on the raw tables."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats.contingency import association

from pawl.compare.data.distributions import chi_square, chi_square_of_each, kolmogorov_smirnov
from tests.compare.data.manifests import differ

LABELS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=60)
SETS = st.lists(st.sets(st.sampled_from("abcd")), min_size=1, max_size=40)
NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")


@given(LABELS, LABELS)
def test_shares_are_tested_as_scipy_does(folder: Path, base: list[str], head: list[str]) -> None:
    rows = [[(f"{side}{n}", label) for n, label in enumerate(labels)] for side, labels in (("b", base), ("h", head))]
    found = differ(folder, *rows, columns=("id", "label"))
    assert found is not None
    (split,) = found.splits
    names = sorted({*base, *head})
    table = np.array([[Counter(side)[name] for name in names] for side in (base, head)])
    assert [(count.label, count.base, count.head) for count in split.classes] == [
        (name, *table[:, k].tolist()) for k, name in enumerate(names)
    ]
    if len(names) < 2:
        assert (split.test, split.p_value, split.cramers_v) == (None, None, None)
        return
    assert split.test == "chi-square"
    assert split.p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    assert split.cramers_v == pytest.approx(association(table, method="cramer"), abs=1e-9)


@given(SETS, SETS)
def test_of_several_labels_the_one_that_differs_most_counts(folder: Path, base: list[set], head: list[set]) -> None:
    rows = [
        [(f"{side}{n}", "|".join(sorted(labels))) for n, labels in enumerate(sets)]
        for side, sets in (("b", base), ("h", [*head, {"a", "b"}]))
    ]
    found = differ(folder, *rows, columns=("id", "label"))
    assert found is not None
    (split,) = found.splits
    head = [*head, {"a", "b"}]
    tested = []
    for label in "abcd":
        with_it = [sum(label in labels for labels in side) for side in (base, head)]
        table = np.array([[with_it[0], len(base) - with_it[0]], [with_it[1], len(head) - with_it[1]]])
        if table.sum(axis=0).all():
            result = stats.chi2_contingency(table, correction=False)
            tested.append((result.pvalue, math.sqrt(result.statistic / table.sum())))
        count = next((count for count in split.classes if count.label == label), None)
        assert [count.base, count.head] == with_it if count else not any(with_it)
    if tested:
        assert split.p_value == pytest.approx(min(1.0, min(p for p, _ in tested) * len(tested)))
        assert split.cramers_v == pytest.approx(max(v for _, v in tested), abs=1e-9)
    else:
        assert split.p_value is None


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful")
@given(NUMBERS, NUMBERS)
def test_numbers_are_tested_as_scipy_does(base: list[float], head: list[float]) -> None:
    distance, p_value = kolmogorov_smirnov(np.array(base), np.array(head))
    expected = stats.ks_2samp(base, head)
    assert (distance, p_value) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))


def test_numeric_labels_are_no_classes_but_class_numbers_are(folder: Path) -> None:
    rng = np.random.default_rng(0)
    base, head = rng.normal(0, 1, 300), rng.normal(0.5, 1, 300)
    sides = [[(f"e{n}", f"{value:.6f}") for n, value in enumerate(side)] for side in (base, head)]
    found = differ(folder, *sides, columns=("id", "label"))
    assert found is not None
    (split,) = found.splits
    assert (split.test, split.classes, split.cramers_v) == ("Kolmogorov-Smirnov", (), None)
    expected = stats.ks_2samp([float(label) for _, label in sides[0]], [float(label) for _, label in sides[1]])
    assert split.p_value == pytest.approx(expected.pvalue)
    for n_classes in (50, 1_000):
        rows = [(f"e{n}", str(n % n_classes)) for n in range(2_000)]
        found = differ(folder, rows, rows[:-500], columns=("id", "label"))
        assert found is not None
        assert found.splits[0].test == "chi-square"
        assert len(found.splits[0].classes) == min(n_classes, 100)


def test_images_that_became_wider_and_darker_are_seen(folder: Path) -> None:
    rng = np.random.default_rng(0)
    columns = ("id", "width", "mean_intensity", "height", "comment")
    base = [(f"e{n}", rng.integers(100, 200), rng.normal(120, 9), 50, "x") for n in range(200)]
    head = [(f"e{n}", row[1] + 60, row[2] - 5, 50, "1") for n, row in enumerate(base)]
    found = differ(folder, base, head, columns)
    assert found is not None
    assert [shift.what for shift in found.shifts] == ["width in pixels", "mean intensity"]
    width, intensity = found.shifts
    assert width.head_mean == pytest.approx(width.base_mean + 60)
    expected = stats.ks_2samp([row[2] for row in base], [row[2] for row in head])
    assert (intensity.distance, intensity.p_value) == (
        pytest.approx(expected.statistic),
        pytest.approx(expected.pvalue),
    )


def test_without_labels_there_are_no_classes(folder: Path) -> None:
    rows = [(f"e{n}", "fold-0", "", f"d{n}") for n in range(30)]
    found = differ(folder, rows, rows[:-1])
    assert found is not None
    (split,) = found.splits
    assert (split.split, split.classes, split.test) == ("fold-0", (), None)


def test_nothing_to_compare_is_no_p_value() -> None:
    assert chi_square(np.array([3, 4]), np.array([0, 0])) is None
    assert chi_square(np.array([3, 0]), np.array([9, 0])) is None
    assert chi_square_of_each(np.array([3]), np.array([9]), 3, 9) is None

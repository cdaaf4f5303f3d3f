from __future__ import annotations

import pytest

from pawl import schema as s
from pawl.report.confusion import Counts, most_confused, recall_changes, recalls, usable


def matrix(base: Counts | None, head: Counts | None, labels: tuple[str, ...] = ("cat", "dog")) -> s.Confusion:
    return s.Confusion(name="pets", path="p", labels=labels, base=base, head=head)


def test_recall_is_the_share_of_a_row_on_its_diagonal() -> None:
    both = matrix(((8, 2), (0, 0)), ((9, 1), (1, 3)))
    assert recalls(both.base) == [0.8, None]
    assert recalls(both.head) == [0.9, 0.75]
    first, second = recall_changes(both)
    assert first == pytest.approx(0.1)
    assert second is None


def test_one_side_alone_has_no_change() -> None:
    assert recall_changes(matrix(None, ((9, 1), (1, 3)))) == [None, None]


def test_the_most_confused_pairs_come_first_whichever_side_confused_them() -> None:
    both = matrix(((5, 7), (1, 0)), ((5, 0), (3, 0)))
    assert [(p.true, p.predicted, p.base, p.head) for p in most_confused(both, 5)] == [(0, 1, 7, 0), (1, 0, 1, 3)]
    assert len(most_confused(both, 1)) == 1


def test_counts_beyond_a_float_still_have_a_recall() -> None:
    assert recalls(((10**400, 0), (0, 1))) == [1.0, 1.0]


@pytest.mark.parametrize(
    "bad",
    [
        matrix(None, None),
        matrix(((1, 2),), None),
        matrix(((1, 2), (3,)), None),
        matrix(((1, 2), (3, -1)), None),
        matrix(((1, 2), (3, 4)), ((1,), (2,))),
        matrix((), (), labels=()),
    ],
)
def test_what_is_no_square_of_counts_is_not_used(bad: s.Confusion) -> None:
    assert not usable(bad)

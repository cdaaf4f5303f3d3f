from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.retinopathy.model.agreement import agreement, mean_absolute_error, quadratic_weighted_kappa
from tasks.retinopathy.model.ordinal import decide, importance_weights, ordinal_loss, probabilities

LOGITS = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.floats(-50, 50, width=32))
GRADES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(LOGITS)
def test_probabilities_are_a_distribution_that_agrees_with_the_decision(logits):
    scores = probabilities(logits)
    assert scores.shape == (len(logits), logits.shape[1] + 1)
    assert (scores >= 0).all()
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(logits)))
    above = 1 - scores.cumsum(axis=1)[:, :-1]
    certain = (np.abs(above - 0.5) > 1e-9).all(axis=1)
    assert ((above > 0.5).sum(axis=1) == decide(logits))[certain].all()


def test_probabilities_of_answers_in_order_are_their_differences():
    logits = np.log(np.array([[0.9, 0.6, 0.2]]) / (1 - np.array([[0.9, 0.6, 0.2]])))
    assert probabilities(logits) == pytest.approx(np.array([[0.1, 0.3, 0.4, 0.2]]))
    assert decide(logits).tolist() == [2]


def test_the_decision_counts_the_answers_that_are_yes():
    assert decide(np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]])).tolist() == [0, 1, 1, 2]


def test_importance_weights_are_those_of_the_paper():
    """Of ten grades 6 are 0, 3 are 1, 1 is 2: above 0 are 4 of 10, above 1 is 1 of 10."""
    weights = importance_weights(np.array([0] * 6 + [1] * 3 + [2]), 3)
    assert weights == pytest.approx(np.sqrt([6, 9]) / 3)


def test_the_loss_is_the_weighted_mean_of_log_losses():
    import torch
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(0)
    logits, grades = rng.normal(size=(20, 3)), rng.integers(4, size=20)
    weights = np.array([0.5, 1.0, 0.25])
    per_question = [log_loss(grades > k, 1 / (1 + np.exp(-logits[:, k])), labels=[False, True]) for k in range(3)]
    loss = ordinal_loss(weights)(torch.from_numpy(logits).float(), torch.from_numpy(grades))
    assert loss.item() == pytest.approx(np.average(per_question, weights=weights), rel=1e-5)


@given(GRADES)
def test_agreement_is_that_of_scikit_learn(pairs):
    from sklearn.metrics import accuracy_score, cohen_kappa_score, mean_absolute_error

    grades, predicted = np.array(pairs).T
    found = agreement(grades, predicted, 5)
    assert found["mae"] == pytest.approx(mean_absolute_error(grades, predicted))
    assert found["accuracy"] == pytest.approx(accuracy_score(grades, predicted))
    if len(set(grades) | set(predicted)) > 1:
        wanted = cohen_kappa_score(grades, predicted, labels=range(5), weights="quadratic")
        assert found["qwk"] == pytest.approx(wanted, abs=1e-12)
    else:
        assert found["qwk"] == 1


def test_agreement_of_unsigned_grades_does_not_wrap():
    grades, predicted = np.array([0, 4], np.uint8), np.array([4, 0], np.uint8)
    assert mean_absolute_error(grades, predicted) == 4
    assert quadratic_weighted_kappa(grades, predicted, 5) == pytest.approx(-1)

"""Whether the gate would notice: head's own predictions made worse on purpose, and judged as a pull request's are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pawl.compare.gate import gate
from pawl.compare.headline import describe, headline
from pawl.compare.pairs import Paired, maker, matching_outputs, pair_up, rests_on
from pawl.compare.results import SideFiles, metric_values
from pawl.compare.rules import Rules
from pawl.compare.values import Measured
from pawl.compare.verdict import Ground, judge
from pawl.config import guess_direction
from pawl.pipeline.project import Project
from pawl.schema import MetricComparison, Stages

if TYPE_CHECKING:
    import numpy as np

    from pawl.compare.statistics.predictions import Predictions

WORSENED_SHARE = 0.3
"""Share of the examples whose predictions are replaced by wrong ones."""


def check_gate(head: Project, stages: Stages, rules: Rules) -> tuple[bool, list[str]]:
    """Whether each primary metric alone closes the gate once its predictions are worse, and a line for each.

    A primary metric without predictions has its number worsened instead.
    """
    files = SideFiles(head, {s.name: s for s in stages.stages if s.side == "head"})
    values = metric_values(files, files)
    paired = [worsened for path in matching_outputs(files, rules.predictions) if (worsened := _worsened(path, files))]
    lines, closed = [], []
    for where, (value, _) in values.items():
        rule = rules.rule(*where)
        if not rule.primary or value.value is None:
            continue
        _, difference = rests_on(where[1], where[0], maker(where[0], files), paired)
        if difference is not None:
            sides, ground = (Measured(difference.base, "ok"), Measured(difference.head, "ok")), Ground(difference)
        else:
            loss = 2 * (rule.tolerance or 0.0) + 0.5 * abs(value.value) + 1e-6
            lower_is_better = judge({where: (value, value)}, rules, set())[0].direction == "lower"
            sides = value, Measured(value.value + (loss if lower_is_better else -loss), "ok")
            ground = Ground()
        (metric,) = judge({where: sides}, rules, set(), {where: ground})
        closed.append(_closes(metric, rules))
        how = f"{WORSENED_SHARE:.0%} of its predictions made wrong" if difference else "a number made worse"
        lines.append(f"{'closed' if closed[-1] else 'OPEN'}: {describe(metric)}, with {how}: {metric.verdict}")
    if not closed:
        return False, ["fail: there is no primary metric to test the gate with: mark one primary in pawl.yaml."]
    failed = closed.count(False)
    lines.append(
        f"fail: the gate lets {failed} of {len(closed)} worsened metrics in: look at their tolerance and direction."
        if failed
        else f"pass: the gate closes on each of {len(closed)} worsened metrics."
    )
    return not failed, lines


def _closes(metric: MetricComparison, rules: Rules) -> bool:
    """By the verdict on the metric alone: what a model must beat is no part of this test."""
    alone = (metric,)
    verdict, _ = headline(alone, failed=[], changed=True, unchanged_paths=set())
    return metric.verdict in ("worse", "not comparable") and not gate(verdict, alone, rules, set())[0]


def _worsened(path: str, files: SideFiles) -> Paired | None:
    from pawl.compare.statistics.predictions import read_predictions

    file, _ = files.locate(path)
    if file is None:
        return None
    good = read_predictions(file, path)
    return pair_up(path, maker(path, files), good, worsen(good))


def worsen(good: Predictions, share: float = WORSENED_SHARE) -> Predictions:
    """The same predictions with `share` of the examples, chosen by a fixed seed, answered wrongly and surely."""
    import numpy as np

    chosen = np.random.default_rng(0).random(len(good)) < share
    chosen[:1] = True
    rows = np.flatnonzero(chosen)
    values = {
        name: np.where(chosen, _bad_value(numbers, lower=guess_direction(name) == "lower"), numbers)
        for name, numbers in good.values.items()
    }
    if good.targets is None or good.predictions is None or good.kind == "values":
        return replace(good, values=values)
    predictions = good.predictions.copy()
    scores = None if good.scores is None else good.scores.copy()
    if good.kind == "regression":
        predictions[rows] = good.targets[rows] + 3 * (np.std(good.targets) + np.std(predictions - good.targets) + 1e-9)
    elif good.kind == "multi-label":
        predictions[rows] = ~good.targets[rows]
        if scores is not None:
            scores[rows] = predictions[rows]
    else:
        predictions[rows] = (good.targets[rows] + 1) % len(good.labels)
        if scores is not None:
            scores[rows] = 0.01 / max(1, len(good.labels) - 1)
            scores[rows, predictions[rows]] = 0.99
    return replace(good, predictions=predictions, scores=scores, values=values)


def _bad_value(numbers: np.ndarray, *, lower: bool) -> float:
    """Worse than every value that there is."""
    margin = float(numbers.max() - numbers.min()) + 0.5 * float(abs(numbers).max()) + 1e-9
    return float(numbers.max()) + margin if lower else float(numbers.min()) - margin

"""Two prediction files compared on their own: no git, no DVC, no settings."""

from __future__ import annotations

from pathlib import Path

from pawl.compare.headline import headline
from pawl.compare.rules import Rules
from pawl.compare.values import Measured
from pawl.compare.verdict import Ground, judge
from pawl.config import Config, MetricRule
from pawl.errors import InputError, nearest
from pawl.schema import PredictionsComparison


def compare_files(base: Path, head: Path, primary: str | None = None) -> PredictionsComparison:
    """Every metric that both files give, judged; `primary` decides, by default the usual one for what they hold.

    Raises InputError where a file cannot be read, or a metric is named that they do not give.
    """
    from pawl.compare.examples.evidence import evidence
    from pawl.compare.statistics.differences import compare_pairs, default_primary, metric_names
    from pawl.compare.statistics.pairing import pair_predictions
    from pawl.compare.statistics.predictions import read_predictions

    sides = read_predictions(base, str(base)), read_predictions(head, str(head))
    known = metric_names(sides[1])
    if primary is not None and primary not in known:
        raise InputError(f'{head} gives no metric "{primary}" for --primary: {nearest(primary, known)}')
    chosen = primary or default_primary(sides[1])
    pairing = pair_predictions(*sides)
    differences = compare_pairs(pairing.pair) if pairing.pair else ()
    path = "predictions.parquet"  # a name that adds nothing to those of the metrics
    values = {(path, d.name): (Measured(d.base, "ok"), Measured(d.head, "ok")) for d in differences}
    grounds = {(path, d.name): Ground(d) for d in differences}
    rules = Rules(None, Config(metrics={f"*:{chosen}": MetricRule(primary=True)} if chosen else {}))
    metrics = judge(values, rules, set(), grounds)
    verdict, sentence = headline(metrics, failed=[], changed=True, unchanged_paths=set())
    if pairing.pair is None:
        verdict, sentence = "not comparable", f"Not comparable: {pairing.problem}"
    return PredictionsComparison(
        base_predictions=str(base),
        head_predictions=str(head),
        verdict=verdict,
        headline=sentence,
        metrics=metrics,
        evidence=(evidence(head.stem, path, *sides, pairing, chosen, None),),
    )

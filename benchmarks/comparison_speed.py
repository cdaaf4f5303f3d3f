"""How long a comparison of a million predictions takes, reading and pairing included, beside scipy's bootstrap."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pull_requests import Cell, simulate
from benchmarks.timing import SOURCE, Row, peak_mib

EXAMPLES = 1_000_000
METRICS = ("accuracy", "macro_f1", "log_loss", "auroc", "brier")
RESAMPLES = 2_000
PEER_SECONDS = 60.0
PEER_SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def rows(scratch: Path) -> list[Row]:
    """A row for seconds and one for peak memory: ours of a million examples, scipy's of what it does in a minute."""
    print(f"benchmark: writing {EXAMPLES:,} predictions of two models", flush=True)
    write_both(scratch, EXAMPLES)
    ours = _in_own_process("ours", scratch, EXAMPLES)
    print(f"benchmark: compared in {ours['seconds']:.1f} s", flush=True)
    largest, peer = 0, {"seconds": 0.0, "mib": 0.0}
    for size in PEER_SIZES:
        found = _in_own_process("scipy", scratch, size)
        print(f"benchmark: scipy's bootstrap of {size:,} examples: {found['seconds']:.1f} s", flush=True)
        if found["seconds"] > PEER_SECONDS:
            break
        largest, peer = size, found
    per_example = peer["seconds"] / max(largest, 1) * EXAMPLES / ours["seconds"]
    what = f"{EXAMPLES:,} examples, {len(METRICS)} metrics, {RESAMPLES:,} resamples, from two files"
    who = f"scipy.stats.bootstrap, {largest:,} examples in arrays"
    return [
        (
            what,
            f"{ours['seconds']:.2f} s",
            f"{peer['seconds']:.2f} s: {who}",
            f"{1 / per_example:.5f} per example",
            "under 10 s",
        ),
        ("peak memory of that process", f"{ours['mib']:.0f} MiB", f"{peer['mib']:.0f} MiB", "", "under 1.5 GB"),
    ]


def write_both(folder: Path, examples: int) -> None:
    """base.parquet and head.parquet; head's rows are in another order."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    pair = simulate(Cell(examples, 2, "balanced", 0, 0.05), random)
    labels = np.array(pair.base.labels, dtype=object)
    for name, side, order in (
        ("base", pair.base, np.arange(examples)),
        ("head", pair.head, random.permutation(examples)),
    ):
        assert side.targets is not None
        assert side.predictions is not None
        assert side.scores is not None
        table = {
            "id": pa.array([f"example-{number:08d}" for number in order.tolist()]),
            "target": pa.array(labels[side.targets[order]], pa.string()),
            "prediction": pa.array(labels[side.predictions[order]], pa.string()),
            "score:0": pa.array(side.scores[order, 0]),
            "score:1": pa.array(side.scores[order, 1]),
        }
        pq.write_table(pa.table(table), folder / f"{name}.parquet")


def measure_ours(folder: Path) -> None:
    """Read, pair and compare."""
    from pawl.compare.statistics.differences import compare_pairs
    from pawl.compare.statistics.pairing import pair_predictions
    from pawl.compare.statistics.predictions import read_predictions

    found = pair_predictions(*(read_predictions(folder / f"{name}.parquet") for name in ("base", "head")))
    assert found.pair is not None, found.problem
    differences = compare_pairs(found.pair, METRICS, resamples=RESAMPLES)
    assert tuple(one.name for one in differences) == METRICS


def measure_scipy(examples: int) -> None:
    """The same metrics of one draw in memory, with statistics that are vectorised over resamples where they can be."""
    import numpy as np
    from scipy.stats import bootstrap, rankdata

    pair = simulate(Cell(examples, 2, "balanced", 0, 0.05), np.random.default_rng(0))
    truth = np.asarray(pair.base.targets)
    said_base, said_head = np.asarray(pair.base.predictions), np.asarray(pair.head.predictions)
    base_scores, head_scores = np.asarray(pair.base.scores), np.asarray(pair.head.scores)

    def mean(x: np.ndarray, axis: int) -> np.ndarray:
        return x.mean(axis=axis)

    def macro_f1(codes: np.ndarray, axis: int) -> np.ndarray:
        target = codes >> 2
        f1 = []
        for said in (codes >> 1 & 1, codes & 1):
            hit = ((target == said) & (target == 1)).sum(axis=axis)
            none = ((target == said) & (target == 0)).sum(axis=axis)
            wrong = (target != said).sum(axis=axis)
            f1.append(hit / (2 * hit + wrong) + none / (2 * none + wrong))
        return f1[1] - f1[0]

    def auroc(target: np.ndarray, of_base: np.ndarray, of_head: np.ndarray, axis: int) -> np.ndarray:
        positives, n = target.sum(axis=axis), target.shape[axis]
        sums = [(rankdata(scores, axis=axis) * target).sum(axis=axis) for scores in (of_base, of_head)]
        return (sums[1] - sums[0]) / (positives * (n - positives))

    rows_at_once = max(1, 20_000_000 // examples)
    settings = {"n_resamples": RESAMPLES, "method": "percentile", "vectorized": True, "batch": rows_at_once, "rng": 0}
    rows = np.arange(examples)
    hits = (said_head == truth).astype(float) - (said_base == truth)
    losses = np.log(base_scores[rows, truth]) - np.log(head_scores[rows, truth])
    squares = (head_scores[:, 1] - truth) ** 2 - (base_scores[:, 1] - truth) ** 2
    for values in (hits, losses, squares):
        bootstrap((values,), mean, **settings)
    bootstrap((truth * 4 + said_base * 2 + said_head,), macro_f1, **settings)
    bootstrap((truth, base_scores[:, 1], head_scores[:, 1]), auroc, paired=True, **settings)


def _in_own_process(which: str, folder: Path, examples: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.comparison_speed", which, str(folder), str(examples)],
        cwd=SOURCE,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{which} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def main(arguments: Sequence[str]) -> None:
    """Measure one way in this process, imports included, and print seconds and the peak of its memory."""
    which, folder, examples = arguments
    start = time.perf_counter()
    if which == "ours":
        measure_ours(Path(folder))
    else:
        measure_scipy(int(examples))
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "mib": peak_mib()}))


if __name__ == "__main__":
    main(sys.argv[1:])

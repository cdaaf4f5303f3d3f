"""Whether the verdict knows the luck of the seed from a model that learnt from half the examples, on real trainings.

A hundred pretend pull requests on the digits: the same code with another seed, where any change is luck, and half of
the training split, where it is not. Each has a base of its own, since one lucky base would decide all of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.timing import SOURCE, Row

PULL_REQUESTS = 100
_METRICS = "results/digits/metrics.json"
_PREDICTIONS = "results/digits/predictions.parquet"


@dataclass(frozen=True)
class Training:
    """One training of the digits, and where its results go."""

    seed: int
    share: float
    results: Path


def rows(scratch: Path) -> list[Row]:
    """Some 300 trainings of about 2 s each."""
    root = scratch / "main"
    subprocess.run(["git", "clone", "--quiet", str(SOURCE), str(root)], check=True)
    subprocess.run(
        [sys.executable, "-m", "pawl", "run", "--base", "HEAD", "--all", "--no-pictures"], cwd=root, check=True
    )
    source = int.from_bytes(os.urandom(3), "big")
    seeds = [1_000 + (source + at) % 2**24 for at in range(3 * PULL_REQUESTS)]
    print(f"benchmark: {len(seeds)} trainings, seeds from {seeds[0]}", flush=True)
    thirds = seeds[:PULL_REQUESTS], seeds[PULL_REQUESTS : 2 * PULL_REQUESTS], seeds[2 * PULL_REQUESTS :]
    bases, others = ([Training(seed, 1.0, scratch / "results" / str(seed)) for seed in third] for third in thirds[:2])
    halves = [Training(seed, 0.5, scratch / "results" / str(seed)) for seed in thirds[2]]
    _train(root, scratch, [*bases, *others, *halves])
    table = []
    for what, heads, wanted in (
        ("another seed", others, "no measurable change"),
        ("half the training split", halves, "worse"),
    ):
        for noise in (True, False):
            verdicts = Counter(_verdict(root, base, head, noise=noise) for base, head in zip(bases, heads, strict=True))
            counted = ", ".join(f"{verdict} {count}" for verdict, count in verdicts.most_common())
            known = "seed luck as noise.json has it" if noise else "seed luck unknown"
            plain = sum(_plain_verdict(base, head) == wanted for base, head in zip(bases, heads, strict=True))
            aim = f"{wanted}: at least 95" if noise else "none"
            table.append((f"{what}, {known}", counted, f"comparing two accuracies: {wanted} {plain}", "", aim))
    return table


def _verdict(root: Path, base: Training, head: Training, *, noise: bool) -> str:
    """The headline of the pull request, by this repository's own pawl.yaml."""
    from pawl.compare.headline import headline
    from pawl.compare.rules import Rules
    from pawl.compare.statistics.differences import compare_pairs
    from pawl.compare.statistics.names import canonical
    from pawl.compare.statistics.pairing import pair_predictions
    from pawl.compare.statistics.predictions import read_predictions
    from pawl.compare.values import Measured
    from pawl.compare.verdict import Ground, judge
    from pawl.config import load_config
    from pawl.noise.spread import read_noise

    config = load_config(root)
    rules = Rules(None, config, read_noise(root, config) if noise else None)
    pairing = pair_predictions(*(read_predictions(side.results / "predictions.parquet") for side in (base, head)))
    assert pairing.pair is not None, pairing.problem
    differences = {difference.name: difference for difference in compare_pairs(pairing.pair)}
    sides = [json.loads((side.results / "metrics.json").read_text(encoding="utf-8")) for side in (base, head)]
    values = {
        (_METRICS, key): (Measured(sides[0][key], "ok"), Measured(sides[1][key], "ok"))
        for key in sides[0]
        if rules.rule(_METRICS, key).direction != "none"
    }
    found = {where: differences.get(canonical(where[1]) or where[1]) for where in values}
    metrics = judge(values, rules, set(), {where: Ground(d) for where, d in found.items() if d is not None})
    return headline(metrics, failed=[], changed=True, unchanged_paths=set())[0]


def _plain_verdict(base: Training, head: Training) -> str:
    """What comparing two numbers says."""
    before, after = (
        json.loads((side.results / "metrics.json").read_text(encoding="utf-8"))["accuracy"] for side in (base, head)
    )
    return "no measurable change" if before == after else "better" if after > before else "worse"


def _train(root: Path, scratch: Path, trainings: Sequence[Training]) -> None:
    workers = len(os.sched_getaffinity(0))
    shares = [(root, scratch / f"worker{at}", trainings[at::workers]) for at in range(workers)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done in pool.map(_train_some, shares):
            print(f"benchmark: {done} trainings done", flush=True)


def _train_some(share: tuple[Path, Path, Iterable[Training]]) -> int:
    """The stages train and evaluate, as dvc.yaml runs them, one after the other in one process."""
    import yaml

    root, own, trainings = share
    sys.path.insert(0, str(root / "src"))
    from tasks.common.stage.run import run_stage

    shutil.copytree(root / "data" / "digits" / "prepared", own / "data" / "digits" / "prepared")
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    done = 0
    for training in trainings:
        params["digits"]["train"] |= {"seed": training.seed, "train_share": training.share}
        (own / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        for stage in ("train", "evaluate"):
            run_stage(stage, "digits", own)
        training.results.mkdir(parents=True)
        for name in (_METRICS, _PREDICTIONS):
            shutil.copy(own / name, training.results)
        done += 1
    return done

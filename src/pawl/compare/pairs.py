"""The predictions of both sides: which files there are, and what pairing them gives each metric to rest on."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pawl.compare.results import SideFiles, group_of
from pawl.compare.values import Measured
from pawl.compare.verdict import Ground
from pawl.errors import InputError
from pawl.pipeline.project import stage_name
from pawl.schema import Evidence, MetricComparison, Plan, WhyNot

if TYPE_CHECKING:
    from pawl.compare.statistics.differences import Difference
    from pawl.compare.statistics.pairing import Pairing
    from pawl.compare.statistics.predictions import Predictions

_MOST_FILES_WALKED = 20_000
_SAME_VALUE = 1e-6
Values = dict[tuple[str, str], tuple[Measured, Measured]]


@dataclass(frozen=True)
class Paired:
    """One predictions file on both sides."""

    path: str
    stage: str
    """That writes it."""
    base: Predictions | None
    head: Predictions | None
    pairing: Pairing | None
    differences: Mapping[str, Difference]
    """By canonical name."""
    why_not: WhyNot | None
    problem: str


def paired_files(base: SideFiles | None, head: SideFiles, paths: Iterable[str]) -> list[Paired]:
    """The predictions files, relative to the project, paired where it can be."""
    return [_paired(path, base, head) for path in paths]


def matching_outputs(side: SideFiles, patterns: Sequence[str]) -> Iterator[str]:
    """The outputs of stages, and the files in such outputs, that match a pattern; relative to the project."""
    for place in side.project.producers:
        path = side.project.relative(place)
        if _matches(path, patterns):
            yield path
        elif os.path.isdir(place):  # noqa: PTH112
            for inner in _files_in(Path(place)):
                if _matches(f"{path}/{inner}", patterns):
                    yield f"{path}/{inner}"


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _files_in(folder: Path) -> Iterator[str]:
    """In one order on every machine; no more than a folder of results has, because data may have millions."""
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        inner = place[len(str(folder)) + 1 :].replace(os.sep, "/")
        found += [f"{inner}/{name}" if inner else name for name in sorted(names)]
        if len(found) > _MOST_FILES_WALKED:
            return
    yield from found


def _paired(path: str, base: SideFiles | None, head: SideFiles) -> Paired:
    stage = maker(path, head, base)
    sides: list[Predictions | None] = []
    for side, name in ((base, "base"), (head, "head")):
        try:
            sides.append(_read(side, path, name))
        except InputError as error:
            return Paired(path, stage, None, None, None, {}, "nothing to pair", str(error))
    before, after = sides
    if before is None or after is None:
        # Without base's there is nothing to fall behind yet; without head's there is, and it cannot be told.
        lost = before is not None
        problem = "head has no predictions where base has some" if lost else ""
        return Paired(path, stage, before, after, None, {}, "nothing to pair" if lost else None, problem)
    return pair_up(path, stage, before, after)


def pair_up(path: str, stage: str, before: Predictions, after: Predictions) -> Paired:
    """Two sides' predictions, and every metric's difference where they are of the same examples."""
    from pawl.compare.statistics.differences import compare_pairs
    from pawl.compare.statistics.pairing import pair_predictions

    pairing = pair_predictions(before, after)
    if pairing.pair is None:
        return Paired(path, stage, before, after, pairing, {}, pairing.cause or "nothing to pair", pairing.problem)
    found = {difference.name: difference for difference in compare_pairs(pairing.pair)}
    return Paired(path, stage, before, after, pairing, found, None, "")


def _read(side: SideFiles | None, path: str, name: str) -> Predictions | None:
    from pawl.compare.statistics.predictions import read_predictions

    file = side.locate(path)[0] if side else None
    return read_predictions(file, f"{path} of {name}") if file else None


@dataclass
class Grounds:
    """What the metrics rest on."""

    of: dict[tuple[str, str], Ground] = field(default_factory=dict)
    """By (file, key)."""
    recomputed: Values = field(default_factory=dict)
    """The metrics that predictions give and no metrics file has, under the path of the predictions."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """By predictions file."""


def grounds_of(paired: Sequence[Paired], values: Values, head: SideFiles, base: SideFiles | None) -> Grounds:
    """What each metric of the metrics files can rest on, and what the predictions give besides.

    A metric belongs to the predictions that its stage wrote, and among several to those in the nearest folder.
    """
    found = Grounds()
    claimed: set[tuple[str, str]] = set()
    for (path, key), (before, after) in values.items():
        owner, difference = rests_on(key, path, maker(path, head, base), paired)
        if owner is not None and owner.why_not:
            found.of[path, key] = Ground(why_not=owner.why_not, reason=owner.problem.rstrip("."))
        elif owner is not None and difference is not None:
            told = _other_values(f"{path}:{key}", (before, after), difference)
            if told and "." in key:
                continue  # such as val.accuracy: the same word for another split's number
            claimed.add((owner.path, difference.name))
            found.notes.setdefault(owner.path, []).extend(told)
            if before.value is not None and after.value is not None:
                found.of[path, key] = Ground(difference)
    for file in paired:
        for name, difference in file.differences.items():
            if (file.path, name) not in claimed:
                found.recomputed[file.path, name] = (Measured(difference.base, "ok"), Measured(difference.head, "ok"))
                found.of[file.path, name] = Ground(difference)
    return found


def rests_on(key: str, path: str, stage: str, paired: Sequence[Paired]) -> tuple[Paired | None, Difference | None]:
    """The predictions that a metric of `stage` belongs to, and their difference in it, where they have any."""
    mine = [file for file in paired if stage and file.stage == stage]
    owner = max(mine, key=lambda file: _common(file.path, path), default=None)
    return owner, owner.differences.get(_canonical(key, owner)) if owner else None


def maker(path: str, *sides: SideFiles | None) -> str:
    """The stage that writes the file `path`, on the first side that has one; empty where none has."""
    stages = (side.producer(path) for side in sides if side is not None)
    return next((stage_name(stage) for stage in stages if stage is not None), "")


def other_evaluation(
    plan: Plan,
    head: SideFiles,
    models: Sequence[str],
    grounds: Mapping[tuple[str, str], Ground],
    wheres: Collection[tuple[str, str]],
    rescored: set[str],
) -> dict[tuple[str, str], Ground]:
    """Why the metrics of files cannot be compared whose evaluation itself changed, and was not `rescored` (stages).

    What evaluation shares with training, such as the network, is part of the model and no other yardstick.
    """
    from pawl.pipeline.evaluation import evaluation_differs

    reasons: dict[str, str] = {}
    for path, change in evaluation_differs(plan, head.project, models, {path for path, _ in wheres}).items():
        if change.own and maker(path, head) not in rescored:
            named = ", ".join(change.own[:3]) + (" and more" if len(change.own) > 3 else "")
            reasons[path] = f"the evaluation itself changed ({named})"
    return {
        where: Ground(why_not="other evaluation", reason=reasons[where[0]])
        for where in wheres
        if where[0] in reasons and not (where in grounds and grounds[where].why_not)
    }


def evidence_of(
    paired: Sequence[Paired],
    metrics: Sequence[MetricComparison],
    grounds: Grounds,
    root: Path,
) -> tuple[Evidence, ...]:
    """What the pairs say beyond the metrics; slices are judged by the primary metric, where there is one."""
    primary = {
        id(ground.difference): ground.difference.name
        for metric in metrics
        if metric.primary and (ground := grounds.of.get((metric.path, metric.key))) and ground.difference
    }
    found = []
    for file in paired:
        named = [primary[id(d)] for d in file.differences.values() if id(d) in primary]
        some = file.head or file.base
        if file.pairing is not None and file.base is not None and file.head is not None:
            from pawl.compare.examples.evidence import evidence

            made = evidence(
                group_of(file.path), file.path, file.base, file.head, file.pairing, next(iter(named), None), root
            )
            found.append(made.model_copy(update={"notes": tuple(grounds.notes.get(file.path, ()))[:20]}))
        elif file.problem:
            kind = some.kind if some else "values"
            found.append(
                Evidence(
                    name=group_of(file.path),
                    path=file.path,
                    kind=kind,
                    paired=0,
                    why_not=file.why_not,
                    problem=file.problem[:2_000],
                )
            )
    return tuple(found)


def _common(one: str, other: str) -> int:
    parts = zip(PurePosixPath(one).parent.parts, PurePosixPath(other).parent.parts, strict=False)
    return next(
        (at for at, (a, b) in enumerate(parts) if a != b), min(len(PurePosixPath(p).parent.parts) for p in (one, other))
    )


def _canonical(key: str, owner: Paired) -> str:
    from pawl.compare.statistics.names import canonical

    last = key.rsplit(".", 1)[-1]
    return last if last in owner.differences else canonical(last) or last


def _other_values(name: str, sides: tuple[Measured, Measured], difference: Difference) -> list[str]:
    """Where the metrics file says something else than the predictions: the predictions count."""
    return [
        f"{name} of {side} is {file.value:.6g} in its file, and {counted:.6g} by the predictions, which count."
        for side, file, counted in zip(("base", "head"), sides, (difference.base, difference.head), strict=True)
        if file.value is not None
        and abs(file.value - counted) > _SAME_VALUE * max(1.0, abs(counted))
        and f"{file.value:.4g}" != f"{counted:.4g}"
    ]

"""The results of base and head, side by side, as their stages left them; only what a stage of this run vouches for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pawl.compare.files import (
    columns_of,
    confusion_columns,
    measured,
    natural,
    read_confusion,
    read_curves,
    read_metrics,
    step_column,
    tables_in,
)
from pawl.compare.values import Measured
from pawl.pipeline.project import Project, params_of, read_params, stage_name
from pawl.schema import MAX_LABELS, Confusion, Curve, Series, StageResult

if TYPE_CHECKING:
    from dvc.stage import Stage

State = Literal["ok", "missing", "failed", "not run"]
_GENERIC_FOLDERS = {"results", "history", "plots", "metrics", "dvclive", "reports", "static", "eval", "evaluation", "."}


@dataclass(frozen=True)
class SideFiles:
    """One side's checkout and what happened to its stages; `same_as` is the side that a stage left out here equals."""

    project: Project
    outcomes: dict[str, StageResult]
    same_as: SideFiles | None = None
    instead: SideFiles | None = None
    """Whose results go before this side's, where it has any: base's model judged by head's evaluation."""

    def locate(self, path: str) -> tuple[Path | None, State]:
        """Where the result `path` (relative to the project) can be read, or why it cannot."""
        if self.instead is not None:
            found, state = self.instead.locate(path)
            if found is not None:
                return found, state
        stage, absolute = self.producer(path), os.path.join(self.project.root, path)
        if stage is None or not stage.cmd:
            return None, "missing"
        result = self.outcomes.get(stage_name(stage))
        if result is None:
            known_there = self.same_as is not None and self.same_as.project.stage(stage_name(stage)) is not None
            return self.same_as.locate(path) if self.same_as and known_there else (None, "not run")
        if not result.present:
            return None, "failed" if result.outcome == "failed" else "not run"
        return (Path(absolute), "ok") if Path(absolute).exists() else (None, "missing")

    def producer(self, path: str) -> Stage | None:
        """The stage whose output `path` (relative to the project) is or lies in."""
        absolute = os.path.join(self.project.root, path)
        for at, out in self.project.producers.items():
            if absolute == at or absolute.startswith(at + os.sep):
                return out.stage
        return None

    def metric_paths(self) -> list[str]:
        """The metrics files that stages declare, and those that dvc.yaml names on top, relative to the project."""
        index = self.project.repo.index
        paths = [self.project.relative(out.fs_path) for out in index.metrics if out.protocol == "local"]
        return _distinct([*paths, *self._top_level(index._metrics)])

    def plot_paths(self) -> list[str]:
        """Likewise for plots."""
        index = self.project.repo.index
        paths = [self.project.relative(out.fs_path) for out in index.plots if out.protocol == "local"]
        return _distinct([*paths, *self._top_level(index._plots)])

    def step_of(self, path: str) -> str | None:
        """The column that dvc.yaml declares as the x axis of a plot."""
        out = self.project.producers.get(os.path.join(self.project.root, path))
        return out.plot.get("x") if out is not None and isinstance(out.plot, dict) else None

    def params(self) -> dict[tuple[str, str], Any]:
        """Every parameter that a stage reads, as it is in the checkout."""
        from dvc.dependency import ParamsDependency

        found: dict[tuple[str, str], Any] = {}
        for stage in self.project.stages:
            for dep in stage.deps:
                if isinstance(dep, ParamsDependency):
                    read_params(self.project, dep)
            found |= params_of(stage)
        return found

    def _top_level(self, declared: dict[str, Any]) -> Iterator[str]:
        for dvcfile, entries in declared.items():
            folder = Path(dvcfile).parent
            for entry in entries:
                name = next(iter(entry)) if isinstance(entry, dict) else entry
                if isinstance(name, str):
                    yield self.project.relative(os.path.join(self.project.root, folder, name))


def metric_values(base: SideFiles | None, head: SideFiles) -> dict[tuple[str, str], tuple[Measured, Measured]]:
    """(file, key) -> what base and head measured; a file that one side has not stands under the other's keys."""
    found: dict[tuple[str, str], tuple[Measured, Measured]] = {}
    for path in _distinct([*head.metric_paths(), *(base.metric_paths() if base else [])]):
        sides = [_read_side(side, name, path) for side, name in ((base, "base"), (head, "head"))]
        keys = _distinct([*sides[1][0], *sides[0][0]])
        for key in keys:
            before, after = (
                measured(values[key])
                if key in values
                else Measured(value=None, state="missing" if state == "ok" else state)
                for values, state in sides
            )
            if "ok" in (before.state, after.state) or {before.state, after.state} & {"nan", "infinite"}:
                found[path, key] = (before, after)
        if not keys and {state for _, state in sides} != {"not run"}:
            found[path, ""] = (
                Measured(value=None, state=_absent(sides[0][1])),
                Measured(value=None, state=_absent(sides[1][1])),
            )
    return found


def curves(base: SideFiles | None, head: SideFiles) -> list[Curve]:
    """Every training history that either side's plots hold."""
    found: dict[tuple[str, str], dict[str, Series]] = {}
    for name, side in (("base", base), ("head", head)):
        for declared, path, file in _tables(side):
            columns = columns_of(file)
            step = step_column(columns, side.step_of(declared)) if side and not confusion_columns(columns) else None
            if step:
                for column, series in read_curves(file, step).items():
                    found.setdefault((path, column), {})[name] = series
    named = {where: curve_name(*where) for where in found}
    return [
        Curve(
            name=named[where][1], group=named[where][0], path=where[0], base=sides.get("base"), head=sides.get("head")
        )
        for where, sides in found.items()
    ]


def confusions(base: SideFiles | None, head: SideFiles) -> list[Confusion]:
    """Every plot with a column of actual and one of predicted classes, counted."""
    counts: dict[str, dict[str, Any]] = {}
    for name, side in (("base", base), ("head", head)):
        for _, path, file in _tables(side):
            pair = confusion_columns(columns_of(file))
            counted = read_confusion(file, *pair) if pair else None
            if counted:
                counts.setdefault(path, {})[name] = counted
    found = []
    for path, sides in counts.items():
        labels = sorted({label for counted in sides.values() for pair in counted for label in pair}, key=natural)
        if len(labels) > MAX_LABELS:
            continue
        tables = {
            name: tuple(tuple(counted[actual, predicted] for predicted in labels) for actual in labels)
            for name, counted in sides.items()
        }
        found.append(
            Confusion(
                name=group_of(path), path=path, labels=tuple(labels), base=tables.get("base"), head=tables.get("head")
            )
        )
    return found


def _read_side(side: SideFiles | None, name: str, path: str) -> tuple[dict[str, Any], State]:
    if side is None:
        return {}, "missing"
    file, state = side.locate(path)
    return (read_metrics(file, f"{path} of {name}"), "ok") if file else ({}, state)


def _absent(state: State) -> Literal["missing", "failed", "not run"]:
    return "missing" if state == "ok" else state


def _tables(side: SideFiles | None) -> Iterator[tuple[str, str, Path]]:
    """(declared plot, path of the table, the file) for every table that the side's plots hold."""
    for declared in side.plot_paths() if side else []:
        place, _ = side.locate(declared) if side else (None, "missing")
        for inner, file in tables_of(declared, place) if place else ():
            yield declared, inner, file


def tables_of(declared: str, place: Path) -> Iterator[tuple[str, Path]]:
    """(path of the table, the file) for a declared plot, a file or a folder, that lies at `place`."""
    for file in tables_in(place):
        yield (f"{declared}/{file.relative_to(place).as_posix()}" if place.is_dir() else declared), file


def curve_name(path: str, column: str) -> tuple[str, str]:
    """(group, name) of a history: `results/digits/history/plots/metrics/val/loss.tsv` is `val/loss` of `digits`."""
    parts = PurePosixPath(path).with_suffix("").parts
    if "metrics" in parts:
        at = len(parts) - 1 - parts[::-1].index("metrics")
        return group_of("/".join(parts[:at])), "/".join(parts[at + 1 :]) or column
    return group_of(path), column


def group_of(path: str) -> str:
    """What a file is about, by its path: `digits` for `results/digits/metrics.json`."""
    parts = [part for part in PurePosixPath(path).parts if part not in _GENERIC_FOLDERS and "." not in part]
    return "/".join(parts) or PurePosixPath(path).stem or "training"


def _distinct(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))

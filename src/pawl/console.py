"""What the terminal shows: progress on standard error, results on standard output."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.schema import Comparison, MetricComparison, Plan, PredictionsComparison

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from pawl.pipeline.progress import Progress

_MOST_ROWS = 60
_SEED_LUCK = "The luck of the seed, by which another training of the same would differ, is in no prediction file."
_CONTROL = {code: None for code in (*range(32), 127, *range(128, 160)) if code != 9}


def say(line: str) -> None:
    """One line of progress; control characters, which a stage's output may carry, do not reach the terminal."""
    print(line.translate(_CONTROL), file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def watch(progress: Progress) -> Iterator[None]:
    """On a terminal, rows at the bottom that say what runs and how many stages are done; in a log file nothing."""
    # Some runners give their jobs a terminal, and keep as a log what it is told.
    if not sys.stderr.isatty() or os.environ.get("CI"):
        yield
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, highlight=False)
    # Lines printed meanwhile appear above; standard output stays as it is, for what reads it.
    with Live(get_renderable=lambda: _standing(progress), console=console, transient=True, redirect_stdout=False):
        yield


def _standing(progress: Progress) -> RenderableType:
    """One row for each running stage (name, seconds, last line), and one for all."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from pawl.pipeline.progress import in_words

    standing = progress.standing()
    table = Table.grid(padding=(0, 2), expand=True)
    for ratio in (None, None, 1):
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
    for stage in standing.running:
        cells = (stage.name, in_words(time.monotonic() - stage.since), stage.line)
        table.add_row(*(Text(cell.translate(_CONTROL)) for cell in cells))
    summary = f"{standing.done} of {standing.total} stages done, {len(standing.running)} running"
    return Group(table, Text(summary)) if standing.total or standing.running else Text()


def show_plan(plan: Plan) -> None:
    """The plan as a table: stage, what happens on head and on base, and why."""
    from rich.text import Text

    table = _table("stage", "head", "base", "because")
    for stage in plan.stages:
        because = "; ".join(f"{cause.kind} {_change(cause.what, cause.base, cause.head)}" for cause in stage.causes[:4])
        row = (
            stage.name,
            stage.action,
            stage.base_action,
            because or stage.note or ("its entry in dvc.lock has no run on record" if stage.unproven else ""),
        )
        table.add_row(*(Text(cell.translate(_CONTROL)) for cell in row))
    _print(f"{plan.head.name} ({plan.head.commit[:10]}) against {plan.base.name} ({plan.base.commit[:10]})", table)
    for note in plan.notes:
        _print(note)


def show_comparison(comparison: Comparison, reports: Path | None = None) -> None:
    """The verdict, the judged metrics as a table where any differs, what the gate says, and where the report is."""
    if comparison.metrics and comparison.verdict != "unchanged":
        names = f"base {comparison.base.commit[:7]}", f"head {comparison.head.commit[:7]}"
        shown = [m for m in comparison.metrics if m.primary or _tells(m)]
        _print(_metrics_table(shown or comparison.metrics, *names))
        if shown and len(shown) < len(comparison.metrics):
            _print(f"{len(comparison.metrics) - len(shown)} more without measurable change, or only described")
        if any(metric.primary for metric in comparison.metrics):
            _print("* primary: the gate is decided by it")
    lines = [
        "",
        comparison.headline,
        f"Gate: {'pass' if comparison.gate_passed else 'FAIL'}: {comparison.gate_reason}.",
    ]
    if reports:
        lines += [f"Report:  {(reports / 'report.html').as_uri()}", f"Comment: {reports / 'report.md'}"]
    for line in lines:
        print(line.translate(_CONTROL))  # noqa: T201


def show_predictions_comparison(found: PredictionsComparison) -> None:
    """Two prediction files: every metric with its interval, and the verdict."""
    if found.metrics:
        _print(_metrics_table(found.metrics, "base", "head", with_methods=True))
        if any(metric.primary for metric in found.metrics):
            _print("* primary: the verdict rests on it. Intervals are of head - base, at 95 %.")
    _print("", found.headline, _SEED_LUCK)


def _metrics_table(metrics: Sequence[MetricComparison], base: str, head: str, *, with_methods: bool = False) -> Table:
    from rich.text import Text

    last = ("by",) if with_methods else ()
    table = _table("metric", base, head, "difference", "95 % interval", "p", "verdict", *last)
    judged = [metric for metric in metrics if metric.primary or metric.direction != "none"]
    for metric in (judged or metrics)[:_MOST_ROWS]:
        sides = (_shown(metric.base, metric.base_state), _shown(metric.head, metric.head_state))
        row = (
            f"{metric.name}{' *' if metric.primary else ''}",
            *sides,
            "" if metric.difference is None else f"{metric.difference:+.4g}",
            "" if metric.lower is None or metric.upper is None else f"{metric.lower:+.3g} to {metric.upper:+.3g}",
            "" if metric.p_corrected is None else f"{metric.p_corrected:.2g}",
            metric.verdict,
            *((metric.method,) if with_methods else ()),
        )
        table.add_row(*(Text(cell.translate(_CONTROL)) for cell in row))
    return table


def _shown(value: float | None, state: str) -> str:
    return f"{value:.6g}" if value is not None else state


def _tells(metric: MetricComparison) -> bool:
    """Whether somebody chose the metric, or it moved."""
    return metric.direction != "none" and (
        metric.verdict in ("better", "worse") or not metric.path.endswith(".parquet")
    )


def _change(what: str, base: str | None, head: str | None) -> str:
    return what if base is None and head is None else f"{what} {base} -> {head}"


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(*items: object) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else 140)
    for item in items:
        if isinstance(item, str):
            console.print(item.translate(_CONTROL), markup=False, soft_wrap=True)
        else:
            console.print(item)

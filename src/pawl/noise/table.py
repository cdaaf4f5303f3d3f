"""The spread of each metric on the terminal."""

from __future__ import annotations

import sys

from pawl.schema import Noise

_CONTROL = dict.fromkeys((*range(32), 127, *range(128, 160)))


def show_noise(noise: Noise) -> None:
    """One row for each metric: mean, standard deviation and range over the trainings, and how many there are."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("metric", "own seeds", "mean", "standard deviation", "lowest", "highest", "trainings"):
        table.add_column(column, overflow="fold", justify="left" if column == "metric" else "right")
    for metric in noise.metrics:
        values = [value for value in metric.values if value is not None]
        own = metric.values[0]
        row = (
            f"{metric.path}:{metric.key}",
            "" if own is None else f"{own:.5g}",
            f"{metric.mean:.5g}",
            f"{metric.standard_deviation:.3g}",
            f"{min(values):.5g}",
            f"{max(values):.5g}",
            str(metric.count),
        )
        table.add_row(*(Text(cell.translate(_CONTROL)) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else 140).print(table)

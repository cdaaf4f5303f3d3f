"""`pawl compare` and `pawl gate`: what the results say, and whether the branch may go in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pawl.commands.opening import choices, opened, print_json, reports_of
from pawl.errors import EXIT_GATE, InputError
from pawl.options import HERE, AllowDirty, ConfigFile, Folder, Json, Reports

COMPARE_EXAMPLE = "Example: pawl compare --base-predictions old.parquet --head-predictions new.parquet"
GATE_EXAMPLE = "Example: pawl gate || echo 'do not merge'"


def compare(
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    allow_dirty: AllowDirty = False,
    base_predictions: Annotated[
        Path | None, typer.Option(help="Compare two prediction files alone, without git and DVC: base's.")
    ] = None,
    head_predictions: Annotated[Path | None, typer.Option(help="The other one: head's.")] = None,
    primary: Annotated[
        str | None, typer.Option(help="With two files: the metric that decides. Default: by what they hold.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge the results of head against base's, metric by metric; or those of two prediction files."""
    from pawl.console import show_comparison, show_predictions_comparison
    from pawl.schema import Stages
    from pawl.session import read_file
    from pawl.steps import compare_step

    if base_predictions or head_predictions or primary:
        if base_predictions is None or head_predictions is None:
            raise InputError("two files are compared with both --base-predictions and --head-predictions.")
        from pawl.compare.two_files import compare_files

        found = compare_files(base_predictions, head_predictions, primary)
        print_json(found) if as_json else show_predictions_comparison(found)
        return
    session, made = opened(folder, config, reports, allow_dirty)
    stages = read_file(session.reports, "stages.json", Stages, "pawl reproduce")
    comparison = compare_step(session, made, stages)
    print_json(comparison) if as_json else show_comparison(comparison)


def gate(
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    allow_dirty: AllowDirty = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Worsen head's predictions on purpose: the gate must fail them.")
    ] = False,
) -> None:
    """Exit 0 where the branch may go in, 1 where it may not, with one line saying why."""
    from pawl.schema import Comparison, Stages
    from pawl.session import read_file

    if self_test:
        from pawl.compare.self_test import check_gate

        session, _ = opened(folder, config, reports, allow_dirty)
        stages = read_file(session.reports, "stages.json", Stages, "pawl reproduce")
        passed, lines = check_gate(session.head, stages, session.rules)
        for line in lines:
            typer.echo(line)
    else:
        place = reports_of(choices(folder, None, None, None, reports, False, False))
        comparison = read_file(place, "comparison.json", Comparison, "pawl compare")
        passed = comparison.gate_passed
        typer.echo(f"{'pass' if passed else 'fail'}: {comparison.gate_reason}")
    if not passed:
        raise typer.Exit(EXIT_GATE)

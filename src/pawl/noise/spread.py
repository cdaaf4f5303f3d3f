"""`noise.json`: made from the values of several trainings, written, and read."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from pawl.config import Config
from pawl.errors import InputError
from pawl.report.files import write_together
from pawl.schema import MAX_METRICS, MetricSpread, Noise

_MOST_BYTES = 20_000_000
Values = Mapping[tuple[str, str], float]
"""(file, key) -> a metric's value in one training."""


def spreads(trainings: Sequence[Values], made_by: Mapping[str, tuple[str, str | None]]) -> tuple[MetricSpread, ...]:
    """The spread of each metric that 2 trainings or more have, in the order of the first that has it.

    `made_by` maps a metrics file to the name and the recipe key of its stage.
    """
    wheres = dict.fromkeys(where for values in trainings for where in values)
    found = []
    for path, key in wheres:
        values = tuple(training.get((path, key)) for training in trainings)
        present = [value for value in values if value is not None and math.isfinite(value)]
        if len(present) < 2:
            continue
        stage, recipe_key = made_by[path]
        found.append(
            MetricSpread(
                path=path,
                key=key,
                stage=stage,
                recipe_key=recipe_key,
                values=values,
                mean=statistics.fmean(present),
                standard_deviation=statistics.stdev(present),
                count=len(present),
            )
        )
    return tuple(found[:MAX_METRICS])


def write_noise(root: Path, config: Config, noise: Noise) -> Path:
    """Write the file that pawl.yaml names, in the checkout at `root`, whole or not at all."""
    path = root / config.noise.file
    write_together({path: (noise.model_dump_json(indent=1) + "\n").encode()})
    return path


def read_noise(root: Path, config: Config) -> Noise | None:
    """What `pawl noise` wrote in the checkout at `root`; None where there is no such file.

    For a verdict this must be base's checkout and base's settings, or a branch could widen its own intervals. Raises
    InputError where the file is another thing.
    """
    path = root / config.noise.file
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is larger than 20 MB, which `pawl noise` never writes: run it again.")
        return Noise.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{path} is not what `pawl noise` writes ({where}: {problem['msg']}): run it again.") from None

"""A first pawl.yaml, from the metrics that a pipeline declares and what their names tell."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from pawl.compare.files import measured, read_metrics
from pawl.compare.results import SideFiles
from pawl.config import Config, guess_direction
from pawl.errors import InputError
from pawl.init.outcome import Guess
from pawl.pipeline.project import Project

MOST_RULES = 300
_MOST_CHARACTERS = 500
# What teams mostly decide by, first what sums up the most.
_DECIDING = (
    *("qwk", "kappa", "dice", "iou", "map", "f1", "auc", "auroc", "accuracy", "acc", "r2"),
    *("rmse", "mae", "mse", "mape", "wer", "cer", "perplexity", "error", "loss", "brier", "ece", "recall", "precision"),
)
_NO_RESULT = {"baseline", "majority", "chance", "dummy"}
_HEAD = """\
# How results are judged. Written by `pawl init`; it is yours to edit, and no later `pawl init` touches it.

# The branch that pull requests are measured against.
base: {base}

"""
_METRICS = """\
# The first pattern (over "file:key", as in a shell) that matches a metric is its rule. Every direction was guessed from
# the metric's name: correct what is wrong.
metrics:
"""
_NO_METRICS = """\
# No metrics file could be read here, so there is no rule yet. Make the results (`dvc pull` or `dvc repro`), and write
# one line for each metric, such as
# metrics:
#   "metrics.json:accuracy": {direction: higher, tolerance: 0, primary: true}
"""
_WHY_TOLERANCE = """\
  # Without predictions for each test example a difference has no interval, and only a tolerance says which one matters:
  # the absolute difference that does not. 0 takes every loss for one.
"""


def declared_metrics(project: Project) -> list[tuple[str, str]]:
    """(file, key) of every number in the metrics files that are in the workspace or in DVC's cache."""
    found = []
    for path in SideFiles(project, {}).metric_paths():
        file = _where(project, path)
        if file is None:
            continue
        try:
            values = read_metrics(file, path)
        except InputError:
            continue
        found += [(path, key) for key, value in values.items() if measured(value).state != "not a number"]
    return [(path, key) for path, key in found if len(path) + len(key) <= _MOST_CHARACTERS][:MOST_RULES]


def _where(project: Project, path: str) -> Path | None:
    file = Path(project.root) / path
    if file.is_file():
        return file
    out = project.producers.get(str(file))
    cached = Path(out.cache_path) if out is not None and out.use_cache and out.hash_info else None
    return cached if cached is not None and cached.is_file() else None


def guessed(metrics: Sequence[tuple[str, str]]) -> list[Guess]:
    """What the names tell: a direction for each, and the one that is to decide.

    >>> [(g.key, g.direction, g.primary) for g in guessed([("m.json", "loss"), ("m.json", "f1"), ("m.json", "n")])]
    [('loss', 'lower', False), ('f1', 'higher', True), ('n', 'none', False)]
    """
    guesses = [
        Guess(path=path, key=key, direction="none" if _words(key) & _NO_RESULT else guess_direction(key))
        for path, key in metrics
    ]
    ranked = [(_rank(guess), index) for index, guess in enumerate(guesses) if guess.direction != "none"]
    if ranked:
        _, best = min(ranked)
        guesses[best] = guesses[best].model_copy(update={"primary": True})
    return guesses


def _rank(guess: Guess) -> tuple[int, int]:
    """Smaller is the better candidate: what was measured on a test set, then what sums up the most."""
    words = _words(f"{guess.path} {guess.key}")
    split = 2 if words & {"train", "training"} else 0 if words & {"test", "evaluation", "eval"} else 1
    kinds = [_DECIDING.index(word) for word in _words(guess.key) if word in _DECIDING]
    return split, min(kinds, default=len(_DECIDING))


def _words(text: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", text.lower()))


def settings_text(base: str, guesses: Sequence[Guess], *, has_predictions: bool) -> str:
    """The text of pawl.yaml."""
    text = _HEAD.format(base=_quoted(base))
    if not guesses:
        return text + _NO_METRICS
    text += _METRICS
    for guess in guesses:
        rule = f"direction: {guess.direction}"
        comment = "guessed" if guess.direction != "none" else "the name does not tell: shown, and not judged"
        if guess.primary:
            text += "" if has_predictions else _WHY_TOLERANCE
            rule += ", primary: true" if has_predictions else ", tolerance: 0, primary: true"
            comment = "guessed, and proposed as what the gate is decided by"
        text += f"  {_quoted(pattern_of(guess))}: {{{rule}}}  # {comment}\n"
    return text


def has_predictions(project: Project) -> bool:
    """Whether a stage writes a prediction for each test example, where pawl looks for them by default."""
    outs = [project.relative(path) for path in project.producers]
    return any(fnmatch.fnmatchcase(out, pattern) for out in outs for pattern in Config().predictions)


def pattern_of(guess: Guess) -> str:
    """The pattern that matches this metric alone, whatever its name is made of."""
    return re.sub(r"([*?\[])", r"[\1]", f"{guess.path}:{guess.key}")


def _quoted(text: str) -> str:
    """The text as YAML, on one line."""
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9).strip()

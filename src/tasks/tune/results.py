"""The trials of a study as a table and as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.stage.files import new_file
from tasks.tune.space import Numbers
from tasks.tune.study import Search, Trial, best_of, load_study

MIN_TRIALS_FOR_IMPORTANCE = 10
_GREY, _BLUE = "#8a8a8a", "#1f6feb"


def to_markdown(search: Search, trials: Sequence[Trial]) -> str:
    """A table with a line for each trial, the best first; failed ones last, with the reason."""
    sign = 1 if search.tune.direction == "minimize" else -1
    keys = list(search.tune.space)
    ordered = sorted(trials, key=lambda t: (t.value is None, sign * (t.value or 0.0), t.number))
    header = ["trial", search.tune.metric, *keys]
    lines = [f"| {' | '.join(header)} |", f"| ---: | ---: |{' --- |' * len(keys)}"]
    for trial in ordered:
        value = f"{trial.value:.5g}" if trial.value is not None else f"failed: {trial.error}".replace("|", "/")
        cells = [str(trial.number), value, *(json.dumps(trial.values[key]) for key in keys)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def to_json(search: Search, trials: Sequence[Trial]) -> dict[str, Any]:
    """The study for a program."""
    best = best_of(search, trials)
    return {
        "task": search.task,
        "study": search.folder.name,
        "metric": search.tune.metric,
        "direction": search.tune.direction,
        "best": _entry(best) if best else None,
        "trials": [_entry(trial) for trial in trials],
    }


def write_results(search: Search, trials: Sequence[Trial]) -> list[Path]:
    """Write trials.md and, where a trial has a value, search.png and search.svg into the study's folder."""
    table = search.folder / "trials.md"
    with new_file(table) as partial:
        partial.write_text(to_markdown(search, trials), encoding="utf-8")
    measured = [trial for trial in trials if trial.value is not None]
    if not measured:
        return [table]
    import vl_convert

    spec = _chart(search, measured, importances(search, measured)).to_dict()
    pictures = {
        search.folder / "search.png": vl_convert.vegalite_to_png(spec, scale=2),
        search.folder / "search.svg": vl_convert.vegalite_to_svg(spec).encode(),
    }
    for path, content in pictures.items():
        with new_file(path) as partial:
            partial.write_bytes(content)
    return [table, *pictures]


def importances(search: Search, measured: Sequence[Trial]) -> Mapping[str, float]:
    """The share of the metric's variation that each key explains, empty where the trials are too few to tell.

    fANOVA: Hutter et al. 2014, https://proceedings.mlr.press/v32/hutter14.html.
    """
    if len(measured) < MIN_TRIALS_FOR_IMPORTANCE or len({trial.value for trial in measured}) == 1:
        return {}
    import optuna

    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(load_study(search), evaluator=evaluator)


def _entry(trial: Trial) -> dict[str, Any]:
    return {"number": trial.number, "value": trial.value, "values": dict(trial.values), "error": trial.error}


def _chart(search: Search, measured: Sequence[Trial], shares: Mapping[str, float]) -> Any:
    import altair as alt

    metric = search.tune.metric
    # A diverged trial or two would press all others onto one line.
    values = sorted(trial.value or 0.0 for trial in measured)
    scale = alt.Scale(zero=False, type="log" if values[0] > 0 and values[-1] > 20 * values[0] else "linear")
    pick = min if search.tune.direction == "minimize" else max
    rows, best = [], None
    for trial in measured:
        value = trial.value or 0.0
        best = value if best is None else pick(best, value)
        rows.append({"trial": trial.number, "value": value, "best": best})
    base = alt.Chart(alt.Data(values=rows)).encode(x=alt.X("trial:Q", axis=alt.Axis(tickMinStep=1, format="d")))
    course = (
        base.mark_point(filled=True, color=_GREY).encode(y=alt.Y("value:Q", title=metric, scale=scale))
        + base.mark_line(interpolate="step-after", color=_BLUE).encode(y=alt.Y("best:Q", scale=scale))
    ).properties(width=600, height=220, title=f"{search.task}: {metric} of each trial, and the best so far")
    slices = [_slice(alt, search, measured, key, shares.get(key), scale) for key in search.tune.space]
    return alt.vconcat(course, alt.concat(*slices, columns=3))


def _slice(alt: Any, search: Search, measured: Sequence[Trial], key: str, share: float | None, scale: Any) -> Any:
    best = best_of(search, measured)
    domain = search.tune.space[key]
    x: Any
    if isinstance(domain, Numbers):
        texts = [trial.values[key] for trial in measured]
        ends = alt.Scale(type="log" if domain.log else "linear", domain=[domain.low, domain.high], nice=False)
        x = alt.X("x:Q", title=key, scale=ends)
    else:
        texts = [_label(trial.values[key]) for trial in measured]
        order = [_label(choice) for choice in domain.choices]
        x = alt.X("x:N", title=key, scale=alt.Scale(domain=order), axis=alt.Axis(labelAngle=0))
    rows = [
        {"x": text, "value": trial.value, "colour": _BLUE if trial is best else _GREY}
        for text, trial in zip(texts, measured, strict=True)
    ]
    title = key if share is None else f"{key}: {share:.0%} of the variation"
    points = alt.Chart(alt.Data(values=rows)).mark_point(filled=True, opacity=0.8)
    return points.encode(
        x=x,
        y=alt.Y("value:Q", title=search.tune.metric, scale=scale),
        color=alt.Color("colour:N", scale=None),
    ).properties(width=220, height=160, title=title)


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

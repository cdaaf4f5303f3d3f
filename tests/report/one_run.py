"""One realistic run, whose parts examples change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pawl import schema as s

from .parts import BASE, HEAD, MACHINE, digit_confusion, digit_curves, metric, origin, paired, result, usage


def plan(**changes: Any) -> s.Plan:
    train = s.StagePlan(
        name="train@digits",
        action="run",
        base_action="restore",
        causes=(
            s.Cause(kind="params", what="params.yaml:digits.train.learning_rate", base="0.001", head="0.01"),
            s.Cause(kind="code", what="src/tasks/digits/train.py"),
        ),
        recipe_key="a" * 64,
        stage_key="b" * 64,
    )
    evaluate = s.StagePlan(
        name="evaluate@digits",
        action="run",
        base_action="restore",
        causes=(s.Cause(kind="upstream", what="train@digits"),),
        recipe_key="c" * 64,
        stage_key=None,
    )
    still = tuple(
        s.StagePlan(name=name, action="unchanged", base_action="unneeded", recipe_key="d" * 64, stage_key="e" * 64)
        for name in (
            "fetch@digits",
            "prepare@digits",
            "fetch@tabular",
            "prepare@tabular",
            "train@tabular",
            "evaluate@tabular",
        )
    )
    fields: dict[str, Any] = {"base": BASE, "head": HEAD, "stages": (*still[:2], train, evaluate, *still[2:])}
    return s.Plan(**{**fields, **changes})


def stages(**changes: Any) -> s.Stages:
    results = (
        *(
            result(name, "head", "unchanged")
            for name in ("fetch@digits", "prepare@digits", "fetch@tabular", "prepare@tabular")
        ),
        result(
            "train@digits",
            "head",
            "trained",
            41.27,
            peak_memory_bytes=1_234_000_000,
            exit_code=0,
            log="logs/head/train@digits.log",
            usage=usage(41.27, gpu_seconds=40.9, gpu_utilisation=0.63, energy_joules=2_412.0),
            data_digest="5" * 64,
            seeds={"params.yaml:digits.train.seed": "0"},
        ),
        result(
            "train@digits",
            "base",
            "restored",
            0.31,
            origin=origin(BASE.commit, 39.8, gpu_seconds=39.1, energy_joules=2_290.0),
            data_digest="5" * 64,
            seeds={"params.yaml:digits.train.seed": "0"},
        ),
        result("evaluate@digits", "head", "trained", 2.04, peak_memory_bytes=612_000_000, exit_code=0),
        result("evaluate@digits", "base", "restored", 0.22, origin=origin(BASE.commit, 2.2)),
        result("train@tabular", "head", "unchanged"),
        result("evaluate@tabular", "head", "unchanged"),
    )
    rate = s.Rate(per_hour=0.8, currency="USD")
    fields = {"base": BASE, "head": HEAD, "machine": MACHINE, "stages": results, "seconds": 47.9, "rate": rate}
    return s.Stages(**{**fields, **changes})


def tracking() -> s.Tracking:
    return s.Tracking(
        status="logged",
        uri="https://mlflow.example.org",
        experiment="digits",
        runs=(
            s.TrackedRun(
                stage="train@digits",
                side="head",
                stage_key="b" * 64,
                run_id="1f" * 16,
                url="https://mlflow.example.org/#/experiments/1/runs/" + "1f" * 16,
                status="created",
            ),
            s.TrackedRun(
                stage="train@digits",
                side="base",
                stage_key="c" * 64,
                run_id="2e" * 16,
                url="https://mlflow.example.org/#/experiments/1/runs/" + "2e" * 16,
                status="linked",
            ),
        ),
    )


def comparison(**changes: Any) -> s.Comparison:
    fields: dict[str, Any] = {
        "base": BASE,
        "head": HEAD,
        "overrides": (),
        "verdict": "better",
        "headline": "digits accuracy went from 0.9722 to 0.9861, beyond its tolerance of 0.005",
        "gate_passed": True,
        "gate_reason": "no primary metric is worse or not comparable",
        "metrics": (
            metric(
                "digits loss",
                0.11283,
                0.07411,
                verdict="better",
                direction="lower",
                tolerance=0.01,
                interval=(-0.0612, -0.0162),
                reason="the interval excludes 0, p = 0.0008",
                **paired(p_value=0.0008, p_corrected=0.0016, method="paired t", detectable=0.032),
            ),
            metric(
                "digits accuracy",
                350 / 360,
                355 / 360,
                verdict="better",
                primary=True,
                interval=(0.0013, 0.0287),
                reason="the interval excludes 0, p = 0.031",
                **paired(p_value=0.031, method="score interval of Tango", detectable=0.0192),
            ),
            metric(
                "digits macro_f1",
                0.97203,
                0.98598,
                verdict="better",
                guessed=True,
                interval=(0.0011, 0.0291),
                reason="the interval excludes 0, p = 0.034",
                **paired(p_value=0.034, p_corrected=0.034, detectable=0.0199),
            ),
            metric(
                "tabular accuracy",
                0.95614,
                0.95614,
                verdict="no measurable change",
                primary=True,
                reason="the same code, parameters and data on both sides",
            ),
            metric("digits test_examples", 360, 360, verdict="no measurable change", direction="none", tolerance=0),
        ),
        "params": (s.ParamChange(path="params.yaml", key="digits.train.learning_rate", base="0.001", head="0.01"),),
        "curves": digit_curves(),
        "confusions": (digit_confusion(),),
        "notes": (),
    }
    return s.Comparison(**{**fields, **changes})


@dataclass(frozen=True)
class Run:
    """What `write_reports` takes, in its order."""

    plan: s.Plan
    stages: s.Stages | None
    comparison: s.Comparison
    tracking: s.Tracking | None

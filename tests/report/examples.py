"""Realistic runs, as the JSON files between the steps would carry them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pawl import schema as s

from .parts import BASE, HEAD, MACHINE, digit_confusion, digit_curves, history, measured, metric, result


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
        ),
        result("train@digits", "base", "restored", 0.31),
        result("evaluate@digits", "head", "trained", 2.04, peak_memory_bytes=612_000_000, exit_code=0),
        result("evaluate@digits", "base", "restored", 0.22),
        result("train@tabular", "head", "unchanged"),
        result("evaluate@tabular", "head", "unchanged"),
    )
    return s.Stages(**{"base": BASE, "head": HEAD, "machine": MACHINE, "stages": results, "seconds": 47.9, **changes})


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
                reason="lower by more than 0.01",
            ),
            metric(
                "digits accuracy",
                350 / 360,
                355 / 360,
                verdict="better",
                primary=True,
                reason="higher by more than the tolerance of 0.005",
            ),
            metric(
                "digits macro_f1", 0.97203, 0.98598, verdict="better", guessed=True, reason="higher by more than 0.005"
            ),
            metric(
                "tabular accuracy",
                0.95614,
                0.95614,
                verdict="no measurable change",
                primary=True,
                reason="the same value",
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


def better() -> Run:
    return Run(plan(), stages(), comparison(), tracking())


def worse() -> Run:
    compared = comparison(
        verdict="worse",
        headline="digits accuracy went from 0.9722 to 0.9417, beyond its tolerance of 0.005",
        gate_passed=False,
        gate_reason="digits accuracy is worse by 0.0306, more than its tolerance of 0.005",
        overrides=("digits.train.learning_rate=0.3",),
        metrics=(
            metric(
                "digits accuracy",
                350 / 360,
                339 / 360,
                verdict="worse",
                primary=True,
                reason="lower",
            ),
            metric("tabular accuracy", 0.95614, 0.96491, verdict="better", primary=True, reason="higher"),
            metric("digits loss", 0.11283, 0.49, verdict="worse", direction="lower", tolerance=0.01),
        ),
        notes=("The working tree of head had changes that no commit holds.",),
    )
    return Run(plan(overrides=("digits.train.learning_rate=0.3",)), stages(), compared, tracking())


def no_change() -> Run:
    compared = comparison(
        verdict="no measurable change",
        headline="digits accuracy went from 0.9722 to 0.9750, within its tolerance of 0.005",
        metrics=(metric("digits accuracy", 350 / 360, 351 / 360, verdict="no measurable change", primary=True),),
    )
    return Run(plan(), stages(), compared, s.Tracking(status="off"))


def not_comparable() -> Run:
    compared = comparison(
        verdict="not comparable",
        headline="digits accuracy is undefined in head",
        gate_passed=False,
        gate_reason="digits accuracy has no number in head",
        metrics=(
            metric(
                "digits accuracy",
                350 / 360,
                measured(None, "nan"),
                verdict="not comparable",
                primary=True,
                reason="head wrote NaN",
            ),
            metric("digits recall", measured(None), 0.97, verdict="not comparable", reason="base has no such metric"),
            metric("digits loss", 0.1, measured(None, "infinite"), verdict="not comparable", direction="lower"),
        ),
        curves=(s.Curve(name="val/loss", group="digits", path="h", base=None, head=history(2.3, 0.2, 5)),),
        confusions=(digit_confusion().model_copy(update={"base": None}),),
    )
    return Run(plan(), stages(), compared, s.Tracking(status="failed", reason="no answer from the server in 5 s"))


def unchanged() -> Run:
    still = tuple(
        stage.model_copy(update={"action": "unchanged", "base_action": "unneeded", "causes": ()})
        for stage in plan().stages
    )
    compared = comparison(
        verdict="unchanged",
        headline="nothing that a result follows from differs, so nothing was trained",
        gate_passed=True,
        gate_reason="there is nothing to measure",
        metrics=(),
        params=(),
        curves=(),
        confusions=(),
    )
    return Run(plan(stages=still), None, compared, None)


def failed() -> Run:
    log = "\n".join(
        [*(f"epoch {i} of 80: loss {2.3 / (i + 1):.3f}" for i in range(80)), "Traceback (most recent call last):",
         '  File "src/tasks/digits/train.py", line 61, in train', "    loss.backward()",
         "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"]
    )  # fmt: skip
    ran = (
        result("prepare@digits", "head", "unchanged"),
        result("train@digits", "head", "failed", 12.6, exit_code=1, log="logs/head/train@digits.log", log_tail=log),
        result("evaluate@digits", "head", "skipped"),
        result("train@digits", "base", "restored", 0.3),
        result("evaluate@digits", "base", "restored", 0.2),
    )
    compared = comparison(
        verdict="failed",
        headline="train@digits failed on head",
        gate_passed=False,
        gate_reason="train@digits failed on head with exit code 1",
        metrics=(
            metric("digits accuracy", 350 / 360, measured(None, "failed"), verdict="not comparable", primary=True),
        ),
        curves=(),
        confusions=(),
    )
    return Run(plan(), stages(stages=ran), compared, tracking())


ORDINARY = (better, worse, no_change, not_comparable, unchanged, failed)

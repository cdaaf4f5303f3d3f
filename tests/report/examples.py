"""Realistic runs, as the JSON files between the steps would carry them."""

# ruff: noqa: RUF001 real minus signs, as the report has them
from __future__ import annotations

from typing import Any

from pawl import schema as s

from .one_run import Run, comparison, plan, stages, tracking
from .parts import BASE, HEAD, MACHINE, digit_confusion, digit_data, digit_evidence, history, metric, paired, result

__all__ = ["BASE", "HEAD", "MACHINE", "ORDINARY", "Run", "comparison", "plan", "s", "stages", "tracking"]


def better() -> Run:
    return Run(plan(), stages(), comparison(), tracking())


def worse() -> Run:
    """With more data, other parameters, a slice and a class that suffer, and the luck of the seed included."""
    compared = comparison(
        verdict="worse",
        headline="Worse: digits accuracy 0.9722 → 0.9417 (−0.0306).",
        gate_passed=False,
        gate_reason="digits accuracy 0.9722 → 0.9417 (−0.0306, 95 % interval −0.0502 to −0.0109) is worse than base",
        overrides=("digits.train.learning_rate=0.3",),
        metrics=(
            metric(
                "digits accuracy",
                350 / 360,
                339 / 360,
                verdict="worse",
                primary=True,
                interval=(-0.0502, -0.0109),
                reason="the interval excludes 0, p = 0.005",
                **paired(
                    p_value=0.0025, p_corrected=0.005, seed_sd=0.0041, method="score interval of Tango and 5 seeds"
                ),
            ),
            metric(
                "tabular accuracy",
                0.95614,
                0.96491,
                verdict="better",
                primary=True,
                interval=(0.0004, 0.0171),
                reason="the interval excludes 0, p = 0.042",
                **paired(114, p_value=0.042, p_corrected=0.042, detectable=0.011),
            ),
            metric(
                "digits loss",
                0.11283,
                0.49,
                verdict="worse",
                direction="lower",
                tolerance=0.01,
                interval=(0.21, 0.55),
                reason="the interval excludes 0, p = 0.0001 or less",
                **paired(
                    p_value=0.00002, p_corrected=0.00004, seed_sd=0.02, method="paired t and 5 seeds", detectable=0.09
                ),
            ),
        ),
        evidence=(digit_evidence(),),
        data=(digit_data(),),
        noise=s.SeedNoise(commit=BASE.commit, seeds=5),
        notes=("The working tree of head had changes that no commit holds.",),
    )
    return Run(plan(overrides=("digits.train.learning_rate=0.3",)), stages(), compared, tracking())


def no_change() -> Run:
    accuracy = metric(
        "digits accuracy",
        350 / 360,
        351 / 360,
        verdict="no measurable change",
        primary=True,
        interval=(-0.0111, 0.0167),
        reason="a true difference below 0.021 would mostly go unseen here",
        **paired(p_value=0.71, method="score interval of Tango"),
    )
    compared = comparison(
        verdict="no measurable change",
        headline="No measurable change: digits accuracy 0.9722 → 0.9750 (+0.00278).",
        gate_reason="1 primary metric holds against base",
        metrics=(accuracy,),
    )
    return Run(plan(), stages(), compared, s.Tracking(status="off"))


def not_comparable() -> Run:
    """A number is missing on one side."""
    compared = comparison(
        verdict="not comparable",
        headline="digits accuracy is undefined in head",
        gate_passed=False,
        gate_reason="digits accuracy cannot be compared: on head it is not a number (NaN)",
        metrics=(
            metric(
                "digits accuracy",
                350 / 360,
                "nan",
                verdict="not comparable",
                primary=True,
                why_not="no value",
                reason="on head it is not a number (NaN)",
            ),
            metric(
                "digits recall",
                "missing",
                0.97,
                verdict="not comparable",
                why_not="no value",
                reason="new: base has no such metric",
            ),
            metric("digits loss", 0.1, "infinite", verdict="not comparable", direction="lower", why_not="no value"),
        ),
        curves=(s.Curve(name="val/loss", group="digits", path="h", base=None, head=history(2.3, 0.2, 5)),),
        confusions=(digit_confusion().model_copy(update={"base": None}),),
    )
    return Run(plan(), stages(), compared, s.Tracking(status="failed", reason="no answer from the server in 5 s"))


def _not_paired(why_not: s.WhyNot, reason: str, **counts: Any) -> Run:
    accuracy = metric(
        "digits accuracy",
        350 / 360,
        339 / 360,
        verdict="not comparable",
        primary=True,
        tolerance=0.0,
        why_not=why_not,
        reason=reason,
    )
    fields = {"mcnemar": None, "flips": None, "slices": (), "reliability": None, "notes": (), **counts}
    compared = comparison(
        verdict="not comparable",
        headline=f"Not comparable: digits accuracy 0.9722 → 0.9417 (−0.0306): {reason}.",
        gate_passed=False,
        gate_reason=f"digits accuracy cannot be compared: {reason}",
        metrics=(accuracy,),
        evidence=(digit_evidence(why_not=why_not, problem=reason, **fields),) if counts else (),
        data=(digit_data(),) if why_not in ("other ids", "other targets") else (),
    )
    return Run(plan(), stages(), compared, tracking())


def other_ids() -> Run:
    return _not_paired("other ids", "40 test examples are on one side alone", paired=340, base_only=20, head_only=20)


def other_targets() -> Run:
    return _not_paired("other targets", "12 test examples have another target on head", paired=360, other_targets=12)


def other_evaluation() -> Run:
    return _not_paired("other evaluation", "the code of evaluate@digits differs")


def nothing_to_pair() -> Run:
    return _not_paired("nothing to pair", "no predictions to pair and no spread between seeds tell luck from progress")


def several_tasks() -> Run:
    """Six tasks with a primary metric each: one worse, one better, one that is new, three as they were."""
    still: dict[str, Any] = {"verdict": "no measurable change", "primary": True}
    reason = "a true difference below 0.021 would mostly go unseen here"
    compared = comparison(
        verdict="worse",
        headline="Worse: prostate dice 0.8969 → 0.8611 (−0.0358).",
        gate_passed=False,
        gate_reason="prostate dice 0.8969 → 0.8611 (−0.0358, 95 % interval −0.052 to −0.020) is worse than base",
        metrics=(
            metric("digits accuracy", 0.9911, 0.9933, interval=(-0.006, 0.011), reason=reason, **still, **paired(451)),
            metric("pets accuracy", 0.8445, 0.8612, verdict="better", primary=True, interval=(0.004, 0.029),
                   reason="the interval excludes 0, p = 0.03", **paired(1_200, p_value=0.01, p_corrected=0.03)),
            metric("posters mean_average_precision", 0.9685, 0.9691, interval=(-0.004, 0.005), reason=reason, **still,
                   **paired(700, groups=350)),
            metric("prostate dice", 0.8969, 0.8611, verdict="worse", primary=True, interval=(-0.0523, -0.0198),
                   reason="the interval excludes 0, p = 0.0006",
                   **paired(36, groups=24, p_value=0.0001, p_corrected=0.0006, method="bootstrap of 24 groups")),
            metric("retinopathy qwk", 0.9225, 0.9225, reason="the same code and data on both sides", **still),
            metric("tabular accuracy", "missing", 0.9718, verdict="not comparable", primary=True, why_not="no value",
                   reason="new: base has no such metric"),
        ),
    )  # fmt: skip
    return Run(plan(), stages(), compared, tracking())


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
            metric("digits accuracy", 350 / 360, "failed", verdict="not comparable", primary=True, why_not="no value"),
        ),
        curves=(),
        confusions=(),
    )
    return Run(plan(), stages(stages=ran), compared, tracking())


ORDINARY = (
    better,
    worse,
    no_change,
    not_comparable,
    other_ids,
    other_targets,
    other_evaluation,
    nothing_to_pair,
    unchanged,
    failed,
    several_tasks,
)

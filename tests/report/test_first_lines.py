"""What the first three lines say in each case, in Markdown and in plain text."""

from __future__ import annotations

from typing import Any

import pytest

from pawl import schema as s
from pawl.report.first_lines import LONGEST, MARKDOWN, PLAIN, by_how_much, how_sure, joined, what_to_do
from pawl.report.verdict import evidence_of

from . import examples, parts
from .parts import paired


def accuracy(head: float = 339 / 360, **more: Any) -> s.MetricComparison:
    fields = {
        "verdict": "worse",
        "primary": True,
        "tolerance": 0.0,
        "interval": (-0.05, -0.01),
        **paired(p_value=0.004),
    }
    return parts.metric("digits accuracy", 350 / 360, head, **{**fields, **more})


def compared(*metrics: s.MetricComparison, **more: Any) -> s.Comparison:
    verdict = metrics[0].verdict if metrics else "no measurable change"
    fields = {"verdict": verdict, "gate_passed": verdict != "worse", "gate_reason": "why", "metrics": metrics}
    return examples.comparison(**{**fields, **more})


def lines(comparison: s.Comparison) -> tuple[str, str, str]:
    """By how much, how sure, what to do."""
    stages = examples.stages()
    return (
        by_how_much(comparison, stages, PLAIN),
        how_sure(comparison, PLAIN),
        what_to_do(comparison, stages, PLAIN),
    )


def test_markdown_and_plain_text_say_the_same() -> None:
    comparison = compared(accuracy())
    assert by_how_much(comparison, None, MARKDOWN).replace("`", "") == by_how_much(comparison, None, PLAIN)


def test_a_lower_loss_is_said_to_be_better() -> None:
    loss = parts.metric("digits loss", 0.2, 0.1, verdict="better", direction="lower", primary=True, tolerance=0.0)
    assert lines(compared(loss))[0] == "digits loss 0.200 → 0.100, down by 0.100, lower is better"


def test_without_an_interval_the_tolerance_is_said_to_have_decided() -> None:
    metric = accuracy(interval=None, tolerance=0.005, examples=None, p_value=None, detectable=None)
    assert lines(compared(metric))[1] == (
        "not known: luck is not measured, the tolerance of 0.0050 alone decided. "
        "An interval needs predictions of both sides, or `pawl noise --seeds 5`."
    )


def test_equal_numbers_without_an_interval() -> None:
    metric = accuracy(350 / 360, interval=None, verdict="no measurable change", examples=None, detectable=None)
    much, sure, _ = lines(compared(metric))
    assert much.endswith("0.9722 → 0.9722, no difference")
    assert sure.startswith("the numbers are equal; there is no interval")


def test_an_interval_from_seeds_alone_says_so() -> None:
    metric = accuracy(examples=None, seed_sd=0.004, method="spread of 5 seeds")
    sure = lines(compared(metric, noise=s.SeedNoise(commit=parts.BASE.commit, seeds=5)))[1]
    assert sure == (
        "the interval rests on the spread of 5 seeds (standard deviation 0.0040) alone; no examples were paired."
    )


def test_within_the_tolerance_is_shown_and_needs_no_smallest_difference() -> None:
    metric = accuracy(350.5 / 360, verdict="no measurable change", interval=(-0.004, 0.006), tolerance=0.01)
    _, sure, act = lines(compared(metric))
    assert sure.endswith("It is shown to be within the tolerance of 0.010.")
    assert act == "🟢 gate open. Merge if the change is wanted for other reasons."


def test_a_closed_gate_without_a_worse_metric_says_why() -> None:
    metric = accuracy(355 / 360, verdict="better", interval=(0.001, 0.02))
    reason = "digits accuracy 0.9861 does not beat majority, 0.99"
    act = lines(compared(metric, gate_passed=False, gate_reason=reason))[2]
    assert act == "⛔ gate closed. Digits accuracy 0.9861 does not beat majority, 0.99. Do not merge yet."


def test_a_gate_that_lets_a_loss_through_says_why() -> None:
    metric = accuracy()
    act = lines(compared(metric, gate_passed=True, gate_reason="no metric is marked primary"))[2]
    assert act.startswith("🟢 gate open. No metric is marked primary. Merge only if this loss is wanted")


def test_what_is_not_shown_to_be_harmless_needs_more_examples() -> None:
    metric = accuracy(
        349 / 360, verdict="no measurable change", interval=(-0.02, 0.01), tolerance=0.005, non_inferiority=True
    )
    act = lines(compared(metric, gate_passed=False, gate_reason="not shown to lose less"))[2]
    assert act == (
        "⛔ gate closed. Not shown to lose less. "
        "Do not merge yet: more test examples make the interval narrower, or allow a larger tolerance."
    )


def test_better_with_a_slice_that_is_worse_sends_the_reader_there() -> None:
    metric = accuracy(355 / 360, verdict="better", interval=(0.001, 0.02))
    loss = parts.metric("digits loss", 0.1, 0.2, verdict="worse", direction="lower")
    act = lines(compared(metric, loss, evidence=(parts.digit_evidence(),)))[2]
    assert act == (
        "🟢 gate open. It can be merged; look before at slice pen = thick (\u22120.12); "
        "1 other metric is worse, see below."
    )


def test_a_class_is_named_only_where_it_lost_more_than_it_won() -> None:
    even = s.FlipCount(label="8", examples=36, broken=3, fixed=3)
    lost = s.FlipCount(label="1", examples=40, broken=2, fixed=1)

    def act(*counts: s.FlipCount) -> str:
        flips = s.Flips(broken=5, fixed=4, per_label=counts, shown=())
        return lines(compared(accuracy(), evidence=(parts.digit_evidence(flips=flips, slices=()),)))[2]

    assert act(even) == "⛔ gate closed. Do not merge; see what changed below."
    assert act(even, lost) == "⛔ gate closed. Do not merge. Look first at class 1 (2 of 40 newly wrong)."


def test_better_with_a_leak_does_not_just_say_merge() -> None:
    metric = accuracy(355 / 360, verdict="better", interval=(0.001, 0.02))
    act = lines(compared(metric, data=(parts.digit_data(),)))[2]
    assert act == (
        "🟢 gate open. It can be merged; first make sure that the 4 examples that are in two splits of head's data "
        "do not explain it."
    )


def test_a_new_metric_is_judged_by_itself() -> None:
    new = parts.metric("a f1", "missing", 0.8, verdict="not comparable", primary=True, why_not="no value", reason="new")
    much, _, act = lines(compared(new))
    assert much == "a f1 missing → 0.8000, new on head"
    assert act.endswith("Judge the number itself: once merged, it is the base of the next comparison.")


def test_evaluated_again_is_said() -> None:
    sure = lines(compared(accuracy(), rescored=("evaluate@digits",)))[1]
    assert sure.endswith("Base's model was evaluated again, as head's is: evaluate@digits.")


def test_many_metrics_without_a_primary_one_are_counted() -> None:
    metrics = [parts.metric(f"m{i}", 0.1, 0.3, verdict="better") for i in range(7)]
    same = [parts.metric(f"s{i}", 0.1, 0.1, verdict="no measurable change") for i in range(2)]
    much = lines(compared(*metrics, *same, verdict="no measurable change"))[0]
    assert much == (
        "s0 0.1000 → 0.1000, no difference; m0 better (+0.20); m1 better (+0.20); m2 better (+0.20); "
        "and 4 more; 1 other without measurable change"
    )
    assert lines(compared(*metrics, *same))[0].endswith("m3 better too (+0.20); and 3 more")


def test_what_the_headline_left_out_decides_nothing() -> None:
    """A metric of files that nothing changed has no say, whatever its verdict."""
    old = parts.metric("a f1", "missing", "missing", verdict="not comparable", primary=True, why_not="no value")
    still = accuracy(350 / 360, verdict="no measurable change", interval=None)
    much, sure, _ = lines(compared(old, still, verdict="no measurable change"))
    assert much.startswith("digits accuracy 0.9722")
    assert sure.startswith("the numbers are equal")


def test_no_metric_with_a_direction_decides_nothing() -> None:
    rows = parts.metric("a rows", 1, 2, verdict="no measurable change", direction="none")
    much, sure, act = lines(compared(rows, headline="No measurable change: what differs reaches no metric."))
    assert much == "what differs reaches no metric"
    assert sure.startswith("not known, as no metric that differs has a direction")
    assert act.endswith("Mark the metric that matters as primary in `pawl.yaml`.")


@pytest.mark.parametrize("make", examples.ORDINARY, ids=lambda make: make.__name__)
def test_each_line_can_be_read_at_a_glance(make: Any) -> None:
    run = make()
    said = (
        by_how_much(run.comparison, run.stages, PLAIN),
        how_sure(run.comparison, PLAIN),
        what_to_do(run.comparison, run.stages, PLAIN),
    )
    assert all(0 < len(line) <= LONGEST for line in said)


def test_clauses_that_do_not_fit_are_left_out_whole() -> None:
    assert joined(["first", "x" * 20, "last"], "; ", 12) == "first; last"
    assert joined(["much longer than that"], "; ", 3) == "much longer than that"


def test_evidence_belongs_to_the_metric_of_its_folder() -> None:
    of_pets = parts.digit_evidence(name="pets", path="results/pets/predictions.parquet")
    of_digits = parts.digit_evidence()
    comparison = compared(accuracy(), evidence=(of_pets, of_digits))
    assert evidence_of(comparison, comparison.metrics[0]) is comparison.evidence[1]
    elsewhere = parts.metric("wine accuracy", 0.1, 0.2, verdict="better")
    assert evidence_of(comparison, elsewhere) is None

"""The comment as GitHub and its readers get it."""

# ruff: noqa: RUF001 real minus signs and dashes, as the report has them
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pawl.report.comment import render_comment
from pawl.report.numbers import NOTHING

from . import examples, parts
from .examples import ORDINARY, Run
from .parsed import links, tokens
from .parts import BASE, HEAD

GOLDEN = Path(__file__).parent / "golden"


def rendered(run: Run, reserve_units: int = 1_024) -> str:
    return render_comment(run.plan, run.stages, run.comparison, run.tracking, reserve_units=reserve_units)


def outline(markdown: str) -> list[tuple[str, str]]:
    """The sections in their order: headings, and the summaries of what is folded."""
    return re.findall(r"^#### (.*)$|^<summary>(?:<b>)?([^<]*)", markdown, flags=re.MULTILINE)


@pytest.mark.parametrize("make", ORDINARY, ids=lambda make: make.__name__)
def test_the_comment_is_the_one_that_was_looked_at(make: Callable[[], Run], tmp_path: Path) -> None:
    made = rendered(make())
    expected = GOLDEN / f"{make.__name__}.md"
    now = tmp_path / expected.name
    now.write_text(made, encoding="utf-8")
    assert made == expected.read_text(encoding="utf-8"), f"look at {now}, and if it is right, copy it to {expected}"


FIRST_THREE = {
    examples.better: (
        "### ✅ **Better**: `digits accuracy` 0.9722 → 0.9861, up by 0.0139 "
        "(95 % interval +0.0013 to +0.0287; 360 examples; p = 0.031)",
        "**How sure**: the interval includes the luck of 360 test examples; "
        "the luck of the seed is not included: `pawl noise --seeds 5` measures it.\\",
        "**What to do**: 🟢 gate open. It can be merged.",
    ),
    examples.worse: (
        "### 🔻 **Worse**: `digits accuracy` 0.9722 → 0.9417, down by 0.0306 "
        "(95 % interval −0.050 to −0.011; 360 examples; p = 0.005); `tabular accuracy` better (+0.0088)",
        "**How sure**: the interval includes the luck of 360 test examples and the spread of 5 seeds "
        "(standard deviation 0.0041). p is corrected for several metrics.\\",
        "**What to do**: ⛔ gate closed. Do not merge. "
        "Look first at slice `pen = thick` (−0.12) and at class `8` (5 of 36 newly wrong).",
    ),
    examples.no_change: (
        "### ➖ **No measurable change**: `digits accuracy` 0.97222 → 0.97500, up by 0.00278 "
        "(95 % interval −0.011 to +0.017; 360 examples; p = 0.71)",
        "**How sure**: the interval includes the luck of 360 test examples; the luck of the seed is not included: "
        "`pawl noise --seeds 5` measures it. A true difference of 0.021 would have been found four times in five.\\",
        "**What to do**: 🟢 gate open. Merge if the change is wanted for other reasons: "
        "this test set could hardly have shown less than 0.021.",
    ),
    examples.not_comparable: (
        "### ⚠️ **Not comparable**: `digits accuracy` 0.9722 → undefined, there is no number on one side",
        "**How sure**: not at all. On head it is not a number (NaN).\\",
        "**What to do**: ⛔ gate closed. Make head's evaluation write a finite number for `accuracy`, then push again.",
    ),
    examples.other_ids: (
        "### ⚠️ **Not comparable**: `digits accuracy` 0.9722 → 0.9417, the two sides were tested on different examples",
        "**How sure**: not at all. 40 test examples are on one side alone. "
        "Test examples: 340 on both sides, 20 on base alone, 20 on head alone.\\",
        "**What to do**: ⛔ gate closed. Do not merge on these numbers: "
        "`pawl run --rescore` evaluates base's model on head's test set and compares then.",
    ),
    examples.nothing_to_pair: (
        "### ⚠️ **Not comparable**: `digits accuracy` 0.9722 → 0.9417, nothing tells luck from progress",
        "**How sure**: not at all. No predictions to pair and no spread between seeds tell luck from progress.\\",
        "**What to do**: ⛔ gate closed. "
        "Let the evaluation write `predictions.parquet`, or set a tolerance for the metric in `pawl.yaml`.",
    ),
    examples.unchanged: (
        "### ⚪ **Unchanged**: nothing that a result follows from differs, so nothing was trained",
        "**How sure**: certain, as every result follows from the same code, parameters and data on both sides.\\",
        "**What to do**: 🟢 gate open. Nothing to do: judge the code alone.",
    ),
    examples.failed: (
        "### ❌ **Failed**: head's stage `train@digits` ended with exit code 1",
        "**How sure**: not known, as there are no results to compare.\\",
        "**What to do**: ⛔ gate closed. Do not merge: the end of the log of `train@digits` is below.",
    ),
    examples.several_tasks: (
        "### 🔻 **Worse**: `prostate dice` 0.8969 → 0.8611, down by 0.0358 "
        "(95 % interval −0.052 to −0.020; 36 examples; p = 0.0006); `tabular accuracy` not comparable; "
        "`pets accuracy` better (+0.017); 3 others without measurable change",
        "**How sure**: the interval includes the luck of 36 test examples in 24 groups; the luck of the seed is not "
        "included: `pawl noise --seeds 5` measures it. p is corrected for several metrics.\\",
        "**What to do**: ⛔ gate closed. Do not merge; see what changed below.",
    ),
}


@pytest.mark.parametrize("make", FIRST_THREE, ids=lambda make: make.__name__)
def test_the_first_three_lines_say_what_how_sure_and_what_to_do(make: Callable[[], Run]) -> None:
    assert tuple(rendered(make()).splitlines()[:3]) == FIRST_THREE[make]


def test_without_primary_metrics_the_judged_ones_stand_open() -> None:
    """What is only described, and new on head, would be an alarm above what is judged."""
    metrics = (
        parts.metric("a accuracy", 0.8, 0.9, verdict="better"),
        *(
            parts.metric(f"a rows{i}", "missing", i, verdict="not comparable", direction="none", reason="new")
            for i in range(12)
        ),
    )
    made = rendered(Run(examples.plan(), None, examples.comparison(metrics=metrics), None))
    opened, folded = made.split("<details>", 1)
    assert "| a accuracy | 0.800 | 0.900 |" in opened
    assert "a rows7" not in opened
    assert f"| a rows7 | missing | 7 | {NOTHING} | {NOTHING} | described |" in folded
    assert "<summary><b>Other metrics</b> (12)</summary>" in folded


def test_unchanged_is_short() -> None:
    opened = rendered(examples.unchanged()).split("<details>")[0]
    assert len(opened.splitlines()) == 6


def test_a_failure_shows_the_end_of_the_log_and_where_all_of_it_is() -> None:
    made = rendered(examples.failed())
    assert "all of it is in `reports/logs/head/train@digits.log`" in made
    fences = [token.content for token in tokens(made) if token.type == "fence"]
    assert fences[0].endswith("RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB\n")
    assert "epoch 79" in fences[0]
    assert "epoch 3 " not in fences[0]


def test_a_failed_base_is_not_called_head() -> None:
    failed = parts.result("train@digits", "base", "failed", 1.0, exit_code=2, log_tail="no")
    run = Run(examples.plan(), examples.stages(stages=(failed,)), examples.failed().comparison, None)
    assert rendered(run).startswith("### ❌ **Failed**: base's stage `train@digits` ended with exit code 2")


def test_sections_come_in_the_order_of_a_readers_questions() -> None:
    assert [a or b for a, b in outline(rendered(examples.worse()))] == [
        "What changed",
        "Notes",
        "Other metrics",
        "Changed predictions",
        "Slices",
        "Data",
        "How it was decided",
        "Training curves",
        "Confusion matrix",
        "Reliability",
        "Stages",
        "Receipts",
        "Cost",
        "Reproduce locally",
        "History",
    ]


def test_the_first_screen_is_all_that_stands_open() -> None:
    for make in ORDINARY:
        opened = re.sub(r"<details>.*?</details>", "", rendered(make()), flags=re.DOTALL)
        log = re.search(r"^```text\n.*?^```$", opened, flags=re.DOTALL | re.MULTILINE)
        shown = opened.replace(log[0], "") if log else opened
        assert len([line for line in shown.splitlines() if line]) < 25, make.__name__


def test_reproducing_quotes_what_a_shell_would_read() -> None:
    override = "digits.train.note='a b'; rm -rf $HOME"
    run = Run(examples.plan(), None, examples.comparison(overrides=(override,)), None)
    block = next(token.content for token in tokens(rendered(run)) if token.type == "fence")
    assert block.splitlines() == [
        f"git fetch origin {BASE.commit} {HEAD.commit}",
        f"git checkout --detach {HEAD.commit}",
        f"""pawl run --base {BASE.commit} --set 'digits.train.note='"'"'a b'"'"'; rm -rf $HOME'""",
    ]


def test_more_than_a_dozen_classes_are_told_by_their_most_confused_pairs() -> None:
    labels = tuple(f"class {i}" for i in range(13))
    confusion = examples.s.Confusion(
        name="pets",
        path="p",
        labels=labels,
        base=parts.square(labels, 50, {(2, 7): 9}),
        head=parts.square(labels, 50, {(2, 7): 4, (5, 1): 6}),
    )
    made = rendered(Run(examples.plan(), None, examples.comparison(confusions=(confusion,)), None))
    assert "| `class 2` | `class 7` | 9 | 4 |\n| `class 5` | `class 1` | 0 | 6 |" in made
    assert "| `class 5` | 0.880 (\u22120.120) |\n| `class 2` | 0.920 (+0.100) |" in made


def test_links_lead_only_to_the_runs() -> None:
    run = examples.better()
    assert run.tracking is not None
    assert sorted(links(rendered(run))) == sorted(str(tracked.url) for tracked in run.tracking.runs)
    assert "on `mlflow.example.org`" in rendered(run)

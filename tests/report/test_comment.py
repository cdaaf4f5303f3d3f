"""The comment as GitHub and its readers get it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pawl.report.budget import COMMENT_LIMIT_UNITS, LEAST_UNITS, Section, fit
from pawl.report.comment import render_comment
from pawl.report.escape import utf16_units
from pawl.report.numbers import NOTHING

from . import examples, parts
from .examples import ORDINARY, Run
from .hostile import HOSTILE, hostile, hostile_text, huge
from .parsed import acted_upon, cell_counts, foreign_markup, links, structure, tokens
from .parts import BASE, HEAD
from .test_escape import schema_texts

GOLDEN = Path(__file__).parent / "golden"


def rendered(run: Run, reserve_units: int = 1_024) -> str:
    return render_comment(run.plan, run.stages, run.comparison, run.tracking, reserve_units=reserve_units)


def outline(markdown: str) -> list[str]:
    """The sections in their order: headings, and the summaries of what is folded."""
    return re.findall(r"^#### (.*)$|^<summary>(?:<b>)?([^<]*)", markdown, flags=re.MULTILINE)


@pytest.mark.parametrize("make", ORDINARY, ids=lambda make: make.__name__)
def test_the_comment_is_the_one_that_was_looked_at(make: Callable[[], Run], tmp_path: Path) -> None:
    made = rendered(make())
    expected = GOLDEN / f"{make.__name__}.md"
    now = tmp_path / expected.name
    now.write_text(made, encoding="utf-8")
    assert made == expected.read_text(encoding="utf-8"), f"look at {now}, and if it is right, copy it to {expected}"


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (
            examples.better,
            "### ✅ **Better**: digits accuracy 0.9722 → 0.9861 (+0.0139); "
            "tabular accuracy 0.9561 → 0.9561 (±0), no measurable change",
        ),
        (
            examples.worse,
            "### 🔻 **Worse**: digits accuracy 0.9722 → 0.9417 (\u22120.0306); "
            "tabular accuracy 0.95614 → 0.96491 (+0.00877), better",
        ),
        (examples.no_change, "### \u2796 **No measurable change**: digits accuracy 0.97222 → 0.97500 (+0.00278)"),
        (examples.not_comparable, "### ⚠️ **Not comparable**: digits accuracy 0.9722 → undefined"),
        (
            examples.unchanged,
            "### ⚪ **Unchanged**: nothing that a result follows from differs, so nothing was trained",
        ),
        (examples.failed, "### ❌ **Failed**: head's stage `train@digits` ended with exit code 1"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_first_line_is_the_verdict(make: Callable[[], Run], line: str) -> None:
    assert rendered(make()).splitlines()[0] == line


def test_the_first_line_names_three_metrics_and_counts_the_rest() -> None:
    metrics = tuple(parts.metric(f"m{i}", 0.1, 0.3, verdict="better", primary=True) for i in range(7))
    line = rendered(Run(examples.plan(), None, examples.comparison(metrics=metrics), None)).splitlines()[0]
    assert "m2 0.100 → 0.300 (+0.200); and 4 more" in line
    assert "m3" not in line


def test_what_is_only_described_is_folded_and_not_called_doubtful() -> None:
    """New on head, as with a task that base has not, each would be an alarm above what is judged."""
    metrics = (
        parts.metric("a accuracy", parts.measured(None), 0.9, verdict="not comparable", primary=True),
        *(
            parts.metric(
                f"a rows{i}", parts.measured(None), i, verdict="not comparable", direction="none", reason="new"
            )
            for i in range(12)
        ),
    )
    made = rendered(Run(examples.plan(), None, examples.comparison(metrics=metrics), None))
    opened, folded = made.split("<details>", 1)
    assert "a rows7" not in opened
    assert f"| a rows7 | missing | 7 | {NOTHING} | described |" in folded


def test_what_was_worse_is_named_before_what_was_not() -> None:
    run = examples.worse()
    turned = run.comparison.model_copy(update={"metrics": run.comparison.metrics[::-1]})
    assert rendered(Run(run.plan, None, turned, None)).index("0.9417") < rendered(run).index("0.96491")


def test_unchanged_is_short_and_says_that_the_gate_is_open() -> None:
    made = rendered(examples.unchanged())
    assert len(made.splitlines()) == 5
    assert "🟢 **Gate open**: there is nothing to measure" in made


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
    assert [a or b for a, b in outline(rendered(examples.better()))] == [
        "What changed",
        "Stages",
        "Training curves",
        "Confusion matrix",
        "Reproduce locally",
    ]


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
    assert links(rendered(run)) == [tracked.url for tracked in run.tracking.runs]
    assert "on `mlflow.example.org`" in rendered(run)


@settings(max_examples=60)
@given(schema_texts)
@example(HOSTILE)
def test_no_text_of_a_pull_request_changes_the_document_or_acts(text: str) -> None:
    made = rendered(hostile(f"a{text}b"))
    assert structure(made) == structure(rendered(hostile("ab")))
    assert acted_upon(made) == []
    assert foreign_markup(made) == []
    assert links(made) == []
    for line in made.splitlines():
        if line.startswith("| True |"):
            assert cell_counts(line) == (4, 4)


@settings(max_examples=40)
@given(schema_texts)
@example(HOSTILE)
def test_no_sentence_of_another_step_does_either(text: str) -> None:
    def made(text: str) -> str:
        run = hostile("ab")
        untracked = examples.s.Tracking(status="failed", reason=text)
        said = {"headline": text, "gate_reason": text, "notes": (text,), "metrics": (), "verdict": "not comparable"}
        unchanged = run.comparison.model_copy(update={**said, "verdict": "unchanged"})
        return "\n\n".join(
            rendered(Run(run.plan.model_copy(update={"notes": ()}), None, compared, untracked))
            for compared in (run.comparison.model_copy(update=said), unchanged)
        )

    written = made(f"a{text}b")
    assert structure(written) == structure(made("ab"))
    assert acted_upon(written) == []
    assert foreign_markup(written) == []


def whole(markdown: str) -> None:
    """The comment is complete: verdict first, commits last, every table full, every fold and fence closed."""
    parsed = tokens(markdown)
    assert parsed[0].tag == "h3"
    assert markdown.rstrip().endswith(f"{BASE.commit}</sub>")
    assert parsed[-1].type == "paragraph_close"
    folds = [token.content.strip() for token in parsed if token.type == "html_block"]
    assert folds[1::2] == ["</details>"] * (len(folds) // 2)
    assert foreign_markup(markdown) == []
    width = 0
    in_fence = ""
    for line in markdown.splitlines():
        ticks = re.match("`{3,}", line)
        if ticks and not in_fence:
            in_fence = ticks[0]
        elif line == in_fence:
            in_fence = ""
        elif not in_fence and line.startswith("| "):
            here = cell_counts(line)
            width = width or here[0]
            assert here == (width, width)
        else:
            width = 0
    assert not in_fence


def test_the_largest_run_that_the_schema_allows_fits() -> None:
    made = rendered(huge())
    assert utf16_units(made) <= COMMENT_LIMIT_UNITS - 1_024
    assert utf16_units(made) > COMMENT_LIMIT_UNITS // 4
    whole(made)
    assert "To fit into a comment" in made
    assert made.startswith("### 🔻 **Worse**: ")


@settings(max_examples=12)
@given(
    st.sampled_from(
        [hostile_text(), "$|" * 1_000, "$" * 2_000, "\u202e" * 2_000, "👩" * 2_000, "`" * 2_000, "a b " * 500]
    ),
    st.integers(1, 60),
    st.integers(0, COMMENT_LIMIT_UNITS - LEAST_UNITS),
)
@example("$|" * 1_000, 60, COMMENT_LIMIT_UNITS - LEAST_UNITS)
@example("\u202e$" * 1_000, 60, COMMENT_LIMIT_UNITS - LEAST_UNITS)
def test_any_run_fits_any_reserve_whole(text: str, most: int, reserve_units: int) -> None:
    made = rendered(huge(text, most), reserve_units)
    assert utf16_units(made) <= COMMENT_LIMIT_UNITS - reserve_units
    whole(made)


def test_a_reserve_without_room_for_the_verdict_is_refused() -> None:
    with pytest.raises(ValueError, match="reserve_units must be at most"):
        rendered(examples.better(), COMMENT_LIMIT_UNITS - LEAST_UNITS + 1)


def test_sections_are_given_up_in_their_order_and_named() -> None:
    a, b, c = "A" * 200, "B" * 200, "C" * 200
    sections = [Section("a", (a,)), Section("b", (b, "bb", "")), Section("c", (c, "")), Section("d", ("end",))]
    order = ("b", "c", "b")

    def said(text: str) -> str:
        return f"*To fit into a comment, {text}. `report.html` has all of it.*"

    everything = f"{a}\n\n{b}\n\n{c}\n\nend\n"
    assert fit(sections, order, len(everything)) == everything
    assert fit(sections, order, len(everything) - 1) == f"{a}\n\nbb\n\n{c}\n\n{said('shortened: b')}\n\nend\n"
    assert fit(sections, order, 400) == f"{a}\n\nbb\n\n{said('left out: c; shortened: b')}\n\nend\n"
    least = f"{a}\n\n{said('left out: b, c')}\n\nend\n"
    assert fit(sections, order, len(least)) == least
    with pytest.raises(ValueError, match="cannot hold the verdict"):
        fit(sections, order, len(least) - 1)

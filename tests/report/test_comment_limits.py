"""The comment stays whole and harmless, whatever a pull request calls its things and however much of them there is."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pawl.report.budget import COMMENT_LIMIT_UNITS, LEAST_UNITS, Section, fit
from pawl.report.comment import SHORTENED_FIRST
from pawl.report.escape import utf16_units
from pawl.report.history import history_at_end

from . import examples
from .examples import Run
from .hostile import HOSTILE, hostile, hostile_text, huge
from .parsed import acted_upon, cell_counts, foreign_markup, links, structure, tokens
from .parts import BASE
from .test_comment import rendered
from .test_escape import schema_texts

FIRST_BLOCKS = {
    *("0 heading_open h3", "1 inline ", "0 heading_close h3", "0 paragraph_open p", "0 paragraph_close p"),
    *("0 fence code", "0 heading_open h4", "0 heading_close h4"),
}
FIRST_INLINE = {
    *("inline strong_open", "inline strong_close", "inline text", "inline code_inline"),
    *("inline hardbreak", "inline softbreak"),
}


@cache
def plain_structure() -> list[str]:
    return structure(rendered(hostile("ab")))


@settings(max_examples=40)
@given(schema_texts)
@example(HOSTILE)
def test_no_text_of_a_pull_request_changes_the_document_or_acts(text: str) -> None:
    made = rendered(hostile(f"a{text}b"))
    # Whole clauses of the first three lines depend on how long the names in them are.
    top, rest = structure(made), plain_structure()
    start = top.index("0 table_open table")
    assert top[start:] == rest[rest.index("0 table_open table") :]
    assert {part for part in top[:start] if not part.startswith("inline")} == FIRST_BLOCKS
    assert {part for part in top[:start] if part.startswith("inline")} <= FIRST_INLINE
    assert acted_upon(made) == []
    assert foreign_markup(made) == []
    assert links(made) == []
    for line in made.splitlines():
        if line.startswith("| True |"):
            assert cell_counts(line) == (4, 4)


@settings(max_examples=25)
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
    assert f"{BASE.commit}</sub>\n\n<details>\n<summary><b>History</b> (1 push)</summary>" in markdown
    assert history_at_end(markdown)[1]
    folds = [token.content.strip() for token in parsed if token.type == "html_block"]
    assert folds.pop().startswith("<!-- pawl-history v1 ")
    assert folds[1::2] == ["</details>"] * (len(folds) // 2)
    assert foreign_markup(markdown) == []
    width = 0
    in_fence = ""
    for line in markdown.splitlines():
        ticks = re.match("`{3,}", line)
        if ticks and not in_fence:
            in_fence = ticks[0]
        elif in_fence and line == in_fence:
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


@settings(max_examples=8)
@given(
    st.sampled_from(
        [hostile_text(), "$|" * 1_000, "$" * 2_000, "\u202e" * 2_000, "👩" * 2_000, "`" * 2_000, "a b " * 500]
    ),
    st.integers(1, 25),
    st.integers(0, COMMENT_LIMIT_UNITS - LEAST_UNITS),
)
@example("$|" * 1_000, 30, COMMENT_LIMIT_UNITS - LEAST_UNITS)
@example("\u202e$" * 1_000, 30, COMMENT_LIMIT_UNITS - LEAST_UNITS)
def test_any_run_fits_any_reserve_whole(text: str, most: int, reserve_units: int) -> None:
    made = rendered(huge(text, most), reserve_units)
    assert utf16_units(made) <= COMMENT_LIMIT_UNITS - reserve_units
    whole(made)


def test_every_section_but_the_first_lines_can_be_given_up() -> None:
    made = rendered(huge(most=20), COMMENT_LIMIT_UNITS - LEAST_UNITS)
    said = re.search(r"left out: (.*?)[;.]", made)
    assert said is not None
    assert set(SHORTENED_FIRST) - set(said[1].split(", ")) <= {"logs", "metrics", "what changed"}


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

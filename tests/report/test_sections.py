"""The folded sections hold what a reviewer asks for next, and nothing that nobody measured."""

# ruff: noqa: RUF001 real minus signs, as the report has them
from __future__ import annotations

from typing import Any

import pytest

from pawl import schema as s
from pawl.report.comment import render_comment
from pawl.report.costs import cost_words, saved_seconds
from pawl.report.subjects import subjects

from . import examples, parts
from .parsed import links, prose_texts, tokens
from .test_comment import rendered


def section(markdown: str, name: str) -> str:
    """What is folded under a summary; empty where there is no such section."""
    start = f"<summary><b>{name}</b>"
    return next(
        (part.partition("</details>")[0] for part in markdown.split("<details>\n") if part.startswith(start)), ""
    )


def opened(markdown: str, heading: str) -> str:
    return markdown.partition(f"#### {heading}\n")[2].partition("\n#### ")[0].partition("<details>")[0]


def with_comparison(**more: Any) -> examples.Run:
    run = examples.worse()
    return examples.Run(run.plan, run.stages, run.comparison.model_copy(update=more), run.tracking)


def test_what_changed_names_causes_data_and_predictions() -> None:
    assert opened(rendered(examples.worse()), "What changed").strip().splitlines() == [
        "- `train@digits`: params `digits.train.learning_rate` `0.001` → `0.01`, code `src/tasks/digits/train.py`",
        "- and what follows from these: `evaluate@digits`",
        "- set for this run: `digits.train.learning_rate=0.3`",
        "- data of `digits`: 1,797 → 2,005 files (208 added, 3 changed); "
        "the shares of the classes differ in `train` (p = 0.0003); ⚠️ 4 examples in two splits (head); "
        "⚠️ 1 example with the same content and another label (head against base)",
        "- predictions of `digits`: of 360 examples 11 newly wrong, 2 newly right (McNemar p = 0.022)",
    ]


def test_an_environment_that_differs_is_named_with_both_versions() -> None:
    cause = s.Cause(kind="environment", what="torch", base="2.12.0", head="2.13.0")
    stage = examples.plan().stages[2].model_copy(update={"causes": (cause,)})
    made = rendered(examples.Run(examples.plan(stages=(stage,)), None, examples.comparison(), None))
    assert "- `train@digits`: environment `torch` `2.12.0` → `2.13.0`" in made


def test_parameters_that_no_cause_names_have_a_table() -> None:
    assert section(rendered(examples.worse()), "Parameters") == ""
    other = s.ParamChange(path="other.yaml", key="depth", base=None, head="6")
    made = section(rendered(with_comparison(params=(other,))), "Parameters")
    assert "| `depth` <sub>in</sub> `other.yaml` | *absent* | `6` |" in made


def test_flips_are_told_by_class_and_by_id() -> None:
    made = section(rendered(examples.worse()), "Changed predictions")
    assert "| `8` | 36 | 5 | 0 |\n| `9` | 36 | 3 | 1 |" in made
    assert "| newly wrong | `digits/0100` | `8` | `8` (0.89) | `1` (0.99) |" in made
    assert "| newly right | `digits/0301` | `9` | `3` (0.70) | `9` (0.80) |" in made
    assert "`0`" not in made.partition("| Example |")[0]


def test_no_flip_no_section() -> None:
    none = s.Flips(broken=0, fixed=0, per_label=(), shown=())
    assert section(rendered(with_comparison(evidence=(parts.digit_evidence(flips=none),))), "Changed predictions") == ""


def test_slices_have_their_own_intervals() -> None:
    made = rendered(examples.worse())
    assert "<summary><b>Slices</b> (3, 1 worse)</summary>" in made
    row = "| `pen` = `thick` | 90 | accuracy | 0.967 | 0.844 | −0.12 | −0.173\u00a0to\u00a0−0.073 | 0.004 | 🔻 worse |"
    assert row in section(made, "Slices")


def test_the_data_section_has_names_tests_classes_and_shifts() -> None:
    made = section(rendered(examples.worse()), "Data")
    assert "- changed: `digits/0007.png`, `digits/0011.png`, `digits/0013.png`" in made
    assert "`digits/2004.png` and 203 more" in made
    assert (
        "- `train`: 1,150 → 1,350 examples; the shares of the classes: chi-square p = 0.0003, Cramér's V 0.080" in made
    )
    assert "| `3` | 115 (10.0 %) | 215 (15.9 %) |" in made
    assert "Classes of `test`" not in made
    assert "| mean intensity | 78.10 | 91.40 | 0.19 | < 0.0001 |" in made


def test_how_it_was_decided_says_method_and_correction() -> None:
    made = section(rendered(examples.worse()), "How it was decided")
    assert "| digits accuracy | `score interval of Tango and 5 seeds` | 360 | 0.003 → 0.005 | 0.021 | 0.0041 |" in made
    assert "- `digits`: The metrics file says 0.9417 for accuracy" in made
    assert "- Gate: digits accuracy 0.9722 → 0.9417" in made
    assert "- Spread between 5 seeds, trained from `4f1c2a9`." in made


def test_receipts_say_which_run_each_result_is_from() -> None:
    made = section(rendered(examples.worse()), "Receipts")
    run = f"[`2e2e2e2e`](https://mlflow.example.org/#/experiments/1/runs/{'2e' * 16})"
    assert (
        f"| `train@digits` | base | ♻️ restored | `4f1c2a9` | `{'b' * 12}` | `{'5' * 12}` | `digits.train.seed=0` | "
        f"`{'0' * 12}` | `NVIDIA L4` | {run} |"
    ) in made
    assert f"| `train@digits` | head | 🔨 trained | `9b03e7c` | `{'b' * 12}` |" in made
    assert f"| `fetch@digits` | head | ▫️ unchanged | – | `{'b' * 12}` | – |" in made
    assert made.index("`train@digits`") < made.index("`fetch@digits`")


def test_a_result_of_this_run_is_of_its_sides_commit() -> None:
    trained = tuple(parts.result("train", side, "trained", 3.0) for side in ("base", "head"))
    run = examples.worse()
    made = rendered(examples.Run(run.plan, examples.stages(stages=trained), run.comparison, None))
    assert "| `train` | base | 🔨 trained | `4f1c2a9` |" in section(made, "Receipts")
    assert "| `train` | head | 🔨 trained | `9b03e7c` |" in section(made, "Receipts")


def test_a_stage_that_base_has_not_is_missing_in_the_receipts() -> None:
    stage = examples.plan().stages[2].model_copy(update={"base_action": "absent"})
    run = examples.worse()
    made = rendered(examples.Run(examples.plan(stages=(stage,)), run.stages, run.comparison, None))
    assert "Missing on base: `train@digits`." in section(made, "Receipts")


def test_a_stage_that_was_run_again_with_bases_model_has_its_own_row() -> None:
    again = parts.result("evaluate@digits", "base", "trained", 1.5, usage=s.Usage(seconds=1.5))
    run = examples.worse()
    made = rendered(examples.Run(run.plan, examples.stages(rescored=(again,)), run.comparison, None))
    assert "| `evaluate@digits` | base's model | 🔨 trained |" in section(made, "Receipts")
    assert "| `evaluate@digits` | base's model | 1.5 s |" in section(made, "Cost")


def test_cost_has_only_columns_that_somebody_measured() -> None:
    made = section(rendered(examples.worse()), "Cost")
    assert "| Stage | Side | Time | Peak memory | GPU time | GPU use | Energy |" in made
    assert "| `train@digits` | head | 41.3 s | 1.2 GB | 40.9 s | 63 % | 0.670 Wh |" in made
    assert "| `evaluate@digits` | head | 2.0 s | 612 MB | – | – | – |" in made
    plain = parts.result("train", "head", "trained", 3.0, usage=s.Usage(seconds=3.0))
    run = examples.worse()
    bare = rendered(examples.Run(run.plan, examples.stages(stages=(plain,), rate=None), run.comparison, None))
    assert "| Stage | Side | Time |\n" in section(bare, "Cost")
    assert "energy" not in bare
    assert "This run: 47.9 s." in bare


def test_restoring_saved_what_training_took_less_what_restoring_took() -> None:
    stages = examples.stages()
    assert saved_seconds(stages) == pytest.approx(39.8 + 2.2 - 0.31 - 0.22)
    assert cost_words(stages) == [
        "This run: 47.9 s, GPU time 40.9 s, energy 0.670 Wh, 0.011 USD at 0.80 an hour.",
        "Restoring saved 41.5 s, 0.0092 USD.",
    ]
    unknown = tuple(result.model_copy(update={"origin": None}) for result in stages.stages)
    assert saved_seconds(examples.stages(stages=unknown)) is None


def test_slow_restoring_is_not_called_a_saving() -> None:
    slow = parts.result("train", "base", "restored", 9.0, origin=parts.origin(parts.BASE.commit, 2.0))
    assert len(cost_words(examples.stages(stages=(slow,)))) == 1


def test_a_picture_with_an_address_is_shown_and_one_without_is_told() -> None:
    run = examples.worse()
    stems = [subject.stem for subject in subjects(run.comparison)]
    assert stems == [
        "forest",
        "curves-digits",
        "confusion-digits",
        "reliability-digits",
        "flips-digits",
        "classes-digits",
    ]
    addresses = {stem: f"https://pictures.example/{stem}.png" for stem in stems}

    def made(addresses: dict[str, str]) -> str:
        return render_comment(run.plan, run.stages, run.comparison, None, addresses=addresses)

    def images(markdown: str) -> list[str]:
        children = [child for token in tokens(markdown) for child in token.children or []]
        return [str(child.attrGet("src")) for child in children if child.type == "image"]

    whole = made(addresses)
    assert sorted(images(whole)) == sorted(addresses.values())
    assert whole.index("forest.png") < whole.index("<details>")
    for name, picture in (
        ("Training curves", "curves"),
        ("Confusion matrix", "confusion"),
        ("Reliability", "reliability"),
    ):
        assert f"{picture}-digits.png" in section(whole, name)
        assert "| --" not in section(whole, name)
    assert "digits/0100" in section(whole, "Changed predictions")
    unencrypted = made({**addresses, "forest": "http://plain.example/forest.png"})
    assert sorted(images(unencrypted)) == sorted(addresses[stem] for stem in stems[1:])
    bad = {
        "forest": 'https://x.example/a.png) <img src="x"',
        "curves-digits": "javascript:alert(1)",
        "other": "https://a.b/c",
    }
    assert made(bad) == made({})
    assert images(made({})) == []


def test_the_text_of_a_picture_is_escaped() -> None:
    name = "a](https://evil.example) <b> @team"
    confusion = parts.digit_confusion().model_copy(update={"name": name})
    run = examples.worse()
    compared = run.comparison.model_copy(update={"confusions": (confusion,)})
    stem = next(subject.stem for subject in subjects(compared) if subject.kind == "confusion")
    addresses = {stem: "https://pictures.example/x.png"}
    made = render_comment(run.plan, run.stages, compared, None, addresses=addresses)
    assert links(made) == []
    assert not any("@team" in text for text in prose_texts(made))

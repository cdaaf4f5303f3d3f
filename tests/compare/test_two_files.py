"""`pawl compare --base-predictions A --head-predictions B`: two files, no git, no DVC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pawl.schema import PredictionsComparison
from tests.compare.predictions import write_predictions, write_values
from tests.support.repositories import pawl


def compared(folder: Path, *options: str, base: Path, head: Path) -> PredictionsComparison:
    """What the command prints in a folder that is no repository."""
    done = pawl(folder, "compare", "--base-predictions", str(base), "--head-predictions", str(head), "--json", *options)
    assert done.returncode == 0, done.stderr
    return PredictionsComparison.model_validate_json(done.stdout)


def test_a_worse_model_is_called_worse_by_the_numbers_that_the_files_hold(tmp_path: Path) -> None:
    base, head = (write_predictions(tmp_path / f"{r}.parquet", right=r) for r in (0.9, 0.7))
    found = compared(tmp_path, base=base, head=head)
    accuracy = next(metric for metric in found.metrics if metric.name == "accuracy")
    shares = [
        float((table["target"] == table["prediction"]).mean()) for table in (pd.read_parquet(p) for p in (base, head))
    ]
    assert (accuracy.base, accuracy.head) == pytest.approx(shares)
    assert accuracy.lower is not None
    assert accuracy.upper is not None
    assert accuracy.lower < shares[1] - shares[0] < accuracy.upper < 0
    assert (found.verdict, accuracy.verdict, accuracy.primary) == ("worse", "worse", True)
    assert {"balanced_accuracy", "macro_f1", "log_loss", "brier", "auroc"} <= {metric.name for metric in found.metrics}


def test_the_order_of_rows_says_nothing(tmp_path: Path) -> None:
    base, head = (write_predictions(tmp_path / f"{r}.parquet", right=r) for r in (0.9, 0.7))
    shuffled = tmp_path / "shuffled.parquet"
    pd.read_parquet(head).sample(frac=1, random_state=1).to_parquet(shuffled, index=False)
    one, other = (compared(tmp_path, base=base, head=path) for path in (head, shuffled))
    for before, after in zip(one.metrics, other.metrics, strict=True):
        assert before.difference == pytest.approx(after.difference, abs=1e-12)
        assert before.verdict == after.verdict


def test_another_metric_can_decide_and_values_have_their_own(tmp_path: Path) -> None:
    base, head = (write_values(tmp_path / f"{m}.parquet", mean=m) for m in (0.8, 0.85))
    found = compared(tmp_path, base=base, head=head)
    assert [(m.name, m.primary, m.verdict) for m in found.metrics] == [("dice", True, "better")]
    base, head = (write_predictions(tmp_path / f"c{r}.parquet", right=r) for r in (0.9, 0.7))
    found = compared(tmp_path, "--primary", "log_loss", base=base, head=head)
    assert [m.name for m in found.metrics if m.primary] == ["log_loss"]
    assert found.verdict == "worse"


def test_other_questions_are_not_comparable(tmp_path: Path) -> None:
    base = write_predictions(tmp_path / "a.parquet", right=0.9)
    other_ids = write_predictions(tmp_path / "b.parquet", right=0.9, first=10)
    other_targets = write_predictions(tmp_path / "c.parquet", right=0.9, targets=5)
    for head, why in ((other_ids, "other ids"), (other_targets, "other targets")):
        found = compared(tmp_path, base=base, head=head)
        assert found.verdict == "not comparable"
        assert [evidence.why_not for evidence in found.evidence] == [why]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda table: table.drop(columns="id"), '"id"'),
        (lambda table: table.assign(id="one"), "one"),
        (lambda table: table.assign(**{"score:cat": np.nan}), "score:cat"),
        (lambda table: table.iloc[:0], ""),
    ],
    ids=["no id", "one id", "nan", "empty"],
)
def test_a_file_that_is_none_is_one_sentence_and_exit_code_2(tmp_path: Path, spoil, said: str) -> None:  # type: ignore[no-untyped-def]
    good = write_predictions(tmp_path / "good.parquet", right=0.9)
    bad = tmp_path / "bad.parquet"
    spoil(pd.read_parquet(good)).to_parquet(bad, index=False)
    done = pawl(tmp_path, "compare", "--base-predictions", str(good), "--head-predictions", str(bad))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "bad.parquet" in done.stderr
    assert said in done.stderr


def test_what_does_not_fit_together_is_said(tmp_path: Path) -> None:
    good = write_predictions(tmp_path / "good.parquet", right=0.9)
    for options in (
        ("--base-predictions", str(good)),
        ("--base-predictions", str(good), "--head-predictions", str(good), "--primary", "acuracy"),
        ("--base-predictions", str(good), "--head-predictions", str(tmp_path / "gone.parquet")),
    ):
        done = pawl(tmp_path, "compare", *options)
        assert done.returncode == 2, done.stdout
        assert len(done.stderr.strip().splitlines()) == 1


def test_the_table_names_the_method_and_what_is_not_in_it(tmp_path: Path) -> None:
    base, head = (write_predictions(tmp_path / f"{r}.parquet", right=r) for r in (0.9, 0.7))
    done = pawl(tmp_path, "compare", "--base-predictions", str(base), "--head-predictions", str(head))
    assert done.returncode == 0, done.stderr
    assert "accuracy *" in done.stdout
    assert "Tango" in done.stdout
    assert "luck of the seed" in done.stdout

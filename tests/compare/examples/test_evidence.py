"""From two predictions files, as stages write them, to the record in the comparison."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.stats import binomtest

from pawl.compare.examples.evidence import evidence
from pawl.compare.statistics.pairing import pair_predictions
from pawl.compare.statistics.predictions import read_predictions
from pawl.schema import Evidence

COUNT = 60


def columns(seed: int) -> dict[str, list]:
    """Three classes, 20 patients, two sites; every seed is another model of the same examples."""
    rng = np.random.default_rng(seed)
    targets = [("cat", "cow", "dog")[i % 3] for i in range(COUNT)]
    scores = rng.dirichlet([1.0, 1.0, 1.0], COUNT) * 0.5
    scores[np.arange(COUNT), np.arange(COUNT) % 3] += 0.5 * (rng.random(COUNT) < 0.8)
    scores /= scores.sum(axis=1, keepdims=True)
    return {
        "id": [f"e{i}" for i in range(COUNT)],
        "target": targets,
        "prediction": [("cat", "cow", "dog")[k] for k in scores.argmax(axis=1)],
        **{f"score:{label}": scores[:, k].tolist() for k, label in enumerate(("cat", "cow", "dog"))},
        "group": [f"patient {i // 3}" for i in range(COUNT)],
        "slice:site": [("north", "south")[i // 3 % 2] for i in range(COUNT)],
    }


def record(folder: Path, base: dict[str, list], head: dict[str, list], primary: str | None = "accuracy") -> Evidence:
    sides = []
    for name, content in (("base", base), ("head", head)):
        pq.write_table(pa.table(content), folder / f"{name}.parquet")
        sides.append(read_predictions(folder / f"{name}.parquet"))
    pairing = pair_predictions(*sides)
    found = evidence("animals", "results/predictions.parquet", *sides, pairing, primary, folder)
    assert Evidence.model_validate_json(found.model_dump_json()) == found
    return found


def test_everything_that_the_files_say(tmp_path: Path) -> None:
    base, head = columns(0), columns(1)
    pictures = []
    for i in range(COUNT):
        written = io.BytesIO()
        Image.new("RGB", (8, 8), (i, i, i)).save(written, "PNG")
        pictures.append(written.getvalue())
    head["image"] = pictures
    order = np.random.default_rng(0).permutation(COUNT)
    found = record(tmp_path, {name: [column[i] for i in order] for name, column in base.items()}, head)
    assert (found.name, found.path, found.kind) == ("animals", "results/predictions.parquet", "classification")
    assert (found.paired, found.groups, found.why_not, found.problem) == (COUNT, 20, None, "")
    right = [[target == given for target, given in zip(side["target"], side["prediction"], strict=True)]
             for side in (base, head)]  # fmt: skip
    broken = sum(b and not h for b, h in zip(*right, strict=True))
    fixed = sum(h and not b for b, h in zip(*right, strict=True))
    assert broken > 2
    assert fixed > 2
    assert found.mcnemar is not None
    assert (found.mcnemar.only_base_right, found.mcnemar.only_head_right) == (broken, fixed)
    assert found.mcnemar.p_value == pytest.approx(binomtest(broken, broken + fixed).pvalue)
    assert found.flips is not None
    assert (found.flips.broken, found.flips.fixed, len(found.flips.shown)) == (broken, fixed, broken + fixed)
    assert all(flip.thumbnail for flip in found.flips.shown)
    assert len({flip.thumbnail for flip in found.flips.shown}) == broken + fixed
    assert {(one.column, one.value, one.examples) for one in found.slices} == {
        ("site", "north", 30),
        ("site", "south", 30),
    }
    assert found.reliability is not None
    assert sum(one.examples for one in found.reliability.base) == COUNT


def test_another_test_set_is_said_and_nothing_is_made_up(tmp_path: Path) -> None:
    base, head = columns(0), {name: column[:-4] for name, column in columns(1).items()}
    head["id"] = [*head["id"][:-1], "new"]
    found = record(tmp_path, base, head)
    assert found.why_not == "other ids"
    assert found.problem
    assert (found.paired, found.base_only, found.head_only) == (55, 5, 1)
    assert (found.flips, found.mcnemar, found.reliability, found.slices) == (None, None, None, ())


def test_other_targets_are_counted(tmp_path: Path) -> None:
    base, head = columns(0), columns(1)
    head["target"] = ["cow", *head["target"][1:]]
    found = record(tmp_path, base, head)
    assert (found.why_not, found.other_targets) == ("other targets", 1)
    assert found.flips is None


def test_values_have_slices_and_no_flips(tmp_path: Path) -> None:
    sides = [
        {"id": [f"e{i}" for i in range(40)], "value:dice": rng.uniform(0.7, 0.9, 40).tolist(),
         "slice:fold": ["one", "two"] * 20}
        for rng in map(np.random.default_rng, (0, 1))
    ]  # fmt: skip
    found = record(tmp_path, *sides, primary="dice")
    assert found.kind == "values"
    assert (found.flips, found.mcnemar, found.reliability, found.groups) == (None, None, None, None)
    assert [one.metric for one in found.slices] == ["dice", "dice"]
    assert record(tmp_path, *sides, primary=None).slices == ()


def test_pictures_of_base_are_shown_where_head_has_none_and_a_broken_column_stops_nothing(tmp_path: Path) -> None:
    base, head = columns(0), columns(1)
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    plain = record(tmp_path, base, head)
    assert plain.flips is not None
    shown = plain.flips.shown[-1].id
    order = np.random.default_rng(0).permutation(COUNT)
    base["image"] = ["1.png" if name == shown else "../1.png" for name in base["id"]]
    found = record(tmp_path, {name: [column[i] for i in order] for name, column in base.items()}, head)
    assert found.flips is not None
    assert [flip.id for flip in found.flips.shown if flip.thumbnail] == [shown]
    base["image"] = [1.5] * COUNT
    found = record(tmp_path, base, head)
    assert found.flips is not None
    assert not any(flip.thumbnail for flip in found.flips.shown)

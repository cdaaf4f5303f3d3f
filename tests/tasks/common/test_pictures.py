from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tasks.common.data.manifest import Example
from tasks.common.evaluation import pictures
from tasks.common.evaluation.pictures import picture_grid, thumbnails, worst_mistakes, write_pictures
from tasks.common.evaluation.results import write_classification
from tasks.common.plotting.run import read_curves, run
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths


def test_the_worst_mistakes_come_first():
    targets = np.array([0, 1, 0, 1])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.95, 0.05]])
    assert worst_mistakes(targets, scores, 3) == [3, 1, 2]
    assert worst_mistakes(targets, scores, 9) == [3, 1, 2, 0]


@given(st.integers(1, 20), st.integers(2, 4), st.integers(0, 99))
def test_nothing_right_comes_before_what_is_wrong(n, n_labels, seed):
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(n_labels), n)
    targets = rng.integers(0, n_labels, n)
    order = worst_mistakes(targets, scores, n)
    wrong = [bool(scores[i].argmax() != targets[i]) for i in order]
    assert sorted(order) == list(range(n))
    assert wrong == sorted(wrong, reverse=True)


def test_a_grid_shows_every_image_and_has_the_same_bytes_again(tmp_path):
    images = [np.full((8, 8), shade, np.uint8) for shade in (40, 80, 120)] + [np.full((4, 12, 3), 160, np.uint8)]
    paths = TaskPaths(tmp_path, "digits")
    grid = picture_grid(images, ["3 as 8\n0.97", "", "7", "a caption that is much too wide for it"], columns=2)
    shades = {colour for _, colour in grid.getcolors(100_000)}
    assert {(s, s, s) for s in (40, 80, 120, 160)} <= shades
    write_pictures(paths, {"mistakes": grid})
    before = (paths.pictures / "mistakes.png").read_bytes()
    write_pictures(paths, {"mistakes": grid})
    assert [p.name for p in paths.pictures.iterdir()] == ["mistakes.png"]
    assert (paths.pictures / "mistakes.png").read_bytes() == before


def test_a_grid_of_nothing_is_a_picture_still():
    assert picture_grid([], []).size[0] > 100


def opened(picture):
    return Image.open(io.BytesIO(picture))


def test_thumbnails_are_small_pngs_of_the_first_images(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_THUMBNAILS", 2)
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (3, 200, 100, 3), dtype=np.uint8)
    *small, without = thumbnails(large)
    assert without is None
    assert [(opened(each).format, opened(each).size, opened(each).mode) for each in small] == [
        ("PNG", (32, 64), "RGB")
    ] * 2
    assert thumbnails(large) == [*small, None]
    digits = rng.integers(0, 17, (1, 8, 8), dtype=np.uint8)
    (digit,) = thumbnails(digits, brighten=15)
    assert (np.asarray(opened(digit)) == digits[0] * 15).all()


def test_predictions_carry_the_pictures_and_are_the_same_bytes_again(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    examples = [Example(f"e{i}", "test", "ab"[i % 2], f"d{i}", f"g{i}", "") for i in range(4)]
    examples.append(Example("t", "train", "a", "d9", "g9", ""))
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9]])
    written = []
    for name in ("one", "two"):
        paths = TaskPaths(tmp_path / name, "digits")
        write_classification(paths, examples, scores, ["a", "b"], 10, images=thumbnails(images))
        written.append(paths.predictions.read_bytes())
    assert written[0] == written[1]
    rows = pq.read_table(paths.predictions).to_pylist()
    assert [*rows[0]] == ["id", "target", "prediction", "score:a", "score:b", "image"]
    assert [np.asarray(opened(row["image"])).tolist() for row in rows] == images.tolist()
    write_classification(paths, examples, scores, ["a", "b"], 10)
    assert "image" not in pq.read_schema(paths.predictions).names


def test_curves_are_one_picture_a_metric_with_a_panel_a_fold(tmp_path):
    paths = TaskPaths(tmp_path, "prostate")
    for fold, values in (("fold-0", [0.9, 0.5]), ("fold-1", [0.8, 0.4])):
        for side in ("train", "val"):
            for metric in ("loss", "dice"):
                file = paths.history / "plots" / "metrics" / fold / side / f"{metric}.tsv"
                file.parent.mkdir(parents=True, exist_ok=True)
                rows = "".join(f"{step}\t{value}\n" for step, value in enumerate(values))
                file.write_text(f"step\t{metric}\n{rows}")
    curves = read_curves(paths.history / "plots" / "metrics")
    assert list(curves) == ["dice", "loss"]
    assert curves["loss"][0] == {"panel": "fold-0", "side": "train", "epoch": 0, "value": 0.9}
    assert len(curves["loss"]) == 8
    run(paths)
    first = {path.name: path.read_bytes() for path in paths.curves.iterdir()}
    assert sorted(first) == ["dice.png", "loss.png"]
    assert Image.open(paths.curves / "loss.png").size[0] > 400
    run(paths)
    assert {path.name: path.read_bytes() for path in paths.curves.iterdir()} == first


def test_no_history_is_an_error(tmp_path):
    with pytest.raises(TaskError, match="run the stage train first"):
        run(TaskPaths(tmp_path, "digits"))

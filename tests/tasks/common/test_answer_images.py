"""Answers for many image files at once, some of which are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.data.images import read_image
from tasks.common.inference.images import answer_images, likeliest

LABELS = ["dark", "bright"]


def brightness(file: Path) -> np.ndarray:
    return np.asarray(read_image(file, "L"))


def judge(images: np.ndarray) -> tuple[np.ndarray, list[list[str]]]:
    assert images.ndim == 3, "nothing is asked where no file is an image"
    bright = images.mean(axis=(1, 2)) / 255
    return likeliest(LABELS, np.stack([1 - bright, bright], axis=1))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Bright, no image, dark, absent."""
    Image.new("L", (4, 4), 204).save(tmp_path / "bright.png")
    (tmp_path / "text.png").write_text("no image")
    Image.new("L", (4, 4), 51).save(tmp_path / "dark.png")
    return [tmp_path / name for name in ("bright.png", "text.png", "dark.png", "absent.png")]


def test_each_file_has_its_own_answer_in_their_order(files):
    answers = answer_images(LABELS, brightness, judge)(files, Path("unused"))
    assert [answer.source for answer in answers] == list(map(str, files))
    assert [answer.problem for answer in answers] == [None, "is not a JPEG or PNG image", None, "does not exist"]
    assert [answer.predicted for answer in answers] == [("bright",), (), ("dark",), ()]
    assert answers[0].labels == pytest.approx({"dark": 0.2, "bright": 0.8})
    assert answers[2].labels == pytest.approx({"dark": 0.8, "bright": 0.2})
    assert answers[1].labels == answers[3].labels == {}


def test_without_any_image_the_model_is_not_asked(files):
    answers = answer_images(LABELS, brightness, judge)([files[1], files[3]], Path("unused"))
    assert [bool(answer.problem) for answer in answers] == [True, True]
    assert answer_images(LABELS, brightness, judge)([], Path("unused")) == []


def test_a_model_that_answers_too_few_is_noticed(files):
    with pytest.raises(ValueError, match="shorter"):
        answer_images(LABELS, brightness, lambda images: (np.ones((2, 2)), [["dark"]]))(files, Path("unused"))


def test_of_equal_scores_the_first_label_is_the_likeliest():
    scores = np.array([[0.5, 0.5], [0.1, 0.9]])
    assert likeliest(LABELS, scores)[1] == [["dark"], ["bright"]]
    assert likeliest(LABELS, scores)[0] is scores


def test_other_errors_are_not_hidden(files):
    def broken(file: Path) -> np.ndarray:
        raise KeyError(file)

    with pytest.raises(KeyError):
        answer_images(LABELS, broken, judge)(files[:1], Path("unused"))

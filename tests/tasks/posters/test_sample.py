"""The generated posters: the same each time, in the real layout, and no puzzle that colours solve."""

from __future__ import annotations

import ast
import csv
import hashlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tasks.common.stage.files import file_digest
from tasks.posters.fetch.motifs import MOTIFS, decoys
from tasks.posters.fetch.sample import GENRES, write_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """400 posters, about 3 s of one core."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, 400, 1)
    return folder


def rows_of(folder):
    return list(csv.DictReader((folder / "train.csv").open(encoding="utf-8")))


def digests(folder):
    return {p.relative_to(folder).as_posix(): file_digest(p) for p in folder.rglob("*") if p.is_file()}


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        (tmp_path / name).mkdir()
        write_sample(tmp_path / name, 100, seed)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert not set(digests(tmp_path / "one").values()) & set(digests(tmp_path / "other").values())


def test_the_layout_is_that_of_the_real_set(sample):
    rows = rows_of(sample)
    assert list(rows[0]) == ["Id", "Genre", *GENRES]
    assert len(GENRES) == 25
    for row in rows:
        listed = ast.literal_eval(row["Genre"])
        assert listed
        assert {genre for genre in GENRES if row[genre] == "1"} == set(listed)
        with Image.open(sample / "Images" / f"{row['Id']}.jpg") as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 192))
    assert len(list((sample / "Images").iterdir())) == len({row["Id"] for row in rows}) == 400


def test_every_genre_is_often_enough_and_posters_have_one_to_three(sample):
    counts = Counter(genre for row in rows_of(sample) for genre in GENRES if row[genre] == "1")
    assert set(counts) == set(MOTIFS)
    assert min(counts.values()) >= 0.1 * 400
    sizes = Counter(len(ast.literal_eval(row["Genre"])) for row in rows_of(sample))
    assert set(sizes) == {1, 2, 3}


def test_some_files_are_there_twice_and_some_rows_too(sample):
    names = Counter(row["Id"] for row in rows_of(sample))
    assert sum(count == 2 for count in names.values()) == 4
    files = Counter(hashlib.sha256(p.read_bytes()).hexdigest() for p in (sample / "Images").iterdir())
    assert 4 <= sum(count > 1 for count in files.values()) <= 8


def test_every_shape_fits_its_cell_and_none_is_another():
    drawn = [shape() for shape in MOTIFS.values()] + decoys()
    for shape in drawn:
        assert all(np.hypot(*corners.T).max() < 1.2 for _, corners in shape)
    outlines = {tuple(np.round(np.concatenate([corners for _, corners in shape]), 6).ravel()) for shape in drawn}
    assert len(outlines) == len(drawn)


def test_colours_do_not_tell_the_genres(sample):
    """About 6 s: a linear model and a forest on 48 statistics of colour, each near what no information scores."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = {row["Id"]: row for row in rows_of(sample)}
    first = {
        hashlib.sha256((sample / "Images" / f"{name}.jpg").read_bytes()).hexdigest(): name for name in sorted(rows)
    }
    names = sorted(first.values())
    inputs = np.array([_colours(Image.open(sample / "Images" / f"{name}.jpg")) for name in names])
    targets = np.array([[int(rows[name][genre]) for genre in MOTIFS] for name in names])
    train, test = slice(0, 260), slice(260, None)
    chance = targets[test].mean()
    for model in (
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)),
        RandomForestClassifier(100, random_state=0),
    ):
        scores = [
            model.fit(inputs[train], targets[train, k]).predict_proba(inputs[test])[:, 1] for k in range(len(MOTIFS))
        ]
        assert average_precision_score(targets[test], np.column_stack(scores)) < 1.6 * chance


def _colours(image) -> np.ndarray:
    rgb = np.asarray(image, np.float64).reshape(-1, 3) / 255
    hsv = np.asarray(image.convert("HSV")).reshape(-1, 3)
    bins = [np.histogram(hsv[:, channel], 12, (0, 256))[0] / len(hsv) for channel in range(3)]
    return np.concatenate([rgb.mean(axis=0), rgb.std(axis=0), hsv.mean(axis=0) / 255, hsv.std(axis=0) / 255, *bins])

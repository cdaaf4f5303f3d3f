from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tasks.common.stage.files import file_digest
from tasks.common.stage.run import run_stage
from tasks.retinopathy.fetch.sample import SHARES, write_sample


def test_equal_seeds_draw_equal_bytes_and_others_do_not(tmp_path):
    digests = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        write_sample(tmp_path / name, 12, 40, seed)
        files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        digests.append([(p.name, file_digest(p)) for p in files])
    assert digests[0] == digests[1]
    assert not {digest for _, digest in digests[0]} & {digest for _, digest in digests[2]}


def test_the_sample_is_laid_out_as_the_competition_is(tiny):
    paths = tiny()
    run_stage("fetch", "retinopathy", paths.root)
    rows = list(csv.DictReader((paths.raw / "train.csv").open()))
    assert list(rows[0]) == ["id_code", "diagnosis"]
    assert {row["id_code"] for row in rows} == {p.stem for p in (paths.raw / "train_images").glob("*.png")}
    shares = {int(grade): count / len(rows) for grade, count in Counter(row["diagnosis"] for row in rows).items()}
    assert shares == pytest.approx(dict(enumerate(SHARES)), abs=0.01)
    with Image.open(paths.raw / "train_images" / f"{rows[0]['id_code']}.png") as image:
        assert (image.mode, image.height) == ("RGB", 40)
    source = json.loads((paths.raw / "source.json").read_text())
    assert source["synthetic"] is True
    assert "Drawn" in source["name"]


def test_colours_alone_do_not_tell_the_grade(drawn):
    """Means and deviations of the channels are at chance; skewness, which lesions must change a little, is near it."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.metrics import cohen_kappa_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    moments, grades = [], []
    for row in csv.DictReader((drawn.raw / "train.csv").open()):
        with Image.open(drawn.raw / "train_images" / f"{row['id_code']}.png") as image:
            pixels = np.asarray(image, float).reshape(-1, 3)
        centred = pixels - pixels.mean(axis=0)
        moments.append([pixels.mean(axis=0), pixels.std(axis=0), (centred**3).mean(axis=0) / pixels.std(axis=0) ** 3])
        grades.append(int(row["diagnosis"]))
    features = np.array(moments)
    for chosen, limit in ((features[:, :2], 0.15), (features, 0.3)):
        for baseline in (Ridge(), LogisticRegression(max_iter=2000)):
            model = make_pipeline(StandardScaler(), baseline)
            predicted = cross_val_predict(model, chosen.reshape(len(grades), -1), grades, cv=5)
            whole = predicted.round().clip(0, 4).astype(int)
            assert cohen_kappa_score(grades, whole, weights="quadratic") < limit

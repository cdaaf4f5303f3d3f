from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from tasks.common.model.archive import read_archive, write_archive
from tasks.common.model.card import read_card
from tasks.common.model.skops_file import load_skops, save_skops
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.model.pipeline import ALLOWED_TYPES


class Hostile:
    """Would run code when unpickled or called."""

    def __reduce__(self):
        return (eval, ("1/0",))


def copy_of(paths: TaskPaths, root) -> TaskPaths:
    import shutil

    shutil.copytree(paths.root, root, dirs_exist_ok=True)
    return TaskPaths(root, paths.task)


def test_a_type_that_is_not_on_the_list_is_not_read(tmp_path):
    from sklearn.ensemble import IsolationForest

    path = tmp_path / "model.skops"
    save_skops(IsolationForest(), path)
    with pytest.raises(TaskError, match="IsolationForest"):
        load_skops(path, ALLOWED_TYPES)


def test_a_model_with_a_hostile_object_in_it_is_not_read(tmp_path):
    from sklearn.preprocessing import FunctionTransformer

    path = tmp_path / "model.skops"
    save_skops(FunctionTransformer(Hostile), path)
    with pytest.raises(TaskError):
        load_skops(path, ALLOWED_TYPES)


def test_a_schema_that_names_another_function_is_not_read(tmp_path, finished):
    path = copy_of(finished["logistic_regression"], tmp_path).model / "model.skops"
    files = read_archive(path)
    schema = files["schema.json"].replace(b'"f_classif"', b'"chi2"')
    assert schema != files["schema.json"]
    write_archive(path, files | {"schema.json": schema})
    with pytest.raises(TaskError, match="chi2"):
        load_skops(path, ALLOWED_TYPES)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip"])
def test_what_is_no_skops_file_is_one_sentence(tmp_path, content):
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(TaskError, match="is not a skops file"):
        load_skops(tmp_path / "model.skops", ALLOWED_TYPES)


def test_the_files_in_an_archive_have_no_clock(finished):
    for name, file in {"tensorflow": "model.keras", "svc": "model.skops"}.items():
        with zipfile.ZipFile(finished[name].model / file) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_skops_file_gives_back_the_same_predictions(tmp_path):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 3))
    model = LogisticRegression().fit(inputs, inputs[:, 0] > 0)
    save_skops(model, tmp_path / "m.skops")
    again = load_skops(tmp_path / "m.skops", ALLOWED_TYPES)
    assert np.array_equal(again.predict_proba(inputs), model.predict_proba(inputs))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 2}, "format version 2"),
        ({"task": "tabular"}, 'of the task "tabular"'),
        ({"labels": "0123456789"}, "labels"),
        ({"surprise": 1}, "surprise"),
        ({"files": {"../torch/params.yaml": "0" * 64}}, "is not the file"),
        ({"files": {"model.pt": "0" * 64}}, "is not the file"),
    ],
)
def test_a_card_that_does_not_fit_is_one_sentence(finished, tmp_path, change, words):
    paths = copy_of(finished["torch"], tmp_path)
    card = paths.model / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(TaskError) as caught:
        read_card(paths.model, "digits")
    assert words in str(caught.value)
    assert "run the stage train" in str(caught.value)

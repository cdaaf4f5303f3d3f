"""Cats and dogs: network, sample, layout, and the whole way on a tiny version."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.common.data.manifest import read_manifest
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tasks.pets.fetch.sample import ANIMALS, write_sample
from tasks.pets.infer import load
from tasks.pets.train.augment import AugmentParams, augment
from tests.tasks.checkouts import REPOSITORY, change_params

TINY = {"fetch.train_images": 60, "fetch.test_images": 40, "train.epochs": 1, "train.depth": 1}


def make(root: Path, **changes: object) -> TaskPaths:
    root.mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "params.yaml", root)
    values = {key.replace("__", "."): value for key, value in changes.items()}
    change_params(root, {"tasks": ["pets"]} | {f"pets.{key}": value for key, value in (TINY | values).items()})
    return TaskPaths(root, "pets")


def run(paths: TaskPaths, *stages: str) -> None:
    for stage in stages:
        run_stage(stage, "pets", paths.root)


def write_photograph(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def test_the_network_has_the_parameters_of_the_document():
    import torch

    from tasks.pets.model.vit import Architecture, VisionTransformer

    model = VisionTransformer(Architecture(32, 4, 64, 6, 8, 4, 0.0), 2)
    assert sum(parameter.numel() for parameter in model.parameters()) == 307_522
    assert model(torch.zeros(3, 3, 32, 32)).shape == (3, 2)


def test_attention_is_that_of_pytorch_and_its_values_have_their_own_projection():
    import torch

    from tasks.pets.model.vit import Attention, attend

    queries, keys, values = torch.randn(3, 2, 4, 7, 5, generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.scaled_dot_product_attention(queries, keys, values)
    torch.testing.assert_close(attend(queries, keys, values), expected)
    attention = Attention(8, 2)
    tokens = torch.randn(1, 3, 8)
    before = attention(tokens)
    with torch.no_grad():
        attention.value.weight.zero_()
        attention.value.bias.zero_()
    assert not torch.allclose(before, attention(tokens))
    torch.testing.assert_close(attention(tokens), attention.out.bias.expand(1, 3, 8))


def test_patches_are_squares_row_by_row():
    import torch

    from tasks.pets.model.vit import patches

    images = torch.arange(2 * 3 * 8 * 8).float().view(2, 3, 8, 8)
    cut = patches(images, 4)
    assert cut.shape == (2, 4, 48)
    torch.testing.assert_close(cut[1, 2], images[1, :, 4:, :4].reshape(-1))


def test_eight_images_are_learnt_by_heart():
    import torch

    from tasks.pets.model.vit import Architecture, VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(Architecture(16, 4, 32, 2, 4, 2, 0.0), 2)
    images, targets = torch.randn(8, 3, 16, 16), torch.arange(8) % 2
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_the_sample_is_the_same_each_time_and_colour_tells_nothing(tmp_path):
    """About 8 s, to draw 700 images."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    write_sample(tmp_path / "a", 400, 260, 1)
    write_sample(tmp_path / "b", 20, 20, 1)
    write_sample(tmp_path / "c", 20, 20, 2)
    for name in ("train/Dog/3.jpg", "test/Cat/5.jpg"):
        one, again, other = (file_digest(tmp_path / folder / name) for folder in "abc")
        assert one == again != other
    moments: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    for part in moments:
        for label, animal in enumerate(ANIMALS):
            for path in sorted((tmp_path / "a" / part / animal).iterdir()):
                try:
                    pixels = np.asarray(Image.open(path), float).reshape(-1, 3)
                except OSError:
                    continue  # One of those that are damaged on purpose.
                deviation = pixels.std(axis=0)
                skew = ((pixels - pixels.mean(axis=0)) ** 3).mean(axis=0) / deviation**3
                moments[part].append(np.concatenate([pixels.mean(axis=0), deviation, skew]))
                labels[part].append(label)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(moments["train"], labels["train"])
    assert model.score(moments["test"], labels["test"]) <= 0.6


def test_a_test_part_stays_as_given_and_what_is_unusable_is_named(tmp_path):
    paths = make(tmp_path, prepare__max_rejected_share=0.5)
    for part, count in (("train", 12), ("test", 4)):
        for label, animal in enumerate(ANIMALS):
            for number in range(count):
                path = paths.raw / part / animal / f"{number}.png"
                write_photograph(path, 1000 * label + 100 * (part == "test") + number)
    (paths.raw / "source.json").write_text('{"name": "a test"}')
    (paths.raw / "train/Cat/Thumbs.db").write_text("x")
    (paths.raw / "train/Cat/cut.png").write_bytes((paths.raw / "train/Cat/0.png").read_bytes()[:300])
    shutil.copy(paths.raw / "test/Dog/1.png", paths.raw / "train/Dog/again.png")
    shutil.copy(paths.raw / "train/Dog/5.png", paths.raw / "train/Cat/other.png")
    run(paths, "prepare")
    examples = read_manifest(paths.prepared)
    assert {e.source for e in examples if e.split == "test"} == {
        f"test/{animal}/{n}.png" for animal in ANIMALS for n in range(4)
    }
    assert {e.split for e in examples if e.source.startswith("train/")} == {"train", "validation"}
    report = (paths.prepared / "data_report.json").read_text()
    for words in (
        '"train/Cat/Thumbs.db"',
        '"train/Cat/cut.png"',
        "is truncated or damaged",
        "is the same file as test/Dog/1.png, which judges the model",
        "the same file is in the classes Cat and Dog",
    ):
        assert words in report
    assert len(examples) == 2 * 16 - 1


def test_without_a_test_part_the_source_is_split_by_fractions(tmp_path):
    paths = make(tmp_path)
    for label, animal in enumerate(ANIMALS):
        for number in range(20):
            write_photograph(paths.raw / animal / f"{number}.png", 1000 * label + number)
    (paths.raw / "source.json").write_text('{"name": "a test"}')
    run(paths, "prepare")
    splits = [example.split for example in read_manifest(paths.prepared)]
    assert {split: splits.count(split) for split in set(splits)} == {"train": 24, "validation": 6, "test": 10}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "does not exist; run the stage fetch first"),
        (["train/Cat/1.png"], "has 1 folders, but there must be one for each of at least 2 classes"),
        (["test/Cat/1.png", "test/Dog/1.png"], "has a folder test but none called train"),
        (["train/Cat/1.png", "train/Dog/2.png", "test/Cat/3.png", "test/Cow/4.png"], 'the class "Cow" is in only one'),
    ],
)
def test_another_layout_is_one_sentence(tmp_path, files, words):
    paths = make(tmp_path)
    for number, name in enumerate(files):
        write_photograph(paths.raw / name, number)
    with pytest.raises(TaskError, match=words):
        run(paths, "prepare")


def test_images_are_mirrored_and_moved_but_not_otherwise_changed():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    random = np.random.default_rng(1)
    same = augment(images, AugmentParams(flip_probability=0, shift_pixels=0), random)
    assert (same == images).all()
    assert (augment(images, AugmentParams(flip_probability=1, shift_pixels=0), random) == images[:, :, ::-1]).all()
    for image, moved in zip(
        images, augment(images, AugmentParams(flip_probability=0, shift_pixels=1), random), strict=True
    ):
        offsets = [(y, x) for y in (0, 1, 2) for x in (0, 1, 2)]
        assert any((moved[1:-1, 1:-1] == image[y : y + 6, x : x + 6]).all() for y, x in offsets)


def test_inference_on_the_test_images_gives_the_rows_of_the_predictions(tmp_path):
    paths = make(tmp_path)
    run(paths, "fetch", "prepare", "train", "evaluate")
    test = [example for example in read_manifest(paths.prepared) if example.split == "test"]
    answers = load(paths)([paths.raw / example.source for example in test], tmp_path)
    rows = pq.read_table(paths.predictions).to_pylist()
    assert len(rows) == len(test) > 30
    assert [dict(a.labels) for a in answers] == [{label: row[f"score:{label}"] for label in ANIMALS} for row in rows]
    assert [a.predicted for a in answers] == [(row["prediction"],) for row in rows]
    assert [sum(a.labels.values()) for a in answers] == pytest.approx([1] * len(rows))
    (tmp_path / "text.jpg").write_text("no image")
    mixed = load(paths)([tmp_path / "text.jpg", paths.raw / test[0].source], tmp_path)
    assert [a.problem for a in mixed] == ["is not a JPEG or PNG image", None]
    assert (paths.pictures / "mistakes.png").stat().st_size > 0

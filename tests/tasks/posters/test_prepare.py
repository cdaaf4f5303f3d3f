from __future__ import annotations

import colorsys
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from tasks.common.data.label_sets import labels_of
from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.data.splits import SPLITS
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.posters.fetch import run as fetch
from tasks.posters.prepare import run as prepare
from tasks.posters.prepare.augmentation import AugmentationParams, choose_change
from tasks.posters.prepare.red_filter import RedFilterParams, red_share
from tests.tasks.checkouts import change_params, params_of
from tests.tasks.posters.conftest import a_poster, table_row

RED = RedFilterParams(hue_ranges_deg=[[0, 15], [345, 360]], min_saturation=0.5, min_value=0.2, max_share=0.6)
LITTLE = AugmentationParams(copies=1, max_rotation_deg=8, min_scale=0.9, max_scale=1.15)


def prepared(paths):
    prepare.run(paths, params_of(paths, "prepare"))
    return read_manifest(paths.prepared), json.loads((paths.prepared / "data_report.json").read_text())


def as_jpeg(pixels, mode="RGB", kind="JPEG"):
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, quality=95)
    return file.getvalue()


def test_a_folder_in_the_real_layout_is_split_into_shards(real):
    paths, folder = real()
    folder.write()
    examples, report = prepared(paths)
    assert {label for example in examples for label in labels_of(example)} == {"Comedy", "Drama", "War"}
    for split in SPLITS:
        rows = [example for example in examples if example.split == split]
        shard = open_shard(paths.prepared, "images", split)
        assert shard.shape == (len(rows), 32, 32, 3)
        assert shard.dtype == np.uint8
        for pixels, example in zip(shard, rows, strict=True):
            if example.id.endswith("+1"):
                continue
            with Image.open(paths.raw / example.source) as image:
                expected = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC, reducing_gap=3.0))
            # Large ones are not wholly decoded, which makes less of a difference than another filter would.
            assert np.abs(pixels.astype(int) - expected).mean() < 2
            row = next(row for row in folder.rows if example.source == f"Images/{row[0]}.jpg")
            assert labels_of(example) == [g for g in ("Comedy", "Drama", "War") if g in row[1]]
    assert report["examples"] == 48
    assert report["train"] + report["validation"] + report["test"] == 48
    assert json.loads(paths.data_counts.read_text())["examples"] == 48
    assert sorted(p.name for p in paths.prepared.iterdir()) == [
        "data_report.json", "images-test.npy", "images-train.npy", "images-validation.npy", "input.json",
        "manifest.csv",
    ]  # fmt: skip


def test_the_real_set_in_the_repository_is_fetched_by_its_source_alone(real, checkout):
    paths, folder = real({"posters.fetch.source": {"path": "movies", "sha256": None}})
    folder.write()
    paths.raw.rename(paths.root / "movies")
    with pytest.raises(TaskError, match=r"set this line: sha256: [0-9a-f]{64}") as error:
        fetch.run(paths, params_of(paths, "fetch"))
    change_params(paths.root, {"posters.fetch.source": {"path": "movies", "sha256": str(error.value)[-64:]}})
    fetch.run(paths, params_of(paths, "fetch"))
    examples, report = prepared(paths)
    assert report["source"]["synthetic"] is False
    assert report["source"]["path"] == "movies"
    assert report["examples"] == 48
    assert len(examples) > 48


def test_red_posters_go_with_their_labels_and_are_counted(real):
    paths, folder = real()
    for number in range(4):
        folder.add(f"red{number}", ["News"] if number < 3 else ["War"], a_poster(number, ["Western"], is_red=True))
    folder.write()
    examples, report = prepared(paths)
    assert not [example for example in examples if "red" in example.source]
    assert "News" not in report["per_class"]
    assert report["too_red"] == 4
    assert report["per_class_too_red"] == {"News": 3, "War": 1}
    assert report["per_class"]["War"] == 16
    assert report["examples"] == 48
    assert report["set_aside"] == 0


def test_the_declared_range_decides_what_red_is(real):
    paths, folder = real(
        {"posters.prepare.red_filter.hue_ranges_deg": [[100, 140]], "posters.prepare.red_filter.min_saturation": 0.9}
    )
    folder.add("red", ["War"], a_poster(1, ["Western"], is_red=True))
    green = np.full((40, 30, 3), (10, 200, 10), np.uint8)
    folder.add("green", ["War"], as_jpeg(green))
    folder.write()
    examples, report = prepared(paths)
    sources = {example.source for example in examples}
    assert "Images/red.jpg" in sources
    assert "Images/green.jpg" not in sources
    assert report["too_red"] == 1


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_one_colour_is_red_as_the_standard_library_has_it(red, green, blue):
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    near = (
        any(abs(hue * 360 - edge) < 3 for edge in (15, 345)) or abs(saturation - 0.5) < 0.02 or abs(value - 0.2) < 0.01
    )
    expected = (hue * 360 <= 15 or hue * 360 >= 345) and saturation >= 0.5 and value >= 0.2
    share = red_share(np.full((2, 2, 3), (red, green, blue), np.uint8), RED)
    assert near or share == expected


def test_the_share_is_that_of_the_red_pixels():
    pixels = np.full((10, 10, 3), (20, 20, 200), np.uint8)
    pixels[:3] = (220, 20, 20)
    assert red_share(pixels, RED) == pytest.approx(0.3)
    assert red_share(pixels, RED.model_copy(update={"hue_ranges_deg": []})) == 0


def test_a_range_that_runs_backwards_is_refused():
    with pytest.raises(ValidationError, match="write one that passes 360 as two"):
        RedFilterParams(hue_ranges_deg=[[345, 15]], min_saturation=0.5, min_value=0.2, max_share=0.6)


def test_only_training_posters_have_copies_and_those_are_in_the_shard(real):
    paths, folder = real({"posters.prepare.augmentation.copies": 2})
    folder.write()
    examples, report = prepared(paths)
    copies = [example for example in examples if "+" in example.id]
    originals = {example.id: example for example in examples if "+" not in example.id}
    assert {example.split for example in copies} == {"train"}
    in_train = [example for example in originals.values() if example.split == "train"]
    assert len(copies) == 2 * len(in_train) == report["augmented_copies"]
    for copy in copies:
        of = originals[copy.id.partition("+")[0]]
        assert (copy.label, copy.group) == (of.label, of.group)
    shard = open_shard(paths.prepared, "images", "train")
    assert len(shard) == 3 * len(in_train)
    assert not (shard[: len(in_train)] == shard[len(in_train) : 2 * len(in_train)]).all(axis=(1, 2, 3)).any()
    assert not (shard[len(in_train) : 2 * len(in_train)] == shard[2 * len(in_train) :]).all(axis=(1, 2, 3)).any()


def test_preparing_twice_gives_the_same_bytes_and_another_seed_other_copies(real):
    paths, folder = real()
    folder.write()
    prepared(paths)
    first = {p.name: file_digest(p) for p in paths.prepared.iterdir()}
    prepared(paths)
    assert {p.name: file_digest(p) for p in paths.prepared.iterdir()} == first
    params = params_of(paths, "prepare")
    assert choose_change("a", 1, params.seed, LITTLE) == choose_change("a", 1, params.seed, LITTLE)
    others = [choose_change("a", 1, 9, LITTLE), choose_change("b", 1, 1, LITTLE), choose_change("a", 2, 1, LITTLE)]
    assert choose_change("a", 1, 1, LITTLE) not in others


def test_the_same_content_is_in_one_split_whatever_its_id(real):
    paths, folder = real()
    for number in range(0, 48, 4):
        image = a_poster(number)
        folder.add(f"again{number}", ["War"], image)
        # Other bytes, the same pixels: a comment is added to the file.
        folder.add(f"pixels{number}", ["Comedy"], image[:2] + b"\xff\xfe\x00\x06same" + image[2:])
    folder.write()
    examples, report = prepared(paths)
    homes = {example.source: (example.split, example.group) for example in examples if "+" not in example.id}
    for number in range(0, 48, 4):
        assert (
            len({homes[f"Images/{name}.jpg"] for name in (f"tt{number:07d}", f"again{number}", f"pixels{number}")}) == 1
        )
    assert report["repeated"] == 12
    assert report["repeated_with_other_label"] > 0


def test_the_split_does_not_follow_from_the_size_of_the_pictures(real):
    paths, folder = real()
    folder.write()
    small, _ = prepared(paths)
    change_params(paths.root, {"posters.prepare.image_size": 48, "posters.prepare.fit": "crop"})
    large, _ = prepared(paths)
    assert [(e.id, e.split, e.group) for e in small] == [(e.id, e.split, e.group) for e in large]
    assert json.loads((paths.prepared / "input.json").read_text()) == {"image_size": 48, "fit": "crop"}


def test_bad_images_and_rows_are_set_aside_by_name(real):
    paths, folder = real()
    whole = a_poster(200)
    folder.add("cut", ["War"], whole[: len(whole) // 2])
    folder.add("text", ["War"], b"no image at all")
    folder.add("empty", ["War"], b"")
    folder.add("grey", ["War"], as_jpeg(np.zeros((30, 20, 3), np.uint8), "L"))
    folder.add("gif", ["War"], as_jpeg(np.zeros((30, 20, 3), np.uint8), "P", "GIF"))
    folder.add("absent", ["War"], None)
    folder.rows.append(table_row("tt0000001", ["War"]))
    folder.rows.append(table_row("nothing", []))
    folder.write()
    examples, report = prepared(paths)
    said = {entry["source"]: entry["reason"] for entry in report["set_aside_because"]}
    assert said == {
        "Images/cut.jpg": "is truncated or damaged",
        "Images/text.jpg": "is not a JPEG or PNG image",
        "Images/empty.jpg": "is empty",
        "Images/grey.jpg": "has channels of the kind 1, not 3",
        "Images/gif.jpg": "is not a JPEG or PNG image",
        "Images/absent.jpg": "does not exist",
        "train.csv line 56": "has the id of line 3 with other genres",
        "train.csv line 57": "has no genre",
    }
    assert report["set_aside"] == 8
    assert len([example for example in examples if "+" not in example.id]) == 48


def test_too_much_to_set_aside_is_an_error(real):
    paths, folder = real({"posters.prepare.max_rejected_share": 0.05})
    for number in range(3):
        folder.add(f"absent{number}", ["War"], None)
    folder.write()
    with pytest.raises(TaskError, match=r"3 of 51 examples cannot be used, the first is Images/absent0.jpg"):
        prepared(paths)
    assert not paths.prepared.exists()


def test_genres_that_are_too_rare_are_left_out_and_named(real):
    paths, folder = real({"posters.prepare.min_posters_per_genre": 4})
    for number in range(3):
        folder.add(f"news{number}", ["Drama", "News"] if number else ["News"], a_poster(300 + number))
    folder.write()
    examples, report = prepared(paths)
    assert report["genres_too_rare"] == {"News": 3}
    assert "News" not in report["per_class"]
    assert report["per_class"]["Drama"] == 18
    assert {entry["source"]: entry["reason"] for entry in report["set_aside_because"]} == {
        "Images/news0.jpg": "has only genres of fewer than 4 posters: News"
    }
    assert {label for example in examples for label in labels_of(example)} == {"Comedy", "Drama", "War"}


def test_one_genre_only_is_an_error(real):
    paths, folder = real()
    folder.rows = [row for row in folder.rows if row[1] == "['War']"]
    folder.write()
    with pytest.raises(TaskError, match="at least 2 classes"):
        prepared(paths)


def test_an_empty_folder_and_an_empty_table_name_what_to_do(real):
    paths, folder = real()
    with pytest.raises(TaskError, match=r"train.csv does not exist; run the stage fetch first"):
        prepared(paths)
    folder.rows = []
    folder.write()
    with pytest.raises(TaskError, match="has no usable row; correct it"):
        prepared(paths)
    folder.add("only", ["War"], None)
    folder.write()
    with pytest.raises(TaskError, match="none of 1 files is a usable image"):
        prepared(paths)
    assert not paths.prepared.exists()

from __future__ import annotations

import contextlib
import io
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tasks.common.data.images import BadImageError, decode_images, read_image, square
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def picture(folder: Path, name: str, mode: str = "RGB", **options: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(NOISE).convert(mode).save(path, **options)
    return path


def test_an_image_is_read_as_it_is(tmp_path):
    assert np.array_equal(np.asarray(read_image(picture(tmp_path, "a.png"), "RGB")), NOISE)
    assert read_image(picture(tmp_path, "grey.png", "L"), "L").mode == "L"


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(picture(tmp_path, "a.jpg", exif=exif), "RGB").size == (40, 60)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "absent.png", "does not exist"),
        (lambda folder: written(folder, b""), "is empty"),
        (lambda folder: written(folder, b"GIF89a, or so it says"), "is not a JPEG or PNG image"),
        (lambda folder: picture(folder, "a.gif"), "is not a JPEG or PNG image"),
        (lambda folder: cut(picture(folder, "a.jpg"), 0.5), "is truncated or damaged"),
        (lambda folder: cut(picture(folder, "a.png"), 0.7), "is truncated or damaged"),
        (lambda folder: picture(folder, "a.png", "L"), "has channels of the kind 1, not 3"),
        (lambda folder: picture(folder, "a.jpg", "CMYK"), "has channels of the kind 4 \\(CMYK\\), not 3"),
        (lambda folder: picture(folder, "a.png", "RGBA"), "has channels of the kind 4, not 3"),
        (lambda folder: written(folder, bomb()), "has more pixels than any photograph"),
    ],
)
def test_an_unusable_file_has_its_reason(tmp_path, make, reason):
    with pytest.raises(BadImageError, match=f"^{reason}$"):
        read_image(make(tmp_path), "RGB")


@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_no_bytes_do_worse_than_be_unusable(tmp_path_factory, tail, seed):
    """Arbitrary bytes, and a real file with some of its bytes changed."""
    stream = io.BytesIO()
    Image.fromarray(NOISE).save(stream, "PNG")
    damaged = bytearray(stream.getvalue())
    rng = random.Random(seed)
    for _ in range(3):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    folder = tmp_path_factory.mktemp("bytes")
    for content in (tail, bytes(damaged)):
        with contextlib.suppress(BadImageError):
            assert read_image(written(folder, content), "RGB").mode == "RGB"


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_a_square_is_a_square(how):
    image = Image.fromarray(np.full((30, 60, 3), 200, np.uint8))
    pixels = square(image, 16, how)
    assert pixels.shape == (16, 16, 3)
    assert (pixels[0, 0] == 0).all() == (how == "pad")
    assert (pixels[8, 8] == 200).all()


def test_a_crop_is_the_middle_and_a_stretch_the_whole():
    image = Image.fromarray(np.repeat(np.repeat(np.array([[0, 100, 200]], np.uint8), 40, 1), 40, 0))  # (40, 120)
    assert set(np.unique(square(image, 40, "crop"))) == {100}
    assert {0, 100, 200} <= set(np.unique(square(image, 40, "stretch")))


def test_files_are_decoded_in_order_and_the_bad_ones_named(tmp_path):
    files = [picture(tmp_path, f"sub/{i}.png", "RGB") for i in range(20)]
    for index, path in enumerate(files):
        Image.fromarray(np.roll(NOISE, index, axis=0)).save(path)
    cut(files[3], 0.5)
    files[7].write_bytes(b"no image")
    scratch = tmp_path / "scratch" / "decoded.npy"
    found = decode_images(
        files, lambda image: np.asarray(image), "RGB", side=60, root=tmp_path, scratch=scratch, label="prepare x"
    )
    good = [i for i in range(20) if i not in (3, 7)]
    assert list(found.kept) == good
    assert [(e.source, e.reason) for e in found.set_aside] == [
        ("sub/3.png", "is truncated or damaged"),
        ("sub/7.png", "is not a JPEG or PNG image"),
    ]
    assert list(found.digests) == [file_digest(files[i]) for i in good]
    assert found.images.shape == (18, 40, 60, 3)
    for row, index in enumerate(good):
        assert np.array_equal(found.images[row], np.roll(NOISE, index, axis=0))


@pytest.mark.parametrize("names", [[], ["a.png", "b.png"]])
def test_no_usable_file_is_an_error(tmp_path, names):
    files = [tmp_path / name for name in names]
    with pytest.raises(TaskError, match=f"none of {len(names)} files is a usable image"):
        decode_images(files, np.asarray, "RGB", side=60, root=tmp_path, scratch=tmp_path / "s.npy", label="prepare x")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "written.png"
    path.write_bytes(content)
    return path


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def bomb() -> bytes:
    stream = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(stream, "PNG")
    return stream.getvalue()


def test_an_image_is_measured_as_it_came_and_as_it_is_prepared(tmp_path):
    picture(tmp_path, "a.png")
    decoded = decode_images(
        [tmp_path / "missing.png", tmp_path / "a.png"],
        lambda image: square(image, 16, "crop"),
        "RGB",
        side=16,
        root=tmp_path,
        scratch=tmp_path / "pixels.npy",
        label="test",
    )
    assert decoded.measures([0]) == {
        "width": [60],
        "height": [40],
        "mean_intensity": [pytest.approx(decoded.images[0].astype(float).mean())],
    }
    assert decoded.measures([])["width"] == []


def photograph(folder: Path, width: int, height: int, **options: object) -> Path:
    """A large JPEG file of soft colours."""
    path = folder / "large.jpg"
    coarse = Image.fromarray(NOISE[:4, :6]).resize((width, height), Image.Resampling.BICUBIC)
    coarse.save(path, quality=90, **options)
    return path


@given(width=st.integers(200, 900), height=st.integers(200, 900), side=st.integers(16, 300))
def test_a_large_photograph_is_decoded_no_smaller_than_is_sharp(tmp_path_factory, width, height, side):
    path = photograph(tmp_path_factory.mktemp("large"), width, height)
    whole, smaller = read_image(path, "RGB"), read_image(path, "RGB", side)
    assert smaller.size == whole.size or min(smaller.size) >= 2 * side
    assert min(smaller.size) <= 4 * side or whole.size[0] > 7 * smaller.size[0]
    if min(whole.size) > side:
        fine, quick = (square(image, side, "crop").astype(float) for image in (whole, smaller))
        assert np.abs(fine - quick).mean() < 8, "of 255; another part of it is 30 and more away"


def test_a_large_photograph_is_measured_as_its_file_has_it_and_as_its_camera_held_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = photograph(tmp_path, 900, 600, exif=exif)
    scratch = tmp_path / "pixels.npy"
    decoded = decode_images(
        [path],
        lambda image: np.array(image.size, np.uint8),
        "RGB",
        side=32,
        root=tmp_path,
        scratch=scratch,
        label="test",
    )
    assert (decoded.measured[0].width, decoded.measured[0].height) == (600, 900)
    assert decoded.images[0].tolist() == [75, 113]  # An eighth of it, which is more than twice the side.


def test_a_large_photograph_that_ends_too_soon_is_refused_as_well(tmp_path):
    with pytest.raises(BadImageError, match="truncated"):
        read_image(cut(photograph(tmp_path, 900, 600), 0.7), "RGB", 32)

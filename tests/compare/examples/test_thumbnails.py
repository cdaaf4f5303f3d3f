"""Pictures from a hostile file: only small new PNGs come out, and nothing outside of the project is read."""

from __future__ import annotations

import base64
import io
import os
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from pawl.compare.examples.thumbnails import MAX_CHARACTERS, encode, read_inside, thumbnails
from pawl.compare.statistics.images import Images
from pawl.schema import Flip


def encoded(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **how)
    return written.getvalue()


def decoded(text: str | None) -> Image.Image:
    assert text is not None
    image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    image.load()
    return image


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(500, 300), (8, 8), (64, 64), (3, 900)])
def test_every_format_becomes_a_png_of_at_most_64_pixels(kind: str, size: tuple[int, int]) -> None:
    text = encode(encoded(noise(*size), kind))
    image = decoded(text)
    assert image.format == "PNG"
    assert max(image.size) <= 64
    assert size[0] > 64 or size[1] > 64 or image.size == size
    assert text is not None
    assert len(text) <= MAX_CHARACTERS
    Flip(id="e", kind="broken", target="a", base="a", head="b", base_confidence=None, head_confidence=None,
         thumbnail=text)  # fmt: skip


def test_a_small_picture_keeps_its_pixels() -> None:
    for image in (noise(40, 30), noise(8, 8, "L")):
        assert (np.asarray(decoded(encode(encoded(image)))) == np.asarray(image)).all()


def test_metadata_stays_behind_and_photographs_are_turned_upright() -> None:
    secret = PngImagePlugin.PngInfo()
    secret.add_text("Comment", "SECRET TEXT")
    content = encoded(noise(20, 20), pnginfo=secret, icc_profile=b"SECRET PROFILE", dpi=(300, 300))
    image = decoded(encode(content))
    assert not image.info
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "SECRET PLACE"
    image = decoded(encode(encoded(noise(60, 30), "JPEG", exif=exif)))
    assert image.size == (30, 60)
    assert not image.info


def test_transparent_is_white_and_deep_grey_is_scaled() -> None:
    assert decoded(encode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0))))).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 0)
    assert decoded(encode(encoded(palette, transparency=0))).getpixel((0, 0)) == (255, 255, 255)
    deep = Image.fromarray(np.full((4, 4), 128 * 256, np.uint16))
    assert decoded(encode(encoded(deep))).getpixel((0, 0)) == 128


def test_the_bytes_are_the_same_each_time() -> None:
    content = encoded(noise(200, 100), "JPEG")
    assert encode(content) == encode(content)


def bomb(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels of one bit, with black ones for the first 800 rows."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x01\x00\x00\x00\x00"
    rows = zlib.compress(bytes(min(height, 800) * (width // 8 + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoded(encode(bomb(800, 800))).size == (64, 64)
    loaded = []
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: loaded.append(self.size))
    for size in ((8_000, 8_000), (10_000, 10_000), (100_000, 100_000)):
        assert encode(bomb(*size)) is None
    assert not loaded


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "PPM", "ICO"])
def test_other_formats_are_not_even_tried(kind: str) -> None:
    assert encode(encoded(noise(20, 20), kind)) is None


@given(st.binary(max_size=200), st.integers(0, 400), st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_damaged_files_have_no_picture_or_a_good_one(junk: bytes, at: int, kind: str) -> None:
    whole = encoded(noise(20, 20), kind)
    for content in (junk, whole[:at], whole[:at] + junk + whole[at + len(junk) :]):
        text = encode(content)
        assert text is None or max(decoded(text).size) <= 64


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "data" / "1.png").write_bytes(encoded(noise(20, 20)))
    (tmp_path / "secret.png").write_bytes(encoded(noise(20, 20)))
    (tmp_path / "project-other").mkdir()
    (tmp_path / "project-other" / "secret.png").write_bytes(encoded(noise(20, 20)))
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "up").symlink_to(tmp_path)
    (root / "in.png").symlink_to(root / "data" / "1.png")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe.png")
    with (root / "huge.png").open("wb") as file:
        file.truncate(10_000_001)
    return root


def test_only_plain_files_inside_of_the_project_are_read(project: Path) -> None:
    content = (project / "data" / "1.png").read_bytes()
    for inside in ("data/1.png", "./data/../data/1.png", "in.png", "up/project/data/1.png"):
        assert read_inside(project, inside) == content
    for outside in (
        "../secret.png", "out.png", "up/secret.png", "../project-other/secret.png", "pipe.png", "huge.png", "loop",
        "data", "", ".", "missing.png", "a\0b", "\ud800", "x" * 5_000, str(project / "data" / "1.png"), "/etc/passwd",
    ):  # fmt: skip
        assert read_inside(project, outside) is None
    assert read_inside(None, "data/1.png") is None


def images(folder: Path, column: list[object], kind: pa.DataType) -> Images:
    path = folder / "predictions.parquet"
    pq.write_table(pa.table({"id": [str(n) for n in range(len(column))], "image": pa.array(column, kind)}), path)
    return Images.of(path, "predictions of head", len(column))


def test_pictures_come_from_the_file_or_from_the_project(project: Path) -> None:
    picture = encoded(noise(8, 8))
    within = images(project, [picture, b"junk", None, picture], pa.binary())
    found = thumbnails(within, [3, 1, 2], project)
    assert list(found) == [3]
    assert (np.asarray(decoded(found[3])) == np.asarray(noise(8, 8))).all()
    named = images(project, ["data/1.png", "out.png", None, "data/none.png"], pa.string())
    assert list(thumbnails(named, [0, 1, 2, 3], project)) == [0]
    assert thumbnails(named, [0], None) == {}


def test_a_column_that_holds_something_else_shows_nothing(project: Path) -> None:
    assert thumbnails(images(project, [1.5, 2.5], pa.float64()), [0, 1], project) == {}

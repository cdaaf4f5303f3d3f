"""Pictures from the other job: the pixels cross over, and nothing that came with them."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from pawl.actions.thumbnails import MAX_PIXELS, clean_png


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> str:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return base64.b64encode(out.getvalue()).decode()


def decoded(text: str | None) -> Image.Image:
    assert text is not None
    return Image.open(io.BytesIO(base64.b64decode(text)))


NOISE = Image.effect_noise((24, 16), 90)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "I;16"])
def test_the_pixels_are_the_same(mode: str) -> None:
    image = Image.new("I;16", (4, 4)) if mode == "I;16" else NOISE.convert(mode)
    found = decoded(clean_png(encoded(image)))
    wanted = image.convert(found.mode)
    assert (found.size, found.tobytes()) == (wanted.size, wanted.tobytes())


def test_what_came_with_them_is_gone() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    text = encoded(NOISE, pnginfo=info)
    with_tail = base64.b64encode(base64.b64decode(text) + b"<html>after the end</html>").decode()
    for given_text in (text, with_tail):
        clean = base64.b64decode(clean_png(given_text) or "")
        assert b"script" not in clean
        assert b"html" not in clean
        assert decoded(base64.b64encode(clean).decode()).info == {}


def bomb() -> str:
    """A small file that says it is large."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    body = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


@pytest.mark.parametrize(
    "text",
    ["", "x", "AAAA", bomb(), encoded(NOISE, "JPEG"), encoded(NOISE, "GIF"), encoded(NOISE)[:60],
     encoded(Image.new("L", (MAX_PIXELS + 1, 1)))],
    ids=["empty", "no base64", "no picture", "bomb", "jpeg", "gif", "cut", "wide"],
)  # fmt: skip
def test_what_is_no_modest_png_is_left_out(text: str) -> None:
    assert clean_png(text) is None


@given(st.binary(max_size=200), st.integers(0, 500))
def test_no_bytes_stop_the_report(garbage: bytes, at: int) -> None:
    data = base64.b64decode(encoded(NOISE))
    clean_png(base64.b64encode(data[:at] + garbage + data[at:]).decode())

"""The pictures show what was measured, whatever the names are."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from pawl import schema as s
from pawl.report.charts import BASE_COLOUR, HEAD_COLOUR, draw_pictures, stem

from . import examples, parts
from .hostile import hostile

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_curves_of_both_sides_stand_in_one_picture() -> None:
    curves, confusion = draw_pictures(examples.comparison())
    assert (curves.stem, confusion.stem) == ("curves-digits", "confusion-digits")
    assert {"train/loss", "val/loss", "val/accuracy", "learning_rate"} <= set(texts(curves.svg))
    assert {"base: main 4f1c2a9", "head: faster-digits 9b03e7c"} <= set(texts(curves.svg))
    lines = [
        element
        for group in ET.fromstring(curves.svg).iter(f"{SVG}g")
        if "mark-line" in group.get("class", "")
        for element in group.iter(f"{SVG}path")
    ]
    looks = {(line.get("stroke"), line.get("stroke-dasharray")) for line in lines}
    assert looks == {(BASE_COLOUR, "5,3"), (HEAD_COLOUR, "1,0")}
    assert len(lines) == 8


def test_counts_of_both_sides_stand_side_by_side() -> None:
    _, confusion = draw_pictures(examples.comparison())
    shown = texts(confusion.svg)
    assert shown.count("36") == 4 + 6
    assert "mean recall 0.972" in shown
    assert "mean recall 0.986" in shown


def test_a_group_has_one_picture_and_a_side_without_points_is_left_out() -> None:
    alone = s.Curve(name="loss", group="pets", path="p", base=None, head=parts.history(2.0, 0.1, 4))
    empty = s.Curve(name="loss", group="none", path="p", base=None, head=s.Series(steps=(), values=()))
    compared = examples.comparison(curves=(*parts.digit_curves(), alone, empty), confusions=())
    assert [picture.stem for picture in draw_pictures(compared)] == ["curves-digits", "curves-pets"]


def test_pictures_are_sharp_and_see_through() -> None:
    for picture in draw_pictures(examples.comparison()):
        assert picture.png.startswith(b"\x89PNG\r\n\x1a\n")
        width, height, depth, kind = struct.unpack(">IIBB", picture.png[16:26])
        root = ET.fromstring(picture.svg)
        assert (width, height) == (2 * float(root.get("width", 0)), 2 * float(root.get("height", 0)))
        assert (depth, kind) == (8, 6)


def test_hostile_names_are_text_in_a_picture() -> None:
    for picture in draw_pictures(hostile().comparison):
        root = ET.fromstring(picture.svg)
        elements = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert elements <= {"svg", "g", "path", "text", "line", "rect"}
        assert not any("\u202e" in text for text in texts(picture.svg))


def test_labels_that_look_alike_when_short_keep_their_own_rows() -> None:
    labels = tuple(f"a very long name of a class that ends alike, number {i:02d} of them all" for i in range(3))
    confusion = parts.digit_confusion().model_copy(
        update={"labels": labels, "base": None, "head": ((1, 2, 3), (4, 5, 6), (7, 8, 9))}
    )
    (picture,) = draw_pictures(examples.comparison(curves=(), confusions=(confusion,)))
    rows = [text for text in texts(picture.svg) if text.startswith("a very")]
    assert len(rows) == 6
    assert len(set(rows)) == 3


def test_what_cannot_be_drawn_is_left_to_the_text() -> None:
    many = tuple(str(i) for i in range(60))
    wide = s.Confusion(name="w", path="p", labels=many, base=None, head=parts.square(many, 3, {}))
    ragged = s.Confusion(name="r", path="p", labels=("a", "b"), base=((1,),), head=None)
    assert draw_pictures(examples.comparison(curves=(), confusions=(wide, ragged))) == []


def test_values_of_all_sizes_can_be_drawn() -> None:
    steps = tuple(float(i) for i in range(4))
    curves = tuple(
        s.Curve(name=name, group="g", path="p", base=None, head=s.Series(steps=steps, values=values))
        for name, values in {
            "wide": (1e-290, 1.0, 1e290, 1e299),
            "beyond": (5e-324, 1e308, -1e308, 0.0),
            "flat": (0.5,) * 4,
            "negative": (-1.0, -1e-9, -1e9, 0.0),
        }.items()
    )
    (picture,) = draw_pictures(examples.comparison(curves=curves, confusions=()))
    assert {"wide", "beyond", "flat", "negative"} <= set(texts(picture.svg))
    assert not any("NaN" in text or "Infinity" in text for text in texts(picture.svg))
    assert len(texts(picture.svg)) < 80


@given(st.lists(st.text(max_size=80), max_size=6))
def test_file_names_are_plain_and_differ(names: list[str]) -> None:
    taken: list[str] = []
    for name in names:
        taken.append(stem("curves", name, taken))
    assert len(set(taken)) == len(names)
    assert all(name == "".join(c for c in name if c.isascii() and (c.isalnum() or c == "-")) for name in taken)
    assert all(len(name) < 60 for name in taken)

"""The pictures show what was measured, whatever the names are."""

# ruff: noqa: RUF001 real minus signs, as the pictures have them
from __future__ import annotations

import base64
import io
import struct
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pawl import schema as s
from pawl.report.chart_forest import WIDEST, bar
from pawl.report.charts import BASE_COLOUR, HEAD_COLOUR, Drawing, Picture, draw_pictures, stem
from pawl.report.drawing import BETTER_COLOUR, WORSE_COLOUR
from pawl.report.subjects import drawable_thumbnail, subjects
from pawl.report.vega import Vega

from . import examples, parts
from .hostile import hostile

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def pictures(comparison: s.Comparison) -> dict[str, Picture]:
    return {picture.stem: picture for picture in draw_pictures(comparison)}


def drawn(comparison: s.Comparison, name: str) -> Picture:
    return pictures(comparison)[name]


def only(**parts_of_it: Any) -> s.Comparison:
    """A comparison with nothing to draw but what is given."""
    return examples.comparison(**{"metrics": (), "curves": (), "confusions": (), **parts_of_it})


def test_curves_of_both_sides_stand_in_one_picture() -> None:
    assert list(pictures(examples.comparison())) == ["forest", "curves-digits", "confusion-digits"]
    curves = drawn(examples.comparison(), "curves-digits")
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
    confusion = drawn(examples.comparison(), "confusion-digits")
    shown = texts(confusion.svg)
    assert shown.count("36") == 4 + 6
    assert "mean recall 0.972" in shown
    assert "mean recall 0.986" in shown


def test_a_group_has_one_picture_and_a_side_without_points_is_left_out() -> None:
    alone = s.Curve(name="loss", group="pets", path="p", base=None, head=parts.history(2.0, 0.1, 4))
    empty = s.Curve(name="loss", group="none", path="p", base=None, head=s.Series(steps=(), values=()))
    assert list(pictures(only(curves=(*parts.digit_curves(), alone, empty)))) == ["curves-digits", "curves-pets"]


def test_pictures_are_sharp_and_see_through() -> None:
    for picture in draw_pictures(examples.worse().comparison):
        assert picture.png.startswith(b"\x89PNG\r\n\x1a\n")
        width, height, depth, kind = struct.unpack(">IIBB", picture.png[16:26])
        root = ET.fromstring(picture.svg)
        assert (width, height) == (2 * float(root.get("width", 0)), 2 * float(root.get("height", 0)))
        assert (depth, kind) == (8, 6)
        corner = Image.open(io.BytesIO(picture.png)).getpixel((0, 0))
        assert isinstance(corner, tuple)
        assert corner[3] == 0


def test_hostile_names_are_text_in_a_picture() -> None:
    for picture in draw_pictures(hostile().comparison):
        root = ET.fromstring(picture.svg)
        elements = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert elements <= {"svg", "g", "path", "text", "line", "rect", "image"}
        assert not any("\u202e" in text for text in texts(picture.svg))


def test_labels_that_look_alike_when_short_keep_their_own_rows() -> None:
    labels = tuple(f"a very long name of a class that ends alike, number {i:02d} of them all" for i in range(3))
    confusion = parts.digit_confusion().model_copy(
        update={"labels": labels, "base": None, "head": ((1, 2, 3), (4, 5, 6), (7, 8, 9))}
    )
    (picture,) = draw_pictures(only(confusions=(confusion,)))
    rows = [text for text in texts(picture.svg) if text.startswith("a very")]
    assert len(rows) == 6
    assert len(set(rows)) == 3


def test_what_cannot_be_drawn_is_left_to_the_text() -> None:
    many = tuple(str(i) for i in range(60))
    wide = s.Confusion(name="w", path="p", labels=many, base=None, head=parts.square(many, 3, {}))
    ragged = s.Confusion(name="r", path="p", labels=("a", "b"), base=((1,),), head=None)
    assert draw_pictures(only(confusions=(wide, ragged))) == []


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
    (picture,) = draw_pictures(only(curves=curves))
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


def marks(svg: str, kind: str) -> list[ET.Element]:
    return [
        element
        for group in ET.fromstring(svg).iter(f"{SVG}g")
        if {kind, "role-mark"} <= set(group.get("class", "").split())
        for element in group.iter()
        if element.tag in (f"{SVG}path", f"{SVG}line")
    ]


def test_every_metric_with_an_interval_has_a_row_and_better_is_to_the_right() -> None:
    svg = drawn(only(metrics=examples.worse().comparison.metrics), "forest").svg
    assert {"digits accuracy ★", "tabular accuracy ★", "digits loss", "−0.0306", "−0.050 to −0.011"} <= set(texts(svg))
    rows = [(mark.get("transform", ""), mark.get("fill")) for mark in marks(svg, "mark-symbol")]
    places = {(float(where.split("(")[1].split(",")[0]), colour) for where, colour in rows}
    assert len(places) == 3
    assert [colour for _, colour in sorted(places)] == [WORSE_COLOUR, WORSE_COLOUR, BETTER_COLOUR]


def test_a_row_is_measured_in_what_its_test_could_have_found() -> None:
    lower = parts.metric("a loss", 1.0, 0.8, verdict="better", direction="lower", interval=(-0.3, -0.1), detectable=0.1)
    found = bar(lower)
    assert found is not None
    assert (found.low, found.middle, found.high) == pytest.approx((1.0, 2.0, 3.0))
    unknown = bar(lower.model_copy(update={"detectable": None}))
    assert unknown is not None
    assert unknown.middle == pytest.approx(0.2 / (0.1 * 2.80 / 1.96))
    assert bar(parts.metric("a loss", 1.0, 0.8, verdict="better")) is None


def test_half_an_interval_is_none() -> None:
    half = parts.metric("a f1", 0.9, 0.1, verdict="worse").model_copy(update={"lower": -0.9})
    assert draw_pictures(only(metrics=(half,))) == []


def test_what_is_far_beyond_stands_at_the_edge_with_a_mark() -> None:
    far = parts.metric("a f1", 0.9, 0.1, verdict="worse", interval=(-0.81, -0.79), detectable=0.01)
    near = parts.metric("a auc", 0.9, 0.9, verdict="no measurable change", interval=(-0.01, 0.01), detectable=0.01)
    svg = drawn(only(metrics=(far, near)), "forest").svg
    assert texts(svg).count("«") == 1
    assert "»" not in texts(svg)
    found = bar(far)
    assert found is not None
    assert found.high < -WIDEST


def test_a_calibrated_model_would_lie_on_the_diagonal() -> None:
    svg = drawn(only(evidence=(parts.digit_evidence(flips=None),)), "reliability-digits").svg
    assert {"share that is right", "confidence", "examples"} <= set(texts(svg))
    looks = {(line.get("stroke"), line.get("stroke-dasharray")) for line in marks(svg, "mark-line")}
    assert {(BASE_COLOUR, "5,3"), (HEAD_COLOUR, "1,0")} <= looks
    assert len(looks) == 3


def test_the_sheet_shows_the_thumbnails_with_what_was_said_of_them() -> None:
    svg = drawn(only(evidence=(parts.digit_evidence(reliability=None),)), "flips-digits").svg
    images = [element.get("href", "") for element in ET.fromstring(svg).iter(f"{SVG}image")]
    assert len(images) == 13
    assert images[0] == f"data:image/png;base64,{parts.png(20 * (100 % 8))}"
    shown = texts(svg)
    assert {"Newly wrong: 11 of 11", "Newly right: 2 of 2", "digits/0100", "target 8", "8 → 1", "9 → 3"} <= set(shown)


def test_a_thumbnail_is_drawn_only_where_it_is_a_small_png() -> None:
    good = parts.flip(1, "broken", "1", "2")
    whole = base64.b64decode(good.thumbnail or "")

    def sized(width: int, height: int) -> str:
        return base64.b64encode(whole[:16] + struct.pack(">II", width, height) + whole[24:]).decode()

    assert drawable_thumbnail(good)
    assert drawable_thumbnail(good.model_copy(update={"thumbnail": sized(512, 512)}))
    for thumbnail in (sized(513, 8), sized(8, 60_000), sized(0, 8), "A" * 80, "iVBORw0KGgo=", "AAA", None):
        assert not drawable_thumbnail(good.model_copy(update={"thumbnail": thumbnail}))


def test_a_broken_thumbnail_leaves_its_place_empty() -> None:
    torn = base64.b64encode(base64.b64decode(parts.png(0))[:40]).decode()
    flips = s.Flips(
        broken=1,
        fixed=0,
        per_label=(),
        shown=(parts.flip(1, "broken", "1", "2").model_copy(update={"thumbnail": torn}),),
    )
    made = drawn(only(evidence=(parts.digit_evidence(flips=flips, reliability=None),)), "flips-digits")
    assert made.png.startswith(b"\x89PNG")


def test_the_shares_of_classes_stand_side_by_side_for_each_split() -> None:
    svg = drawn(only(data=(parts.digit_data(),)), "classes-digits").svg
    assert {"train", "test", "1,150 → 1,350 examples, chi-square p = 0.0003"} <= set(texts(svg))
    fills = [mark.get("fill") for mark in marks(svg, "mark-rect")]
    assert fills.count(BASE_COLOUR) == fills.count(HEAD_COLOUR)
    assert fills.count(HEAD_COLOUR) >= 20


def test_pictures_are_in_the_order_of_the_report_whoever_draws_them() -> None:
    comparison = only(
        metrics=examples.worse().comparison.metrics,
        evidence=(parts.digit_evidence(),),
        data=(parts.digit_data(),),
        confusions=(parts.digit_confusion(),),
    )
    wanted = ["forest", "confusion-digits", "reliability-digits", "flips-digits", "classes-digits"]
    assert [subject.stem for subject in subjects(comparison)] == wanted
    assert list(pictures(comparison)) == wanted
    with Vega(beside=True) as vega:
        assert Drawing(comparison, vega).pictures() == draw_pictures(comparison)


def test_at_most_eight_pictures_of_a_kind() -> None:
    evidence = tuple(parts.digit_evidence(name=f"task {i}", flips=None) for i in range(11))
    assert [name.split("-")[0] for name in pictures(only(evidence=evidence))] == ["reliability"] * 8

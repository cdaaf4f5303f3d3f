"""The HTML report asks nothing of the network, holds hostile text as text, and can be used without a mouse or eyes."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings

from pawl.report.charts import draw_pictures
from pawl.report.page import render_page

from . import examples
from .examples import ORDINARY, Run
from .hostile import HOSTILE, hostile, huge
from .test_escape import schema_texts

VOID = {"meta", "br", "img", "input"}


class Page(HTMLParser):
    """Elements in their order with attributes, and that each is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.texts = {tag: "".join(texts) for tag, texts in self._texts.items()}
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self._texts.setdefault(self._open[-1], []).append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(run: Run, *, pictures: bool = False) -> str:
    drawn = draw_pictures(run.comparison) if pictures else []
    return render_page(run.plan, run.stages, run.comparison, run.tracking, drawn)


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def check_asks_nothing(html: str) -> Page:
    parsed = Page(html)
    for tag, attributes in parsed.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form", "image", "foreignobject", "use"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if tag == "img" and name == "src":
                assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/]+={0,2}", str(value))
                continue
            assert name not in {"src", "srcset", "style", "action", "data", "poster", "background", "xlink:href"}
            if name == "href":
                assert tag == "a"
                assert str(value).startswith(("#", "https://mlflow.example.org/"))
            elif not name.startswith("xmlns") and tag != "a":
                assert not re.search(r"url\((?!#)", str(value))
    assert "@import" not in parsed.texts["style"]
    assert "url(" not in parsed.texts["style"]
    policy = str(parsed.all("meta")[1]["content"])
    assert parsed.all("meta")[1]["http-equiv"] == "Content-Security-Policy"
    assert policy == (
        f"default-src 'none'; style-src {digest(parsed.texts['style'])}; script-src {digest(parsed.texts['script'])}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return parsed


def check_usable(parsed: Page) -> None:
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in parsed.elements:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
    for link in parsed.all("a"):
        if str(link["href"]).startswith("#"):
            assert str(link["href"])[1:] in ids
    assert len(parsed.all("caption")) == len(parsed.all("table"))
    assert all(heading.get("scope") in ("col", "row") for heading in parsed.all("th"))
    for svg in parsed.all("svg"):
        assert svg.get("aria-hidden") == "true" or (svg.get("role") == "img" and svg.get("aria-label"))
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("make", ORDINARY, ids=lambda make: make.__name__)
def test_every_page_asks_nothing_and_is_usable(make: Callable[[], Run]) -> None:
    parsed = check_asks_nothing(page(make(), pictures=True))
    check_usable(parsed)


def test_pictures_are_inside_the_page_and_take_its_ink() -> None:
    html = page(examples.better(), pictures=True)
    parsed = Page(html)
    assert [svg["aria-label"] for svg in parsed.all("svg") if "aria-label" in svg] == [
        "Every metric's difference with its 95 % interval",
        "Training curves of digits",
        "Confusion matrix of digits",
    ]
    assert 'fill="currentColor"' in html
    assert "#7d8590" not in html


def test_the_page_says_what_the_comment_says() -> None:
    parsed = Page(page(examples.worse()))
    assert "Worse" in parsed.texts["h1"]
    assert "0.9417" in parsed.texts["div"]
    assert "Gate closed" in parsed.texts["span"]
    assert "digits.train.learning_rate=0.3" in parsed.texts["code"]
    assert "The working tree of head had changes that no commit holds." in parsed.texts["li"]


def test_numbers_sort_as_numbers() -> None:
    cells = [cell["data-value"] for cell in Page(page(examples.worse())).all("td") if "data-value" in cell]
    change = str(339 / 360 - 350 / 360)
    assert cells[:5] == [str(350 / 360), str(339 / 360), change, change, "worse"]


@settings(max_examples=40)
@given(schema_texts)
@example(HOSTILE)
def test_no_text_of_a_pull_request_becomes_markup(text: str) -> None:
    plain = [tag for tag, _ in Page(page(hostile("ab"))).elements]
    parsed = check_asks_nothing(page(hostile(f"a{text}b")))
    assert [tag for tag, _ in parsed.elements] == plain


def test_no_text_of_a_pull_request_becomes_part_of_a_picture() -> None:
    parsed = check_asks_nothing(page(hostile(), pictures=True))
    assert parsed.all("svg")
    assert len(parsed.all("script")) == 1
    check_usable(parsed)


def test_the_largest_run_stays_a_page_that_opens() -> None:
    html = page(huge())
    assert len(html.encode()) < 8_000_000
    check_usable(check_asks_nothing(html))

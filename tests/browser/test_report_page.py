"""The report in a real browser: it opens without a complaint, asks for nothing, and does what its controls say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pawl.report.numbers import MINUS, NOTHING
from tests.report.examples import Run, failed
from tests.report.hostile import HOSTILE, hostile
from tests.report.page_examples import rich

from .chromium import Page
from .conftest import Written

SHOWN = "[...document.querySelectorAll('#gallery > li')].filter(card => card.checkVisibility())"
IDS = f"{SHOWN}.map(card => card.querySelector('.id').textContent)"
COUNT = "document.querySelector('.count').textContent"
CHANGES = ["-0.0250", "-0.00150", "+0.0176", "+0.0391"]
METRICS = "section[aria-labelledby=metrics] table"


def complaints(page: Page) -> list[Any]:
    said = [*page.events("Runtime.consoleAPICalled"), *page.events("Runtime.exceptionThrown")]
    return said + [event["entry"] for event in page.events("Log.entryAdded")]


def requests(page: Page) -> set[str]:
    return {event["request"]["url"] for event in page.events("Network.requestWillBeSent")}


def column(page: Page, place: int, table: str = METRICS) -> list[str]:
    return list(
        page.run(f"[...document.querySelector('{table}').tBodies[0].rows].map(r => r.cells[{place}].innerText)")
    )


def sorted_by(page: Page) -> list[str | None]:
    headings = f"document.querySelector('{METRICS}').tHead.rows[0].cells"
    return list(page.run(f"[...{headings}].map(heading => heading.getAttribute('aria-sort'))"))


@pytest.mark.parametrize("make", [rich, failed, hostile], ids=lambda make: make.__name__)
def test_it_opens_without_a_complaint_and_asks_for_nothing(
    page: Page, written: Written, make: Callable[[], Run]
) -> None:
    path = written(make)
    page.open(path)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert complaints(page) == []
    assert {url for url in requests(page) if not url.startswith("data:image/png;base64,")} == {path.as_uri()}


def test_every_thumbnail_is_drawn(page: Page, written: Written) -> None:
    page.open(written(rich))
    widths = page.run("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    assert widths == [8] * 6


def test_a_column_sorts_both_ways_by_mouse(page: Page, written: Written) -> None:
    page.open(written(rich))
    before = column(page, 2)
    page.click(f"{METRICS} th:nth-child(3) button")
    rising = [float(text) for text in column(page, 2)]
    assert rising == sorted(float(text) for text in before)
    assert rising != [float(text) for text in before]
    assert sorted_by(page) == [None, None, "ascending", None, None, None, None]
    page.click(f"{METRICS} th:nth-child(3) button")
    assert [float(text) for text in column(page, 2)] == rising[::-1]
    assert sorted_by(page)[2] == "descending"


def test_a_column_sorts_by_keyboard_and_says_so(page: Page, written: Written) -> None:
    page.open(written(rich))
    page.focus(f"{METRICS} th:nth-child(4) button")
    page.press("Enter")
    # By their numbers, where the texts have arrows and minus signs; and the tab order stays where it was.
    assert [text.split()[-1].replace(MINUS, "-") for text in column(page, 3)] == CHANGES
    assert sorted_by(page)[3] == "ascending"
    page.press("Space")
    assert column(page, 3)[0].endswith(CHANGES[-1])
    assert page.run("document.activeElement.innerText.trim()") == "Change"
    said = page.run(f"document.querySelector('{METRICS}').parentElement.querySelector('[role=status]').textContent")
    assert said == "Sorted by Change, descending"


def test_rows_without_a_value_come_last_either_way_and_equal_rows_keep_their_order(
    page: Page, written: Written
) -> None:
    page.open(written(rich))
    stages = "section[aria-labelledby=stages] table"
    for first in ("612 MB", "1.2 GB"):
        page.click(f"{stages} th:nth-child(4) button")
        peaks = column(page, 3, stages)
        assert (peaks[0], peaks[-1]) == (first, NOTHING)
    table = "section[aria-labelledby=flips] table"
    for _ in range(2):
        page.click(f"{table} th:nth-child(4) button")
        zeros = [
            name for name, fixed in zip(column(page, 0, table), column(page, 3, table), strict=True) if fixed == "0"
        ]
        assert zeros == ["8", "3", "10"]
    for order in (1, -1):
        page.click(f"{table} th:nth-child(5) button")
        assert column(page, 4, table) == [f"{MINUS}3", f"{MINUS}1", "0", "0", "+1"][::order]


def test_the_gallery_filters_by_kind_class_confusion_and_task(page: Page, written: Written) -> None:
    page.open(written(rich))
    assert page.run(COUNT) == "7 of 7 shown"
    assert page.run(IDS)[:3] == ["digit-0017", "digit-0203", "digit-0044"]

    def choose(name: str, text: str) -> list[str]:
        """The ids shown, after picking an option by what it says, as a reader would."""
        page.run(
            f"(() => {{ const s = document.querySelector('select[name={name}]');"
            f"s.value = [...s.options].find(o => o.text === '{text}').value;"
            "for (const kind of ['input', 'change']) s.dispatchEvent(new Event(kind, {bubbles: true})) })()"
        )
        return list(page.run(IDS))

    assert choose("kind", "only fixed") == ["digit-0090", "digit-0121"]
    assert page.run(COUNT) == "2 of 7 shown"
    assert choose("kind", "only broken") == ["digit-0017", "digit-0203", "digit-0044", "digit-0310", "digit-0005"]
    assert choose("target", "8") == ["digit-0017", "digit-0203", "digit-0310"]
    assert choose("mistaken", "3") == ["digit-0310"]
    assert page.run(COUNT) == "1 of 7 shown"
    assert choose("kind", "only fixed") == []
    assert page.run(COUNT) == "0 of 7 shown"
    page.click("#flip-filters .reset")
    assert page.run(COUNT) == "7 of 7 shown"
    assert choose("order", "by id")[:2] == ["digit-0005", "digit-0017"]
    assert choose("order", "least sure first")[:2] == ["digit-0005", "digit-0121"]
    page.click("#flip-filters .reset")
    assert page.run(IDS)[:3] == ["digit-0017", "digit-0203", "digit-0044"]


def test_the_gallery_filters_by_keyboard_alone(page: Page, written: Written) -> None:
    page.open(written(rich))
    page.focus("select[name=kind]")
    page.press("ArrowDown")
    assert page.run(COUNT) == "5 of 7 shown"
    for _ in range(3):
        page.press("Tab")
    assert page.run("document.activeElement.name") == "search"
    page.type("DIGIT-00")
    assert page.run(IDS) == ["digit-0017", "digit-0044", "digit-0005"]
    page.press("Tab")
    for _ in range(18):
        page.press("ArrowRight")
    # 0.90: the surest one is left, and the one without a confidence is not.
    assert page.run(IDS) == ["digit-0017"]
    assert page.run("document.activeElement.getAttribute('aria-valuetext')") == "at least 0.90"
    assert page.run(COUNT) == "1 of 7 shown"
    page.press("Tab")
    page.press("Tab")
    page.press("Space")
    assert page.run(COUNT) == "7 of 7 shown"


def test_the_theme_follows_the_system_until_a_reader_chooses(page: Page, written: Written) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    pressed = "document.getElementById('theme').getAttribute('aria-pressed')"
    light, dark = "rgb(246, 247, 249)", "rgb(13, 17, 23)"
    page.prefer(prefers_color_scheme="dark")
    page.open(written(rich))
    assert (page.run(ground), page.run(pressed)) == (dark, "true")
    page.prefer(prefers_color_scheme="light")
    page.wait(f"{pressed} === 'false'")
    assert page.run(ground) == light
    page.click("#theme")
    assert (page.run(ground), page.run(pressed)) == (dark, "true")
    page.focus("#theme")
    page.press("Enter")
    assert (page.run(ground), page.run(pressed)) == (light, "false")
    page.prefer(prefers_color_scheme="dark")
    assert page.run(ground) == light


def test_the_commands_are_copied(page: Page, written: Written) -> None:
    page.open(written(rich))
    page.allow("clipboardReadWrite", "clipboardSanitizedWrite")
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.click("#copy")
    page.wait("document.getElementById('copied').textContent !== ''")
    assert page.run("document.getElementById('copied').textContent") == "Copied"
    copied = page.run("navigator.clipboard.readText()")
    assert copied == page.run("document.getElementById('commands').textContent")
    assert copied.startswith("git fetch origin ")


def test_where_the_clipboard_is_closed_the_commands_are_selected(page: Page, written: Written) -> None:
    page.open(written(rich))
    page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('closed'))")
    page.click("#copy")
    page.wait("document.getElementById('copied').textContent !== ''")
    assert page.run("document.getElementById('copied').textContent").startswith("Selected")
    assert page.run("getSelection().toString()").startswith("git fetch origin ")


def test_without_scripts_all_content_is_there_and_nothing_is_a_dead_control(page: Page, written: Written) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(written(rich))
    assert len(page.run(IDS)) == 7
    assert column(page, 0)[0].startswith("digits accuracy")
    controls = "[...document.querySelectorAll('button, input, select')].filter(e => e.checkVisibility()).length"
    assert page.run(controls) == 0
    assert page.run("document.querySelector('#reproduce').checkVisibility()")


def plain() -> Run:
    return hostile(("words of a sentence " * 50)[: len(HOSTILE) - 1] + " ")


def test_hostile_texts_are_seen_as_texts(page: Page, written: Written) -> None:
    # Without the pictures, where a longer text has more lines, each of them an element that is no more than text, and
    # without the verdict's sentences, which leave out what would make them too long.
    ours = "[...document.querySelectorAll('*:not(.picture svg *, .answers *)')]"
    elements = f"{ours}.map(e => e.tagName + [...e.attributes].map(a => a.name))"
    page.open(written(plain))
    wanted = page.run(elements)
    page.open(written(hostile))
    assert page.run(elements) == wanted
    inside = set(page.run("[...document.querySelectorAll('.answers *')].map(e => e.tagName)"))
    assert inside == {"DIV", "DT", "DD", "CODE", "BR", "SPAN"}
    assert page.run("document.body.innerText").count("<script>alert(1)</script>") > 5
    assert page.events("Page.javascriptDialogOpening") == []

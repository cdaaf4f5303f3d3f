"""The report for readers with a keyboard, a screen reader, a phone, weak eyes or a printer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.report.examples import Run, better, failed, no_change, not_comparable
from tests.report.hostile import hostile
from tests.report.page_examples import rich

from .chromium import Page
from .conftest import Written

NAMED_ROLES = {
    "button", "link", "combobox", "searchbox", "textbox", "slider", "spinbutton", "image", "table", "navigation",
    "region", "heading", "columnheader", "rowheader",
}  # fmt: skip

# Every text that is drawn, as WCAG 2 measures it: relative luminances of its ink and of the nearest ground behind it.
CONTRASTS = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3) return colour;
      if (colour[3] !== 0) throw new Error(`a ground that is seen through: ${e.outerHTML.slice(0, 200)}`);
    }
    throw new Error("no ground");
  };
  const found = {};
  const see = (element, ink) => {
    const colour = parse(ink);
    if (colour.length !== 3) throw new Error(`an ink that is seen through: ${element.outerHTML.slice(0, 200)}`);
    const [low, high] = [luminance(colour), luminance(ground(element))].sort((a, b) => a - b);
    const key = `${ink} on ${ground(element)}`;
    found[key] = Math.round(((high + 0.05) / (low + 0.05)) * 100) / 100;
  };
  for (const element of document.querySelectorAll("body *:not(script, svg *)")) {
    const style = getComputedStyle(element);
    const texts = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
    if (texts.length && element.checkVisibility()) see(element, style.color);
    if (element.placeholder) see(element, getComputedStyle(element, "::placeholder").color);
  }
  return found;
})()"""

# Nothing that is drawn may stand out of the window, but for what scrolls by itself inside of it.
OUTSIDE = """[...document.querySelectorAll("body *:not(svg *)")]
  .filter((e) => e.checkVisibility() && !e.matches(".skip, .unseen"))
  .filter((e) => !e.parentElement.closest(".wide, figure, .log, .top ul"))
  .filter((e) => { const r = e.getBoundingClientRect(); return r.right > innerWidth + 0.5 || r.left < -0.5; })
  .map((e) => e.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("make", [rich, better, failed, no_change, not_comparable], ids=lambda make: make.__name__)
def test_every_text_can_be_told_from_its_ground(
    page: Page, written: Written, make: Callable[[], Run], theme: str
) -> None:
    page.prefer(prefers_color_scheme=theme)
    page.open(written(make, pictures=False))
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    contrasts = page.run(CONTRASTS)
    assert len(contrasts) >= 6
    assert {pair: ratio for pair, ratio in contrasts.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("make", [rich, failed, hostile], ids=lambda make: make.__name__)
def test_nothing_is_wider_than_a_phone(page: Page, written: Written, make: Callable[[], Run]) -> None:
    page.resize(360, 740)
    page.open(written(make))
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run(OUTSIDE) == []
    assert page.run("document.documentElement.scrollWidth") == 360


def tree(page: Page) -> list[dict[str, Any]]:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    return [node for node in nodes if not node["ignored"]]


def test_a_screen_reader_has_a_name_for_everything(page: Page, written: Written) -> None:
    page.open(written(rich))
    named = [(node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in tree(page)]
    assert [role for role, name in named if role in NAMED_ROLES and not name] == []
    roles = [role for role, _ in named]
    assert roles.count("combobox") == 4
    assert roles.count("main") == 1
    assert roles.count("contentinfo") == 1
    assert ("searchbox", "Id") in named
    assert ("slider", "Confidence of the mistake, from") in named
    assert ("group", "Filter the examples") in named
    # The arrows of a sortable heading are for eyes alone.
    assert ("button", "95 % interval") in named
    assert ("heading", "Worse") in named


def test_counts_and_orders_are_said_aloud(page: Page, written: Written) -> None:
    page.open(written(rich))
    live = page.run("[...document.querySelectorAll('[role=status]')].length")
    tables = page.run("document.querySelectorAll('table.sortable').length")
    # One for each sortable table, one for the gallery's count, one for the copy.
    assert live == tables + 2


def test_the_keyboard_reaches_every_control_in_the_order_of_the_page_and_shows_where_it_is(
    page: Page, written: Written
) -> None:
    page.open(written(rich))
    every = "[...document.querySelectorAll('a, button, select, input, summary, pre[tabindex]')]"
    controls = f"{every}.filter(e => e.checkVisibility())"
    wanted = page.run(f"{controls}.length")
    page.run(f"window.wanted = {controls}")
    seen = []
    for _ in range(wanted):
        page.press("Tab")
        # A box that scrolls is a stop of the browser's own.
        while page.run("document.activeElement.matches('.wide, figure')"):
            page.press("Tab")
        seen.append(
            page.run(
                "(() => { const e = document.activeElement, s = getComputedStyle(e);"
                "const r = e.getBoundingClientRect();"
                "return [wanted.indexOf(e), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2,"
                "r.right > 0 && r.left >= 0]; })()"
            )
        )
    assert seen == [[place, True, True] for place in range(wanted)]


def test_the_skip_link_leads_to_the_metrics(page: Page, written: Written) -> None:
    page.open(written(rich))
    page.press("Tab")
    assert page.run("document.activeElement.textContent") == "Skip to the metrics"
    page.press("Enter")
    page.wait("location.hash === '#metrics'")
    assert page.run("document.getElementById('metrics').getBoundingClientRect().top") < 200


def test_the_end_of_a_log_is_seen_first(page: Page, written: Written) -> None:
    page.open(written(failed))
    log = "document.querySelector('.log')"
    assert page.run(f"{log}.scrollHeight > {log}.clientHeight + 100")
    inner, outer = page.run(f"[{log}.firstElementChild, {log}].map(e => e.getBoundingClientRect().bottom)")
    assert inner == pytest.approx(outer, abs=1)
    assert page.run(f"{log}.innerText").strip().endswith("Tried to allocate 2.00 GiB")


def test_nothing_moves(page: Page, written: Written) -> None:
    page.open(written(rich))
    page.click("#theme")
    moving = "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0)"
    assert page.run(f"{moving}.length + document.getAnimations().length") == 0


def test_paper_gets_the_light_theme_and_no_controls(page: Page, written: Written) -> None:
    page.prefer(prefers_color_scheme="dark")
    page.open(written(rich))
    page.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    controls = "[...document.querySelectorAll('.top, .filters, #theme, #copy')].filter(e => e.checkVisibility()).length"
    assert page.run(controls) == 0
    assert page.run("document.querySelector('thead button').checkVisibility()")
    assert {ratio for ratio in page.run(CONTRASTS).values() if ratio < 4.5} == set()

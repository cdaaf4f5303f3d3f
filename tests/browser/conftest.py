"""One browser for all tests of a process, and a fresh tab for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from pawl.report.charts import draw_pictures
from pawl.report.page import render_page
from tests.report.examples import Run

from .chromium import Browser, Page

Written = Callable[..., Path]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = Page(browser)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Writes the report of a run as a file, with its pictures or without, once for each maker of a run."""
    folder = tmp_path_factory.mktemp("reports")

    @cache
    def write(make: Callable[[], Run], *, pictures: bool = True) -> Path:
        run = make()
        drawn = draw_pictures(run.comparison) if pictures else []
        path = folder / f"{make.__name__}-{len(drawn)}.html"
        path.write_text(render_page(run.plan, run.stages, run.comparison, run.tracking, drawn), encoding="utf-8")
        return path

    return write

"""Charts drawn by Vega, in a process of its own where there is a second core: half of a report's time is that.

Vega takes half a second to start, and holds Python's lock while it draws, so that a thread would not run beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

Chart = dict[str, Any]
"""A chart, or a part of one, as Vega-Lite has it. Plain, because a library for them takes as long as drawing does."""
_VERSION = "6.4"


def draw(chart: Chart) -> str:
    """The chart as SVG, without a browser and without the network."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(chart, vl_version=_VERSION, allowed_base_urls=[])
    return svg


class Vega:
    """Draws charts; to be closed, because the process that it has for it may still be at work."""

    def __init__(self, *, beside: bool | None = None) -> None:
        """With `beside` in another process, by default where there is a second core."""
        self._beside = len(os.sched_getaffinity(0)) > 1 if beside is None else beside
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Vega:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            with self._process:
                pass

    def draw_all(self, charts: Sequence[Chart]) -> Iterator[str]:
        """Each chart as SVG, in that order; the other process begins before the first is asked for.

        What it fails to draw is drawn here, so that an error is that of the chart.
        """
        answers = self._begin(charts) if charts and self._beside else iter(())
        return (_svg(answers) or draw(chart) for chart in charts)

    def _begin(self, charts: Sequence[Chart]) -> Iterator[bytes]:
        # -P: no file of the folder that pawl is called in is taken for a module.
        command = [sys.executable, "-P", "-m", __name__]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            return iter(())
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.writelines(json.dumps(chart).encode() + b"\n" for chart in charts)
        return iter(self._process.stdout)


def _svg(answers: Iterator[bytes]) -> str:
    line = next(answers, b"")
    svg: str = json.loads(line) if line.endswith(b"\n") else ""
    return svg


def _serve() -> None:
    """Read all charts, a line of JSON each, then write each as SVG, a line of JSON each."""
    for line in sys.stdin.buffer.readlines():
        print(json.dumps(draw(json.loads(line))), flush=True)  # noqa: T201 this is read by a program


if __name__ == "__main__":
    _serve()

"""Charts are the same wherever they are drawn, and are drawn whatever becomes of the process beside."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pawl.report.vega import Chart, Vega, draw


def chart(rows: int) -> Chart:
    return {
        "data": {"values": [{"x": x, "y": x * x, "word": "ü → ★ " * 5} for x in range(rows)]},
        "mark": "point",
        "encoding": {name: {"field": name, "type": "quantitative"} for name in ("x", "y")},
    }


def test_charts_are_the_same_from_the_other_process_and_in_order() -> None:
    # Two are more than a pipe holds, on the way there and on the way back: neither process waits for the other.
    charts = [chart(rows) for rows in (2_000, 3, 2_500)]
    with Vega(beside=True) as vega:
        drawn = list(vega.draw_all(charts))
    assert drawn == [draw(one) for one in charts]
    assert len(drawn[0]) > 200_000


def test_the_other_process_draws() -> None:
    script = """
import sys
from pawl.report.vega import Vega
with Vega(beside=sys.argv[1] == "beside") as vega:
    assert next(vega.draw_all([{"data": {"values": []}, "mark": "point"}])).startswith("<svg")
print("vl_convert" in sys.modules)
"""
    for where, here in (("beside", "False"), ("here", "True")):
        done = subprocess.run([sys.executable, "-c", script, where], capture_output=True, text=True, timeout=120)
        assert (done.stdout.strip(), done.stderr) == (here, "")


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false"])
def test_without_the_other_process_charts_are_drawn_here(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with Vega(beside=True) as vega:
        assert list(vega.draw_all([chart(1), chart(2_000)])) == [draw(chart(1)), draw(chart(2_000))]


def test_what_cannot_be_drawn_is_the_error_that_it_is_here() -> None:
    with Vega(beside=True) as vega:
        drawn = vega.draw_all([chart(1), {"mark": "no such mark"}])
        assert next(drawn).startswith("<svg")
        with pytest.raises(ValueError, match="conversion failed"):
            next(drawn)


def test_no_process_outlives_a_report_that_failed() -> None:
    vega = Vega(beside=True)
    with suppress(KeyError), vega:
        vega.draw_all([chart(1)])
        raise KeyError
    assert vega._process is not None
    assert vega._process.returncode is not None
    assert vega._process.stdout is not None
    assert vega._process.stdout.closed


def test_nothing_to_draw_starts_no_process() -> None:
    with Vega(beside=True) as vega:
        assert list(vega.draw_all([])) == []
        assert vega._process is None


def test_no_file_of_the_folder_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("vl_convert", "pawl", "json"):
        (tmp_path / f"{module}.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    with Vega(beside=True) as vega:
        assert list(vega.draw_all([chart(1)])) == [draw(chart(1))]
    assert not (tmp_path / "ran").exists()

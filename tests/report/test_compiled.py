"""Templates are compiled once, and what is compiled of another one is as good as nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from pawl.report.page import render_page

from . import examples

SCRIPT = """
import json, sys
compiled = []
sys.addaudithook(lambda event, given: event == "compile" and compiled.append(str(given[1]).rpartition("/")[2]))
sys.path.insert(0, sys.argv[1])
from pawl.report.page import render_page
from tests.report import examples
run = examples.worse()
page = render_page(run.plan, run.stages, run.comparison, run.tracking)
print(json.dumps([page, [name for name in compiled if name.endswith(".html")]]))
"""


def rendered(prefix: Path, **env: str) -> tuple[str, list[str]]:
    """The page by a Python that keeps what it compiles below `prefix`, and the templates that it compiled."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[2])],
        env=inherited | {"PYTHONPYCACHEPREFIX": str(prefix)} | env,
        capture_output=True,
        check=True,
        timeout=120,
    )
    page, compiled = json.loads(done.stdout)
    return page, sorted(compiled)


def kept(prefix: Path) -> dict[str, Path]:
    """What is compiled of each template."""
    return {path.name.partition(".")[0]: path for path in prefix.rglob("templates/*")}


def page() -> str:
    run = examples.worse()
    return render_page(run.plan, run.stages, run.comparison, run.tracking)


def test_a_template_is_compiled_once_and_anew_where_it_is_another_one(tmp_path: Path) -> None:
    shown, compiled = rendered(tmp_path)
    assert shown == page()
    assert {"report.html", "metrics.html", "flips.html"} < set(compiled)
    assert sorted(f"{name}.html" for name in kept(tmp_path)) == compiled
    assert rendered(tmp_path) == (shown, [])
    files = kept(tmp_path)
    files["metrics"].write_bytes(files["flips"].read_bytes())
    files["flips"].write_bytes(files["flips"].read_bytes()[:40])
    files["report"].write_bytes(b"")
    assert rendered(tmp_path) == (shown, ["flips.html", "metrics.html", "report.html"])
    assert rendered(tmp_path) == (shown, [])


def test_nothing_is_kept_where_python_keeps_nothing(tmp_path: Path) -> None:
    shown, compiled = rendered(tmp_path, PYTHONDONTWRITEBYTECODE="1")
    assert (shown, kept(tmp_path)) == (page(), {})
    (tmp_path / "file").write_text("no folder")
    assert rendered(tmp_path / "file") == (shown, compiled)

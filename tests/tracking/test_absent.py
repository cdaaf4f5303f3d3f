"""Without MLflow everything but tracking works, and one line says so."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.repositories import branch, make_repository
from tests.tracking.servers import tracking_of


def test_without_mlflow(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith("mlflow") and entry.suffix != ".pth":
            (installed / entry.name).symlink_to(entry)
    root = make_repository(tmp_path / "repository")
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    source = Path(__file__).parents[2] / "src"
    env = os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{installed}"}
    run = [sys.executable, "-S", "-m", "pawl", "run", "--no-pictures"]
    done = subprocess.run(run, cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "MLflow" in line]
    assert "MLflow is not installed" in line
    assert tracking_of(root)["status"] == "failed"
    assert (root / "reports" / "report.html").exists()
    [spool] = (root / "reports" / "spool").iterdir()
    assert (spool / "events.jsonl").stat().st_size > 1_000

"""A pull request to this repository, trained on two nodes and trained here: the same bytes, and the same verdict."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.scaling.conftest import Machines
from tests.support.working_tree import copy_working_tree, environment_of

CHANGE = ("--set", "tasks=[tabular]", "--set", "tabular.train.C=3.0", "--all", "--no-pictures")


def test_a_pull_request_on_two_nodes_is_the_one_trained_here(machines: Machines, tmp_path: Path) -> None:
    comparisons, contents = [], []
    for name, engine in (("far", ("--engine", "ray", "--address", machines.address)), ("here", ())):
        root = copy_working_tree(tmp_path / name)
        (root / ".dvc" / "config.local").write_text(
            f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path / f'{name}-store'}\n"
        )
        environment = environment_of(root)
        # The nodes are kept to 127.0.0.1 by this variable; that has to be noticed without it.
        environment.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
        done = subprocess.run(
            [sys.executable, "-m", "pawl", "run", "--base", "HEAD", *CHANGE, *engine],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode in (0, 1), done.stderr
        comparisons.append(_judged(root))
        contents.append(_content(root / ".pawl" / "set"))
    assert comparisons[0] == comparisons[1]
    assert comparisons[0]["verdict"] != "failed"
    assert contents[0] == contents[1]
    assert {"results/tabular/metrics.json", "results/tabular/predictions.parquet"} <= contents[0].keys()


def _judged(root: Path) -> dict[str, Any]:
    comparison: dict[str, Any] = json.loads((root / "reports" / "comparison.json").read_text())
    return {key: comparison[key] for key in ("verdict", "gate_passed", "metrics")}


def _content(root: Path) -> dict[str, str]:
    """Digests of what head's stages made, but for the cards, which tell when and from what commit."""
    files = [path for kind in ("results", "models") for path in root.glob(f"{kind}/**/*") if path.name != "card.json"]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }

"""What is planned where a repository has less than ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pawl.actions.planning import plan_run
from pawl.actions.runs import current_run
from tests.support.repositories import commit, make_repository

PIPELINE = "stages:\n  copy:\n    cmd: cp data.txt out.txt\n    deps: [data.txt]\n    outs: [out.txt]\n"


@pytest.mark.parametrize("event_name", ["schedule", "workflow_dispatch"])
def test_a_repository_without_parameters_is_planned(tmp_path: Path, event_name: str) -> None:
    root = make_repository(tmp_path / "work", {"dvc.yaml": PIPELINE})
    (root / "params.yaml").unlink()
    commit(root, "No parameters")
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"full_name": "acme/ct", "default_branch": "main"}}))
    run = current_run({"GITHUB_EVENT_PATH": str(event), "GITHUB_EVENT_NAME": event_name}, None)
    planned = plan_run(run, root, use_remote=False, say=lambda line: None)
    assert not planned.train
    assert planned.text.startswith("**No training needed**")

"""What the workflows promise of the runners that share a training: their levels, and that none of them decides."""

from __future__ import annotations

import pytest

from pawl.scaling.shares import MOST_LEVELS, MOST_SHARES
from tests.security.workflows import SHARE, TRAINING, Workflows, own_workflows

SHARES = ("share-1", "share-2", "share-3")


@pytest.fixture(scope="module")
def own() -> Workflows:
    return own_workflows()


def test_levels_follow_each_other_and_whatever_becomes_of_a_share_the_last_job_runs(own: Workflows) -> None:
    assert (len(SHARES), MOST_LEVELS * MOST_SHARES <= 256) == (MOST_LEVELS, True)
    jobs = own.parsed(TRAINING)["jobs"]
    assert [jobs[job]["needs"] for job in SHARES] == ["plan", ["plan", "share-1"], ["plan", "share-2"]]
    assert jobs["train"]["needs"] == ["plan", *SHARES]
    for level, job in enumerate(SHARES, start=1):
        assert jobs[job]["strategy"] == {
            "fail-fast": False,
            "max-parallel": "${{ fromJSON(vars.PAWL_FAN_OUT_RUNNERS || '8') }}",
            "matrix": {"share": f"${{{{ fromJSON(needs.plan.outputs.shares_{level} || '[]') }}}}"},
        }
        assert jobs["plan"]["outputs"][f"shares_{level}"] == f"${{{{ steps.plan.outputs.shares_{level} }}}}"
        told = {name: f"matrix.share.{name}" for name in ("id", "stages")}
        told |= {name: f"needs.plan.outputs.{name}" for name in ("commit", "cache")}
        assert jobs[job]["with"] == {name: f"${{{{ {value} }}}}" for name, value in told.items()}
    share = own.parsed(SHARE)["jobs"]["share"]
    assert share["continue-on-error"] is True
    assert own.step(SHARE, "share", "Check out with the history")["with"]["ref"] == "${{ inputs.commit || github.sha }}"
    for step in ("Pull", "Train", "Keep the results"):
        assert own.step(SHARE, "share", step)["env"]["PAWL_SHARE"] == "${{ inputs.stages }}"
    # What is made beside a stage that failed is kept.
    kept = own.step(SHARE, "share", "Keep the results")
    assert kept["if"] == "${{ !cancelled() && steps.pull.outcome == 'success' }}"

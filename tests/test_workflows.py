"""What the workflows promise and act does not enforce: triggers, rights, pins, and which step knows what."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import lint_workflows

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "continuous-training.yml"
FILES = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob(".github/actions/*/action.yml")])
FORK_GUARD = "github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository"


def parsed(path: Path = WORKFLOW) -> dict[Any, Any]:
    """The YAML; the key `on` is True in it, as YAML 1.1 has it."""
    content: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def steps(content: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    """The steps of every job, or of the composite action."""
    for job in content.get("jobs", {"": content.get("runs", {})}).values():
        yield from job["steps"]


def step(job: str, name: str) -> dict[str, Any]:
    """The one step of that name."""
    [found] = [one for one in parsed()["jobs"][job]["steps"] if one["name"] == name]
    return dict(found)


def test_it_runs_on_every_pull_request_on_main_and_by_hand() -> None:
    on = parsed()[True]
    assert set(on) == {"pull_request", "push", "workflow_dispatch"}
    # A filter would leave a required check pending for ever.
    assert on["pull_request"] is None
    assert on["push"] == {"branches": ["main"]}
    assert {"base", "overrides", "force"} <= set(on["workflow_dispatch"]["inputs"])


def test_every_job_has_only_the_rights_that_it_names() -> None:
    content = parsed()
    assert content["permissions"] == {}
    assert content["jobs"]["train"]["permissions"] == {"contents": "read"}
    assert content["jobs"]["report"]["permissions"] == {
        "contents": "read",
        "pull-requests": "write",
        "statuses": "write",
    }


def test_a_newer_push_cancels_the_runs_of_its_own_pull_request_only() -> None:
    assert parsed()["concurrency"] == {
        "group": "continuous-training-${{ github.event.pull_request.number || github.run_id }}",
        "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
    }


def test_code_of_forks_never_reaches_the_gpu_runner() -> None:
    jobs = parsed()["jobs"]
    assert jobs["train"]["if"] == f"${{{{ {FORK_GUARD} }}}}"
    for name, job in jobs.items():
        assert "timeout-minutes" in job
        if "self-hosted" in job["runs-on"]:
            assert name == "train"
            assert job["runs-on"] == ["self-hosted", "linux", "gpu"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_other_peoples_actions_are_pinned_by_commit_and_named_by_release(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\s*(- )?uses:", line) and "./" not in line:
            assert re.fullmatch(r"\s*(- )?uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_shell_line_holds_an_expression(path: Path) -> None:
    for one in steps(parsed(path)):
        assert "${{" not in one.get("run", "")


def test_no_checkout_leaves_credentials_behind() -> None:
    checkouts = [one for one in steps(parsed()) if one.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 2
    assert all(one["with"]["persist-credentials"] is False for one in checkouts)


def test_the_training_has_the_history_and_the_report_has_trusted_code() -> None:
    assert step("train", "Check out with the history")["with"]["fetch-depth"] == 0
    assert "ref" not in step("train", "Check out with the history")["with"]
    ref = step("report", "Check out the code that is trusted")["with"]["ref"]
    assert ref == "${{ github.event.pull_request.base.sha || github.event.repository.default_branch }}"


def test_each_secret_is_in_the_steps_that_need_it_and_in_no_other() -> None:
    mlflow = {f"MLFLOW_TRACKING_{name}" for name in ("USERNAME", "PASSWORD", "TOKEN")}
    wanted = {
        ("train", "Plan"): {"GOOGLE_APPLICATION_CREDENTIALS"},
        ("train", "Reproduce"): {"GOOGLE_APPLICATION_CREDENTIALS"},
        ("train", "Track"): {"MLFLOW_TRACKING_URI"} | mlflow,
        ("report", "Comment"): {"GITHUB_TOKEN", "COMMIT"},
    }
    content = parsed()
    assert "env" not in content
    assert content["jobs"]["train"]["env"] == {"DVC_NO_ANALYTICS": "1"}
    assert "env" not in content["jobs"]["report"]
    found = {(job, one["name"]): set(one["env"]) for job in content["jobs"] for one in content["jobs"][job]["steps"]
             if "env" in one}  # fmt: skip
    assert found == wanted
    text = WORKFLOW.read_text(encoding="utf-8")
    assert set(re.findall(r"secrets\.(\w+)", text)) == mlflow


def test_what_was_handed_over_stays_out_of_the_checkout_until_it_is_valid() -> None:
    names = [one["name"] for one in parsed()["jobs"]["report"]["steps"]]
    order = ["Take over what the training job wrote", "Believe only what is valid", "Report", "Summary", "Comment"]
    assert [name for name in names if name in order] == order
    assert names[-1] == "Gate"
    assert step("report", order[0])["with"]["path"] == "${{ runner.temp }}/handed-over"
    for name in order[2:]:
        assert "handed-over" not in step("report", name)["run"]


def test_the_linters_find_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = lint_workflows.main()
    assert (found, capsys.readouterr().out) == (0, "")


def unquoted(text: str) -> str:
    return text.replace(
        'run: pawl report --reports "$RUNNER_TEMP/reports"', "run: pawl report --reports $RUNNER_TEMP/a"
    )


def unpinned(text: str) -> str:
    return re.sub(r"actions/setup-python@[0-9a-f]{40} # v7.0.0", "actions/setup-python@v7", text)


def unknown_key(text: str) -> str:
    return text.replace("timeout-minutes: 15", "time-out-minutes: 15")


def injected(text: str) -> str:
    return text.replace("run: pawl compare", "run: pawl compare --config ${{ github.head_ref }}")


@pytest.mark.parametrize(
    ("flaw", "finders"),
    [
        (unquoted, {"actionlint"}),
        (unpinned, {"zizmor"}),
        (unknown_key, {"actionlint", "act"}),
        (injected, {"actionlint", "zizmor"}),
    ],
)
def test_the_linters_find_a_flaw(
    flaw: Callable[[str], str], finders: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    copy = tmp_path / WORKFLOW.relative_to(ROOT)
    text = copy.read_text(encoding="utf-8")
    copy.write_text(flaw(text), encoding="utf-8")
    assert copy.read_text(encoding="utf-8") != text
    assert lint_workflows.main(tmp_path) == 1
    assert finders <= set(re.findall(r"^(\w+) ends with [0-9]+:$", capsys.readouterr().out, re.MULTILINE))

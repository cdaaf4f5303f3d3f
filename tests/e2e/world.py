"""A repository on GitHub as the workflow finds it: main, pull requests, a bucket with main's results, and a runner."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.act import Run, run_workflow
from tests.e2e.machine import SOURCE, dvc_settings, environments
from tests.e2e.storage import BUCKET
from tests.fakes.github import FakeGitHub
from tests.fakes.github_contents import Commit, Contents
from tests.fakes.github_issues import Issues
from tests.fakes.github_state import Comment
from tests.support.act_workflows import make_fit_for_act
from tests.support.repositories import EVALUATE, TRAIN, commit, git, make_repository

SLUG = "acme/ct"
REPOSITORY = {"full_name": SLUG, "name": "ct", "default_branch": "main", "private": False}
TOKEN = "token-of-the-job"
MAIN_WORKFLOW = "continuous-training.yml"
RIGHTS = {
    "contents": "write",
    "pull_requests": "write",
    "statuses": "write",
    "checks": "write",
    "issues": "write",
    "actions": "write",
}
"""Of all jobs together: act does not enforce what each of them may do."""
# Written outside the checkout, which is gone when a job ends: who ran where, and what its environment held.
RECORD = """
import json as _json, os as _os
with open(_os.environ["STAGE_RECORD"], "a") as _out:
    _here = {"stage": %r, "folder": _os.getcwd(), "environment": sorted(_os.environ)}
    _here["logins"] = [name for name in _os.listdir(_os.getcwd().partition("/.pawl/")[0]) if "creds" in name]
    _out.write(_json.dumps(_here) + "\\n")
"""
FILES = {
    "train.py": RECORD % "train" + TRAIN,
    "evaluate.py": RECORD % "evaluate" + EVALUATE,
    "README.md": "A repository.\n",
    ".dvc/config": f"[core]\n    analytics = false\n    remote = storage\n"
    f"['remote \"storage\"']\n    url = gs://{BUCKET}/dvc\n",
}
CONFIG = """
base: main
metrics:
  "metrics.json:accuracy": {direction: higher, tolerance: 0.01, primary: true}
  "metrics.json:loss": {direction: lower, tolerance: 0}
tracking:
  experiment: e2e
"""
OWN = [
    ".github",
    "src/pawl",
    *sorted(path.name for path in SOURCE.glob("requirements*.txt") if path.name != "requirements-dev.txt"),
    "src/tasks/requirements.txt",
]
"""What a repository takes over from this one to be judged by it."""


def copy_own(root: Path, names: list[str]) -> None:
    """Copy files and folders of this repository to the same places under `root`."""
    for name in names:
        source, target = SOURCE / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
    make_fit_for_act(root / ".github" / "workflows")


def make_main(root: Path) -> Path:
    """A small repository with this one's workflow, action and loop, on branch main."""
    copy_own(root, OWN)
    return make_repository(root, FILES, config=CONFIG)


@dataclass
class World:
    """All that one scenario touches; each part is a real process or a real folder."""

    folder: Path
    github: FakeGitHub
    bucket_url: str
    mlflow_url: str | None = None
    """Of a server; None: MLflow is a database."""
    signing_key: str = ""
    """As PEM; empty: nothing is signed."""
    pull_requests_remote: str = ""
    """Where pull requests keep their results; empty: on the runner."""
    variables: dict[str, str] = field(default_factory=dict)
    """What else is set in the repository's settings."""
    programs: Path | None = None
    """Where `python` is, for pawl and what it starts; None: where it is for this test."""

    @property
    def work(self) -> Path:
        """The clone in which the scenario's people work."""
        return self.folder / "work"

    @property
    def origin(self) -> Path:
        """What GitHub holds."""
        return self.folder / "origin.git"

    @property
    def record(self) -> Path:
        """One JSON line for each stage that ran."""
        return self.folder / "stages.jsonl"

    @property
    def logins(self) -> Path:
        """One line for each login to Google Cloud: the job, and whom it became."""
        return self.folder / "logins.txt"

    @property
    def database(self) -> str:
        """The address of the scenario's MLflow."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def tracked_runs(self) -> int:
        """How many stages' runs MLflow has."""
        with closing(sqlite3.connect(self.database.removeprefix("sqlite:///"))) as database:
            [count] = database.execute(
                "SELECT count(*) FROM runs JOIN tags USING (run_uuid)"
                " WHERE status = 'FINISHED' AND key = 'pawl.kind' AND tags.value = 'stage'"
            ).fetchone()
        return int(count)

    def checked_out(self) -> str:
        """The commit that the workflow runs on: of a pull request GitHub's merge of it with main."""
        return git(self.work, "rev-parse", "HEAD")

    def comments(self, number: int) -> list[Comment]:
        """The comments of a pull request."""
        return self.github.comments(SLUG, number)

    def statuses(self) -> list[tuple[str, str, str]]:
        """(commit, state, context) of every status that was set, oldest first."""
        return [(status.sha, status.state, status.context) for status in self.github.state.statuses]

    def environment(self, machine: Path) -> dict[str, str]:
        """What a maintainer sets on a runner, and where this machine's stand-ins are."""
        return {
            "GITHUB_REPOSITORY": SLUG,
            "GITHUB_API_URL": self.github.url,
            "DVC_GLOBAL_CONFIG_DIR": str(dvc_settings(machine, self.bucket_url)),
            "DVC_SITE_CACHE_DIR": str(machine / "dvc-site"),
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            "PAWL_ENVIRONMENTS": str(environments(machine, self.programs)),
            "PAWL_E2E_ORIGIN": str(self.origin),
            "PAWL_E2E_ARTIFACTS": str(machine / "artifacts"),
            "PAWL_E2E_LOGINS": str(self.logins),
            "STAGE_RECORD": str(self.record),
            "OMP_NUM_THREADS": "2",
        }

    def open_pull_request(self, number: int, branch: str, files: Mapping[str, str], message: str) -> dict[str, Any]:
        """Push a branch off main with one commit, and GitHub's merge of the two; the event that this makes."""
        git(self.work, "checkout", "--quiet", "-B", branch, "main")
        return self.push_to_pull_request(number, branch, files, message)

    def push_to_pull_request(self, number: int, branch: str, files: Mapping[str, str], message: str) -> dict[str, Any]:
        """Push one more commit on the branch."""
        git(self.work, "checkout", "--quiet", branch)
        head = commit(self.work, message, files)
        base = git(self.work, "rev-parse", "main")
        git(self.work, "checkout", "--quiet", "--detach", "main")
        git(self.work, "merge", "--quiet", "--no-ff", "--message", f"Merge {head} into {base}", head)
        git(self.work, "push", "--quiet", "--force", str(self.origin), branch, f"HEAD:refs/pull/{number}/merge")
        self.github.add_pull_request(SLUG, number, head_sha=head, head_ref=branch, base_sha=base)
        return {
            "action": "synchronize",
            "number": number,
            "repository": REPOSITORY,
            "pull_request": {
                "number": number,
                "head": {"ref": branch, "sha": head, "repo": {"full_name": SLUG}},
                "base": {"ref": "main", "sha": base, "repo": {"full_name": SLUG}},
            },
        }

    def run(self, event_name: str, event: Mapping[str, Any], machine: str, workflow: str = MAIN_WORKFLOW) -> Run:
        """Run a workflow on what is checked out in `work`, on a runner of that name: a new name is a fresh one."""
        folder = self.folder / machine
        shutil.rmtree(folder / "artifacts", ignore_errors=True)
        return run_workflow(
            self.work,
            event_name,
            event,
            env=self.environment(folder),
            secrets={
                "GITHUB_TOKEN": TOKEN,
                "MLFLOW_TRACKING_TOKEN": "token-of-mlflow",
                "MLFLOW_MAIN_TOKEN": "token-of-main",
                **({"PAWL_SIGNING_KEY": self.signing_key} if self.signing_key else {}),
            },
            variables={
                "MLFLOW_TRACKING_URI": self.mlflow_url or self.database,
                "GOOGLE_IDENTITY_PROVIDER": "projects/1/locations/global/workloadIdentityPools/github/providers/acme",
                "GOOGLE_READER": "reader@acme",
                "GOOGLE_WRITER": "writer@acme",
                "GOOGLE_KEEPER": "keeper@acme",
                "PAWL_PULL_REQUESTS_REMOTE": self.pull_requests_remote,
                **self.variables,
            },
            machine=folder,
            workflow=workflow,
        )

    def push_main(self) -> None:
        """Put main on GitHub, where its API shows the branch too."""
        git(self.work, "push", "--quiet", "--tags", str(self.origin), "main")
        contents = self.github.state.contents.setdefault(SLUG, Contents(SLUG))
        lock = self.work / "dvc.lock"
        tip = git(self.work, "rev-parse", "main")
        contents.commits[tip] = Commit(
            contents.add_tree({"dvc.lock": contents.add_blob(lock.read_bytes())} if lock.exists() else {}), ()
        )
        contents.branches["main"] = tip

    def dispatch(self, inputs: Mapping[str, str], machine: str, workflow: str = MAIN_WORKFLOW) -> Run:
        """Run a workflow on main as somebody with write access starts it by hand."""
        git(self.work, "checkout", "--quiet", "main")
        event = {"inputs": dict(inputs), "ref": "refs/heads/main", "repository": REPOSITORY}
        return self.run("workflow_dispatch", event, machine, workflow)

    def issues(self) -> list[Any]:
        """The repository's issues."""
        issues = self.github.state.issues.get(SLUG)
        return list(issues.issues.values()) if issues else []

    def title_of(self, sha: str) -> str | None:
        """The title of the check on a commit; None where it has none."""
        checks = [check for check in self.github.state.checks.values() if check.head_sha == sha]
        return checks[-1].output.get("title") if checks else None

    def push_results(self, branch: str) -> None:
        """What a maintainer does: make the branch's results, and push them with their receipts to the bucket."""
        checked_out = git(self.work, "rev-parse", "HEAD")
        git(self.work, "checkout", "--quiet", branch)
        env = {**os.environ, **self.environment(self.folder / "maintainer"), "PYTHONPATH": str(self.work / "src")}
        env["STAGE_RECORD"] = os.devnull
        for command in (["pawl", "plan", "--base=HEAD", "--all"], ["pawl", "reproduce"], ["pawl", "push"]):
            self._call([str(self.programs / "python") if self.programs else sys.executable, "-m", *command], env)
        git(self.work, "checkout", "--quiet", "--force", "--detach", checked_out)
        git(self.work, "clean", "--quiet", "-ffdx")

    def stages_run(self) -> list[dict[str, Any]]:
        """What the stages themselves wrote down, oldest first: `stage`, `side` and the names in their `environment`."""
        lines = self.record.read_text(encoding="utf-8").splitlines() if self.record.exists() else []
        runs = [json.loads(line) for line in lines]
        return [{**run, "side": "base" if "/.pawl/base/" in run["folder"] else "head"} for run in runs]

    def _call(self, command: list[str], env: Mapping[str, str]) -> None:
        done = subprocess.run(command, cwd=self.work, env=dict(env), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def make_world(
    folder: Path, github: FakeGitHub, bucket_url: str, template: Path | None = None, programs: Path | None = None
) -> World:
    """A world whose main is that of `template` (a `work` folder), else a new small one; main is on GitHub."""
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder, github, bucket_url, programs=programs)
    if template is None:
        make_main(world.work)
    else:
        shutil.copytree(template, world.work, symlinks=True)
        git(world.work, "checkout", "--quiet", "main")
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(world.origin))
    world.push_main()
    github.state.issues.setdefault(SLUG, Issues())
    github.add_token(TOKEN, permissions=dict(RIGHTS))
    return world

"""A run of the workflow on the machine that plans, and on the one that trains: the same steps as `pawl run`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl import git
from pawl.actions.guards import check_dvc_settings
from pawl.actions.runs import Run, base_options, newest_data_revision
from pawl.actions.wishes import Wishes, with_data_revision, with_task_list
from pawl.config import load_config
from pawl.errors import InputError, ServiceError
from pawl.schema import Comparison, Noise, Plan, Stages

if TYPE_CHECKING:
    from pawl.pipeline.plan import Looks
    from pawl.pipeline.progress import Progress
    from pawl.session import Session

Say = Callable[[str], None]
NOISE_FILE = "noise.json"


@dataclass(frozen=True)
class Planned:
    """What the planning job says."""

    train: bool
    """Whether the training job has anything to do, and may."""
    text: str
    """The plan, as Markdown."""
    shares: dict[str, str] = field(default_factory=dict)
    """The matrices of the runners that share the work, where it is shared (see `pawl.actions.sharing`)."""


def plan_run(run: Run, folder: Path, *, use_remote: bool, say: Say, shared: bool = False) -> Planned:
    """Plan, and where nothing has to run or be restored, write the results too: that all is as on base.

    With `shared`, say what each of several runners is to make.

    A stranger's code has no login, so its plan does without a remote that wants one.
    """
    from pawl.report.plan_text import needs_work, plan_text
    from pawl.steps import compare_step, reproduce_step

    try:
        session, plan, head_looks, base_looks = _planned(run, folder, use_remote=use_remote)
    except ServiceError as error:
        if run.decision.is_trusted or not use_remote:
            raise
        say(f"{error} The plan goes on without it: results that are known there count as missing.")
        session, plan, head_looks, base_looks = _planned(run, folder, use_remote=False)
    train = needs_work(plan) and run.decision.may_train and not run.wishes.dry_run
    text = plan_text(plan, run.decision.reason if needs_work(plan) else "")
    if not needs_work(plan):
        say("no training needed")
        compare_step(session, plan, reproduce_step(session, plan, head_looks, base_looks, say))
    if not (train and shared):
        return Planned(train, text)
    from pawl.actions.sharing import fan_out

    return Planned(train, text, fan_out(session, plan, head_looks, base_looks, say))


def pull_run(run: Run, folder: Path, *, use_remote: bool, say: Say, share: str | None = None) -> None:
    """Plan anew on the machine that will train, and fetch what it will read: all, or what its share reads."""
    from pawl.console import show_plan
    from pawl.steps import pull_step

    session, plan, head_looks, base_looks = _planned(run, folder, use_remote=use_remote)
    show_plan(plan)
    if share is not None:
        from pawl.actions.sharing import plan_of_share, read_share

        plan = plan_of_share(session, plan, (head_looks, base_looks), read_share(share, plan), say)
    rescored = run.wishes.rescore and share is None
    found = pull_step(session, plan, head_looks, base_looks, say, rescored=rescored)
    say(f"pulled: {found} results are on this machine")


def train_run(
    run: Run,
    folder: Path,
    *,
    jobs: int | None,
    say: Say,
    watch: Callable[[Progress], AbstractContextManager[Any]],
) -> Stages:
    """Carry out the plan that `pull_run` wrote, without the remote; first base with other seeds, if that is wished."""
    from pawl.session import Choices, exclusive, open_session, read_file, write_file
    from pawl.steps import plan_step, reproduce_step

    reports = folder / "reports"
    written = read_file(reports, "plan.json", Plan, "pawl ci pull")
    with exclusive(folder):
        if run.wishes.seeds:
            from pawl.noise.measure import measure_noise

            found = measure_noise(
                folder, load_config(folder), run.wishes.seeds, say,
                base=written.base.commit, use_remote=False, jobs=jobs, watch=watch,
            )  # fmt: skip
            write_file(reports, NOISE_FILE, found)
        session = open_session(Choices(folder, use_remote=False), made=written)
        plan, head_looks, base_looks = plan_step(session, everything=written.everything, force=written.force)
        return reproduce_step(
            session, plan, head_looks, base_looks, say, jobs=jobs, watch=watch,
            rescored=run.wishes.rescore and not session.is_dirty, tracked=True,
        )  # fmt: skip


def compare_run(run: Run, folder: Path) -> Comparison:
    """Judge the results, by the luck of the seed as this run measured it where it did."""
    from pawl.session import Choices, open_session, read_file
    from pawl.steps import compare_step

    plan = read_file(folder / "reports", "plan.json", Plan, "pawl ci pull")
    session = open_session(Choices(folder), made=plan)
    stages = read_file(session.reports, "stages.json", Stages, "pawl ci train")
    if run.wishes.seeds:
        noise = read_file(session.reports, NOISE_FILE, Noise, "pawl ci train")
        session = replace(session, rules=replace(session.rules, noise=noise))
    return compare_step(session, plan, stages)


def _planned(run: Run, folder: Path, *, use_remote: bool) -> tuple[Session, Plan, Looks, Looks]:
    from pawl.session import Choices, exclusive, open_session
    from pawl.steps import plan_step

    wishes = _complete(run, folder)
    options = base_options(run, lambda commit: _is_commit_here(folder, commit))
    base = next((option.removeprefix("--base=") for option in options if option.startswith("--base=")), None)
    if not run.decision.is_main:
        _check_settings(run, folder)
    chosen = Choices(folder, base=base, overrides=wishes.overrides, use_remote=use_remote)
    with exclusive(folder):
        session = open_session(chosen)
        return session, *plan_step(session, everything="--all" in options, force=wishes.force)


def _complete(run: Run, folder: Path) -> Wishes:
    """The wishes, with the words for tasks and data as the overrides that they stand for."""
    import yaml

    config = load_config(folder)
    wishes = run.wishes
    looks_for_data = run.decision.kind == "schedule" and config.data_tags
    if wishes.data_revision is None and not looks_for_data:
        return with_task_list(wishes)
    try:
        parameters = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{folder / 'params.yaml'} cannot be read: {error}.") from None
    if looks_for_data:
        pattern = f"refs/tags/{config.data_tags}"
        tags = git.git(folder, "for-each-ref", "--sort=-version:refname", "--format=%(refname:strip=2)", pattern)
        wishes = replace(wishes, data_revision=newest_data_revision(tags.splitlines(), parameters))
    return with_data_revision(with_task_list(wishes), parameters)


def _check_settings(run: Run, folder: Path) -> None:
    """Against the branch that GitHub names, and not a base that somebody wished or the code's own settings choose."""
    top = git.toplevel(folder)
    against, _ = git.resolve_base(top, run.base_branch or load_config(folder).base)
    check_dvc_settings(top, against.commit, git.head(top).commit)


def _is_commit_here(folder: Path, commit: str) -> bool:
    command = ["git", "-C", str(folder), "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, capture_output=True).returncode == 0

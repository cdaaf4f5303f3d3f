"""Where a run's result comes from, for MLflow: as tags, as data sets, and as one file with all of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pawl.git import git
from pawl.pipeline.project import Project, lock_entry, one_line, params_of, stage_name
from pawl.pipeline.provenance import data_digest
from pawl.schema import Machine, Side
from pawl.tracking import names
from pawl.tracking.events import Begun, Dataset, Inputs, Params
from pawl.tracking.server import Place, experiment_of, experiments, is_main, repository_name, without_secrets

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    from pawl.session import Session

_MOST_CHARACTERS = 6_000


@dataclass(frozen=True)
class About:
    """What all runs of one session have in common."""

    experiment: str
    also: str | None
    """The experiment in which main's results are, where that is another."""
    parent: Begun
    commits: Mapping[Side, str]
    source: str
    data_tag: str
    """The newest tag of the data that head has; empty where tags name no data."""
    remote: str
    diff: str
    machine: Machine


def about(session: Session, machine: Machine, at_ms: int) -> About:
    """What there is to say before any stage runs."""
    head = session.head_revision
    started_from = git(session.root, "rev-parse", "HEAD", check=False) if session.overrides else head.commit
    commits: dict[Side, str] = {"head": started_from or head.commit, "base": session.base_revision.commit}
    return about_checkout(
        session, session.head.repo, head.name or head.commit[:10], commits, machine, at_ms, diff=_diff(session)
    )


def about_checkout(
    place: Place, repo: Repo, name: str, commits: Mapping[Side, str], machine: Machine, at_ms: int, *, diff: str
) -> About:
    """Likewise for a checkout of the branch `name`; `diff` is what head has and its commit has not."""
    source = repository_name(place)
    mine, main = experiment_of(place), experiments(place.config.tracking.experiment or source).main
    title, link = _parent(place, name)
    branch = name if link else title
    tags = {
        names.COMMIT_TAG: commits["head"],
        names.SOURCE_TAG: source,
        "pawl.branch": branch,
        "pawl.base": commits["base"],
        "mlflow.note.content": link or f"`{branch}` of {source}",
    }
    if link:
        tags["pawl.pull_request"] = link
    digest = hashlib.sha256(f"{mine}\0{title}".encode()).hexdigest()[:24]
    parent = Begun(
        run=f"parent-{digest}", name=title[:250], kind="parent", experiment=mine, at_ms=at_ms, tags=bounded(tags)
    )
    return About(
        experiment=mine,
        also=main if main != mine else None,
        parent=parent,
        commits=commits,
        source=source,
        data_tag=data_tag(place, commits["head"]),
        remote=_remote(repo),
        diff=diff,
        machine=machine,
    )


def begun_of(
    said: About, run: str, project: Project, stage: PipelineStage, side: Side, key: str, *, forced: bool, at_ms: int
) -> tuple[Begun, Params, Inputs]:
    """What is known of a stage's run when it begins: its inputs are there, its outputs are not."""
    tags = bounded(
        {
            names.STAGE_TAG: stage_name(stage),
            names.SIDE_TAG: side,
            names.COMMIT_TAG: said.commits[side],
            names.SOURCE_TAG: said.source,
            names.INPUTS_TAG: _digest(_hashes(project, stage, data=True)),
            names.CODE_TAG: _digest(_hashes(project, stage, data=False)),
            names.DATA_TAG: said.data_tag or data_digest(project, stage) or "",
            names.REMOTE_TAG: said.remote,
            names.DIFF_TAG: said.diff if side == "head" else "clean",
            names.DEVICE_TAG: said.machine.device,
            names.ENVIRONMENT_TAG: said.machine.environment_digest,
        }
    )
    begun = Begun(
        run=run,
        name=f"{stage_name(stage)} {said.commits[side][:10]}"[:250],
        kind="stage",
        parent=said.parent.run,
        experiment=said.experiment,
        also=said.also,
        key=key,
        forced=forced,
        at_ms=at_ms,
        tags=tags,
    )
    params = {names.allowed_name(key): str(value)[:_MOST_CHARACTERS] for (_, key), value in params_of(stage).items()}
    return begun, Params(run=run, values=params), Inputs(run=run, datasets=_datasets(said, project, stage, side))


def outputs_digest(project: Project, stage: PipelineStage) -> str:
    """One digest over the hashes of all that the stage wrote."""
    return _digest({project.relative(out.fs_path): out.hash_info.value or "" for out in stage.outs})


def provenance(said: About, project: Project, stage: PipelineStage, side: Side, key: str, outcome: str) -> bytes:
    """`provenance.json`: everything that the result follows from, and what it is."""
    content: dict[str, Any] = {
        "stage": stage_name(stage),
        "stage_key": key,
        "outcome": outcome,
        "repository": said.source,
        "commit": said.commits[side],
        "uncommitted": said.diff if side == "head" else "clean",
        "remote": said.remote,
        "data_tag": said.data_tag,
        "recorded": lock_entry(stage),
        "device": said.machine.device,
        "driver": said.machine.driver,
        "python": said.machine.python,
        "platform": said.machine.platform,
        "environment_digest": said.machine.environment_digest,
        "packages": dict(said.machine.packages),
    }
    return (json.dumps(content, indent=1, sort_keys=True, default=str) + "\n").encode()


def data_tag(place: Place, commit: str) -> str:
    """The newest tag of the data that the commit has; empty where tags name no data."""
    pattern = place.config.data_tags
    if not pattern:
        return ""
    return git(place.root, "describe", "--tags", "--abbrev=0", f"--match={pattern}", commit, check=False)[:200]


def _parent(place: Place, name: str) -> tuple[str, str]:
    """What the parent run is called, a pull request or a branch, and the address of the pull request."""
    found = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", os.environ.get("GITHUB_REF", ""))
    if found is None and is_main(place):
        return place.config.base.removeprefix("origin/"), ""  # a workflow checks out a commit, and no branch
    if found is None:
        return name, ""
    server, slug = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
    link = f"{server}/{slug}/pull/{found[1]}" if server.startswith("https://") and slug else ""
    return f"#{found[1]} {name}", link


def _hashes(project: Project, stage: PipelineStage, *, data: bool) -> dict[str, str]:
    """Path -> hash of what the stage reads: data and other stages' results, or the files that git has."""
    from dvc.dependency import ParamsDependency

    return {
        project.relative(dep.fs_path): str(dep.hash_info.value or "")
        for dep in stage.deps
        if not isinstance(dep, ParamsDependency) and (next(project.sources_of(dep), None) is not None) == data
    }


def _datasets(said: About, project: Project, stage: PipelineStage, side: Side) -> tuple[Dataset, ...]:
    return tuple(
        Dataset(
            name=path[:500],
            digest=digest[:36],
            source=json.dumps(
                {
                    "path": path,
                    "hash": digest,
                    "remote": said.remote,
                    "commit": said.commits[side],
                    "tag": said.data_tag,
                }
            )[:5_000],
        )
        for path, digest in sorted(_hashes(project, stage, data=True).items())
        if digest
    )


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest() if hashes else ""


def _remote(repo: Repo) -> str:
    """The DVC remote's name and address, without what opens it."""
    config = repo.config
    name = config["core"].get("remote")
    url = str(config["remote"].get(name, {}).get("url", "")) if name else ""
    return f"{name} {without_secrets(url)}"[:500] if name else ""


def _diff(session: Session) -> str:
    """`clean`, or a digest of what head has and its commit has not."""
    if not session.is_dirty:
        return "clean"
    try:
        return hashlib.sha256(git(session.root, "diff", "HEAD").encode()).hexdigest()
    except Exception as error:
        return f"unknown: {one_line(error)}"[:200]


def bounded(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that say something, each as long as MLflow takes it."""
    return {name: value[:_MOST_CHARACTERS] for name, value in tags.items() if value}

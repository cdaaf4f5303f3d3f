"""All checks together: which there are, in which order they are told, and within which time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pawl import git
from pawl.doctor import github, machine, remotes, repository, services, workflows
from pawl.doctor.checks import Check, carry_out
from pawl.doctor.diagnosis import Diagnosis, Line
from pawl.errors import InputError
from pawl.pipeline.project import dvc_root

SECONDS = 11.0
"""For all checks together: they run at the same time, and what is late is told as such."""


def examine(
    folder: Path,
    config_file: Path | None,
    environ: Mapping[str, str],
    *,
    with_github: bool = False,
    probe_write: bool = False,
    read_only: tuple[str, ...] = (),
) -> Diagnosis:
    """Look at the machine, the repository around `folder`, its remotes and services, and with `with_github` GitHub.

    Nothing is changed, but with `probe_write` one small object is written to each remote and removed again. `read_only`
    names remotes that must refuse it.
    """
    _import_together()
    top = _or_none(lambda: git.toplevel(folder))
    problem: list[InputError] = []
    root = _or_none(lambda: dvc_root(folder), problem)
    config = repository.settings_of(root, config_file)
    texts = workflows.local_workflows(top) if top is not None else {}
    checks = [
        Check("machine", "Python", machine.python_lines),
        Check("machine", "packages", lambda: machine.package_lines(top or folder)),
        Check("machine", "DVC", machine.dvc_lines),
        Check("machine", "GPU", machine.gpu_lines),
        Check("machine", "disk", lambda: machine.disk_lines(_places(folder, root))),
        Check("repository", "git", lambda: repository.git_lines(folder, config.base)),
    ]
    if root is None:
        checks.append(Check("repository", "DVC repository", lambda: repository.without_repository(problem[0])))
    else:
        place = root
        checks += [
            Check("repository", "pawl.yaml", lambda: repository.config_lines(place, config_file)),
            Check("repository", "dvc.yaml", lambda: repository.pipeline_lines(place, config)),
            Check("repository", "noise", lambda: repository.noise_lines(place, config)),
            *_remote_checks(place, environ, probe_write, set(read_only)),
            Check("services", "registry", lambda: services.registry_lines(config, environ, place)),
        ]
    if top is not None:
        checkout = top
        checks += [
            Check("repository", "dvc.lock", lambda: repository.attribute_lines(checkout)),
            Check("repository", "workflow", lambda: workflows.workflow_lines(texts, "repository", "here")),
        ]
    checks += [
        Check("services", "MLflow", lambda: services.mlflow_lines(config, environ)),
        Check("services", "CML", lambda: services.cml_lines(environ)),
    ]
    if with_github:
        # It asks its questions at the same time itself, and must be done before its own time is up.
        seconds, lock = SECONDS - 1.0, config.promote.lock
        checks.append(Check("github", "GitHub", lambda: github.github_lines(top, environ, texts, seconds, lock)))
    lines = carry_out(checks, SECONDS)
    order = ("machine", "repository", "remotes", "services", "github")
    return Diagnosis(lines=tuple(sorted(lines, key=lambda line: order.index(line.group))))


def _remote_checks(root: Path, environ: Mapping[str, str], probe_write: bool, read_only: set[str]) -> list[Check]:
    try:
        found = remotes.remotes_of(root, read_only, environ)
    except Exception as problem:
        # Raised again where it becomes a line.
        reason = problem

        def fail() -> list[Line]:
            raise reason

        return [Check("remotes", "remotes", fail)]
    each = [
        Check("remotes", remote.name, lambda remote=remote: remotes.remote_lines(root, remote, probe_write=probe_write))  # type: ignore[misc]
        for remote in found
    ]
    return [Check("remotes", "remotes", lambda: remotes.list_lines(found, read_only)), *each]


def _places(folder: Path, root: Path | None) -> dict[str, Path]:
    """Where a run needs space: the checkout, and DVC's cache where it is elsewhere."""
    if root is None:
        return {"checkout": folder}
    from dvc.config import Config

    cache = Path(Config(str(root / ".dvc"))["cache"].get("dir") or root / ".dvc" / "cache")
    return {"checkout": root, "cache": root / ".dvc" / cache}


def _or_none(ask: Callable[[], Path], problems: list[InputError] | None = None) -> Path | None:
    try:
        return ask()
    except InputError as problem:
        (problems if problems is not None else []).append(problem)
        return None


def _import_together() -> None:
    """Import what several checks need before they start: two threads that import one package can see half of it."""
    import dvc.repo
    import requests

    import pawl.compare.results
    import pawl.noise.spread  # noqa: F401

    _ = (dvc.repo, requests)

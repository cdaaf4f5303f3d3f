"""The repository: git, pawl.yaml, the pipeline, and what keeps a merge from forging results."""

from __future__ import annotations

import fnmatch
import shutil
from pathlib import Path

from pawl import git
from pawl.config import CONFIG_NAME, Config, load_config
from pawl.doctor.diagnosis import Line, error, ok, some, warning
from pawl.errors import InputError


def git_lines(folder: Path, base: str) -> list[Line]:
    """Whether git is there, the checkout has its history, and the base can be found."""
    if shutil.which("git") is None:
        return [error("machine", "git", "not installed, or not in PATH", "Install git.")]
    lines = [ok("machine", "git", git.git(folder, "--version").removeprefix("git version "))]
    try:
        top = git.toplevel(folder)
    except InputError as problem:
        return [*lines, error("repository", "checkout", str(problem), "Run pawl in a clone of the repository.")]
    if git.commit_of(top, "HEAD") is None:
        return [*lines, error("repository", "checkout", f"{top} has no commit yet", "Commit your work.")]
    if git.git(top, "rev-parse", "--is-shallow-repository") == "true":
        remedy = "Run `git fetch --unshallow`, or set `fetch-depth: 0` where the workflow checks out."
        lines.append(warning("repository", "history", "a shallow clone, which pawl has to deepen", remedy))
    else:
        lines.append(ok("repository", "history", f"complete, {git.git(top, 'rev-list', '--count', 'HEAD')} commits"))
    if git.commit_of(top, base) or git.commit_of(top, f"origin/{base}"):
        lines.append(ok("repository", "base", base))
    else:
        remedy = f"Run `git fetch origin {base}`, or set `base` in {CONFIG_NAME} to your main branch."
        lines.append(warning("repository", "base", f"there is no branch {base} here", remedy))
    return lines


def attribute_lines(top: Path) -> list[Line]:
    """Whether git asks a person where two branches changed dvc.lock."""
    tracked = [name for name in git.git(top, "ls-files", "-z", "--", "*dvc.lock").split("\0") if name]
    locks = tracked or ["dvc.lock"]
    # What only this user's own settings say does not hold for anybody else.
    own = ("-c", "core.attributesFile=/dev/null")
    asked = git.git(top, *own, "check-attr", "-z", "merge", "--", *locks[:500]).split("\0")
    merged = [path for path, value in zip(asked[::3], asked[2::3], strict=False) if value != "unset"]
    if not merged:
        return [ok("repository", "dvc.lock", "two branches' locks are never merged into one by git")]
    remedy = "Add the line `dvc.lock -merge` to .gitattributes, or let `pawl init` do it."
    found = f"git may merge {some(merged)} into a lock that no run ever wrote"
    return [error("repository", "dvc.lock", found, remedy)]


def config_lines(root: Path, config_file: Path | None) -> list[Line]:
    """Whether pawl.yaml is valid and names what decides."""
    try:
        config = load_config(root, config_file)
    except InputError as problem:
        return [error("repository", CONFIG_NAME, str(problem), "Correct it; docs/settings.md has every key.")]
    if config_file is None and not (root / CONFIG_NAME).exists():
        return [warning("repository", CONFIG_NAME, "there is none: directions are guessed", "Run `pawl init`.")]
    if not config.has_primary:
        remedy = "Set `primary: true` beside the metric that is to decide."
        return [warning("repository", CONFIG_NAME, "valid, but no metric is primary: the gate has no basis", remedy)]
    return [ok("repository", CONFIG_NAME, f"valid, {len(config.metrics)} rules for metrics")]


def pipeline_lines(root: Path, config: Config) -> list[Line]:
    """Whether DVC can read the pipeline, and keeps what its stages make."""
    from pawl.compare.results import SideFiles
    from pawl.pipeline.project import open_project
    from pawl.pipeline.soundness import check_pipeline

    try:
        project = open_project(root)
        check_pipeline(project)
    except InputError as problem:
        remedy = "Correct it: `dvc repro --dry` shows what DVC makes of it."
        return [error("repository", "dvc.yaml", str(problem), remedy)]
    if not project.stages:
        remedy = "Describe your training with `dvc stage add`."
        return [error("repository", "dvc.yaml", "it has no stages", remedy)]
    metrics = SideFiles(project, {}).metric_paths()
    lines = [ok("repository", "dvc.yaml", f"{len(project.stages)} stages, {len(metrics)} metrics files")]
    if not metrics:
        remedy = "Declare what your evaluation writes under `metrics:` of its stage."
        lines.append(error("repository", "metrics", "no stage declares any, so nothing can be judged", remedy))
    outs = [out for stage in project.stages for out in stage.outs]
    loose = [project.relative(out.fs_path) for out in outs if not out.use_cache and out.protocol == "local"]
    if loose:
        remedy = "Remove `cache: false` and run `git rm --cached` on them: DVC trains again on every fresh machine."
        lines.append(error("repository", "kept results", f"{some(loose)} lie outside DVC's cache", remedy))
    kept = [project.relative(out.fs_path) for out in outs if out.persist]
    if kept:
        remedy = "Remove `persist: true`: DVC never files such a stage's results, so they are trained again."
        lines.append(warning("repository", "kept results", f"{some(kept)} persist between runs", remedy))
    if not loose and not kept and metrics:
        lines.append(ok("repository", "kept results", "DVC keeps every output by its content"))
    return [*lines, *_idle_rules(config, metrics)]


def _idle_rules(config: Config, metrics: list[str]) -> list[Line]:
    """Rules for metrics of files that no stage declares: misspelt, or left over."""
    idle = []
    for pattern in config.metrics:
        file, colon, _ = pattern.rpartition(":")
        if colon and not any(fnmatch.fnmatchcase(path, file) for path in metrics):
            idle.append(pattern)
    if not idle:
        return []
    remedy = f"Correct the file's name in {CONFIG_NAME}, or remove the rule."
    return [warning("repository", "rules", f"no metrics file matches {some(idle, 3)}", remedy)]


def noise_lines(root: Path, config: Config) -> list[Line]:
    """Whether verdicts know the luck of the seed."""
    from pawl.noise.spread import read_noise

    try:
        noise = read_noise(root, config)
    except InputError as problem:
        return [error("repository", "noise", str(problem), "Run `pawl noise` again and commit its file.")]
    if noise is None:
        remedy = "Run `pawl noise` on main and commit what it writes."
        found = f"there is no {config.noise.file}: verdicts do not know the luck of the seed"
        return [warning("repository", "noise", found, remedy)]
    return [ok("repository", "noise", f"{len(noise.runs)} trainings, of commit {noise.commit[:10]}")]


def without_repository(problem: InputError) -> list[Line]:
    """The line where there is no DVC repository to look at."""
    return [error("repository", "DVC repository", str(problem), "Run `dvc init`, or name a folder with --repository.")]


def settings_of(root: Path | None, config_file: Path | None) -> Config:
    """The settings to check by: the defaults where there are none or they are not valid, which another line says."""
    try:
        return load_config(root, config_file) if root is not None else Config()
    except InputError:
        return Config()

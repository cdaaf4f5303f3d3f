"""What every step starts from: the two checkouts, the two commits, and the settings that hold for them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from pawl import git
from pawl.config import CONFIG_NAME, Config, load_config
from pawl.errors import InputError
from pawl.schema import Noise, Plan, Revision

if TYPE_CHECKING:
    from pawl.compare.rules import Rules
    from pawl.pipeline.project import Project

# Files that a run writes itself, DVC the second one: neither decides a result.
_OWN_RESULTS = ("dvc.lock", ".gitignore")
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Choices:
    """What a person chose on the command line."""

    folder: Path
    base: str | None = None
    overrides: tuple[str, ...] = ()
    config: Path | None = None
    reports: Path | None = None
    use_remote: bool = True
    allow_dirty: bool = False


@dataclass(frozen=True)
class Session:
    """The checkouts and commits of one run; `base` is `head` where both are one commit, None without pipeline."""

    root: Path
    """The DVC root that the command was given in."""
    reports: Path
    config: Config
    rules: Rules
    head: Project
    base: Project | None
    head_revision: Revision
    base_revision: Revision
    overrides: tuple[str, ...]
    changed_files: list[str]
    notes: tuple[str, ...]
    use_remote: bool
    is_dirty: bool = False
    """Whether what is measured on head is in no commit."""

    @property
    def is_same(self) -> bool:
        """Whether base's pipeline is head's: one commit, or none of the files that changed concern it."""
        return self.base is self.head


def open_session(choices: Choices, *, made: Plan | None = None) -> Session:
    """Resolve base and head, make the checkouts, and read the settings; nothing is trained.

    With `made`, a plan already written, its commits are taken and its checkouts are used as they stand. Raises
    InputError for everything that is not as it must be, before any work is done.
    """
    from pawl.compare.rules import Rules
    from pawl.pipeline.project import dvc_root

    top = git.toplevel(choices.folder)
    root = dvc_root(choices.folder.absolute())
    inner = root.relative_to(top)
    config = load_config(root, choices.config)
    notes = _check_clean(top, choices)
    uncommitted = bool(notes)
    if made is None:
        base, note = git.resolve_base(top, choices.base or config.base)
        base_revision, overrides = _revision(base), choices.overrides
        notes += [note] if note else []
    else:
        base_revision, overrides = made.base, made.overrides
    head, head_revision, head_top = _open_head(top, inner, overrides, made)
    changed = git.git(head_top, "diff", "--name-only", "-z", base_revision.commit, head_revision.commit, check=False)
    changed_files = [_inside(name, inner) for name in changed.split("\0") if name]
    dirty = bool(notes) and not overrides
    base_project, base_config = _open_base(top, inner, base_revision, head, config, None if dirty else changed_files)
    if base_project is None:
        notes.append("Base is no DVC repository yet: there is nothing to compare with.")
    if base_config is not None and base_config != config:
        notes.append(f"{CONFIG_NAME} differs from base's: where base's names a metric, base's rule judges it.")
    noise = _noise_of(base_project, base_config or config, notes)
    return Session(
        root=root,
        reports=(choices.reports or root / "reports").absolute(),
        config=config,
        rules=Rules(base_config, config, noise),
        head=head,
        base=base_project,
        head_revision=head_revision,
        base_revision=base_revision,
        overrides=overrides,
        changed_files=changed_files,
        notes=tuple(notes),
        use_remote=choices.use_remote,
        is_dirty=uncommitted and not overrides,
    )


def _open_head(top: Path, inner: Path, overrides: tuple[str, ...], made: Plan | None) -> tuple[Project, Revision, Path]:
    """The project that is measured, its commit, and its checkout's top: the workspace, or one with overrides set."""
    from pawl.pipeline.checkout import set_checkout, share_settings, state_folder
    from pawl.pipeline.project import open_project

    workspace = git.head(top)
    head, revision, head_top = open_project(top / inner), _revision(workspace), top
    if overrides:
        head_top = state_folder(top) / "set"
        if made is None:
            set_checkout(top, workspace.commit, inner, overrides)
            share_settings(head.repo, head_top / inner)
        own = git.head(head_top)
        revision = Revision(commit=own.commit, name=f"{_head_name(workspace)} with --set", subject=own.subject)
        head = open_project(head_top / inner)
    if made is not None and made.head.commit != revision.commit:
        raise InputError(
            f"plan.json is for commit {made.head.commit[:10]}, but {revision.commit[:10]} is checked out: "
            "run `pawl plan` again."
        )
    return head, revision, head_top


def _open_base(
    top: Path, inner: Path, revision: Revision, head: Project, config: Config, changed_files: list[str] | None
) -> tuple[Project | None, Config | None]:
    """Base's project and settings; head's own where nothing that changed can make them differ."""
    from pawl.pipeline.checkout import base_checkout, share_settings
    from pawl.pipeline.project import concerns_pipeline, open_project

    if changed_files is not None and not any(concerns_pipeline(head, name) for name in changed_files):
        return head, config
    root = base_checkout(top, revision.commit) / inner
    settings = load_config(root) if (root / CONFIG_NAME).exists() else None
    if not (root / ".dvc").is_dir():
        return None, settings
    share_settings(head.repo, root)
    return open_project(root), settings


def _noise_of(base: Project | None, config: Config, notes: list[str]) -> Noise | None:
    """The luck of the seed as base's commit has it on record; a note where the record is none."""
    from pawl.noise.spread import read_noise

    try:
        return read_noise(Path(base.root), config) if base is not None else None
    except InputError as error:
        notes.append(f"Of base: {error}")
        return None


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the repository for one pawl at a time; an InputError that says so where another has it."""
    from pawl.pipeline.checkout import state_folder

    with (state_folder(git.toplevel(root)) / "lock").open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            owner = handle.read().strip()
            raise InputError(
                f"another pawl (process {owner or 'unknown'}) is at work in {root}: wait for it, or stop it."
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def read_file(reports: Path, name: str, model: type[_Model], made_by: str) -> _Model:
    """One of the JSON files, validated. `made_by` is the command that writes it, for the error where it is missing."""
    path = reports / name
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: run `{made_by}` first.") from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{path} is not what `{made_by}` writes ({where}: {problem['msg']}): run it again.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def write_file(reports: Path, name: str, value: BaseModel) -> None:
    """Write one of the JSON files, whole or not at all."""
    from pawl.report.files import write_together

    write_together({reports / name: (value.model_dump_json(indent=1) + "\n").encode()})


def _check_clean(top: Path, choices: Choices) -> list[str]:
    """Results belong to a commit, so what is measured must be one; a note where the user wants it otherwise."""
    dirty = git.changed_files(top, exclude=_OWN_RESULTS)
    if not dirty:
        return []
    named = ", ".join(dirty[:3]) + (f" and {len(dirty) - 3} more" if len(dirty) > 3 else "")
    if choices.overrides:
        return [f"Uncommitted changes in {named} are left out: --set starts from the commit."]
    if not choices.allow_dirty:
        raise InputError(
            f"{named} {'has' if len(dirty) == 1 else 'have'} uncommitted changes in {top}, so results would belong to "
            "no commit: commit or stash them, or measure them as they are with --allow-dirty."
        )
    return [f"Measured with uncommitted changes in {named}: these numbers belong to no commit."]


def _revision(resolved: git.Resolved) -> Revision:
    return Revision(commit=resolved.commit, name=_head_name(resolved), subject=resolved.subject)


def _head_name(resolved: git.Resolved) -> str:
    """In a workflow HEAD is detached, and the branch's name is in the environment."""
    detached = resolved.commit.startswith(resolved.name)
    return (os.environ.get("GITHUB_HEAD_REF", "") if detached else "")[:200] or resolved.name[:200]


def _inside(name: str, inner: Path) -> str:
    prefix = f"{inner.as_posix()}/" if inner.parts else ""
    return name.removeprefix(prefix)

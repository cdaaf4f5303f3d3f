"""`pawl init` as a whole: look at the repository, decide what belongs into it, write what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pawl import git
from pawl.config import CONFIG_NAME, load_config
from pawl.doctor.requirements import read_pins
from pawl.errors import InputError
from pawl.init.outcome import Guess, PlacedFile, Setup
from pawl.init.pins import PINS_NAME, own_names, pinned_needs
from pawl.init.placing import append, create, look, look_for_lines
from pawl.init.settings import declared_metrics, guessed, has_predictions, settings_text
from pawl.init.shipped import own_checkout, shipped_files
from pawl.pipeline.project import Project, dvc_root, open_project

LOCK_LINE = "dvc.lock -merge"
REQUIREMENTS = f"""\
-r {PINS_NAME}
# Your own packages, pinned: runners install this file. Where one line has digests, pip demands them of every line.
"""


@dataclass
class _Found:
    """What was looked at so far; `wanted` has the content, or the lines, of what is to be written."""

    files: list[PlacedFile] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def begin(folder: Path, *, check: bool) -> Setup:
    """Bring pawl into the DVC repository around `folder`, or with `check` only say what is missing or has drifted.

    Raises InputError where there is no git checkout, no DVC repository or no stage, before anything is written.
    """
    top = git.toplevel(folder)
    root = dvc_root(folder)
    own = own_checkout()
    project = open_project(root)
    if not project.stages:
        raise InputError(
            f"{root} has no dvc.yaml with stages: describe your training with `dvc stage add`, then go on."
        )
    inner = root.relative_to(top).as_posix()
    prefix = "" if inner == "." else f"{inner}/"
    found = _Found()
    base = _base_branch(top, root)
    _remark(found, top, own, prefix, base)
    _settings(found, top, prefix, project, base)
    _shared_lines(found, top, prefix)
    _requirements(found, top, own)
    for name, content in (shipped_files(own, base) | {PINS_NAME: pinned_needs(own).encode()}).items():
        found.contents[name] = content
        found.files.append(look(top, name, content))
    files = found.files if check else [_written(top, file, found) for file in found.files]
    return Setup(check=check, files=tuple(files), guesses=tuple(found.guesses), notes=tuple(found.notes))


def _written(top: Path, file: PlacedFile, found: _Found) -> PlacedFile:
    """The file, after what it misses was written."""
    if file.state == "missing" and file.path in found.contents:
        create(top, file.path, found.contents[file.path])
    elif file.state in ("missing", "lacks") and file.path in found.lines:
        append(top, file.path, found.lines[file.path])
    else:
        return file
    return file.model_copy(update={"written": True})


def _settings(found: _Found, top: Path, prefix: str, project: Project, base: str) -> None:
    """pawl.yaml: guessed where there is none; else it is the repository's own, as long as it is valid."""
    name = f"{prefix}{CONFIG_NAME}"
    if (top / name).exists():
        try:
            load_config(Path(project.root))
        except InputError as problem:
            found.files.append(PlacedFile(path=name, state="differs", note=str(problem)[:2_000]))
        else:
            found.files.append(PlacedFile(path=name, state="yours"))
        return
    found.guesses = guessed(declared_metrics(project))
    text = settings_text(base, found.guesses, has_predictions=has_predictions(project)).encode()
    found.contents[name] = text
    found.files.append(look(top, name, text))
    if not found.guesses:
        found.notes.append(f"No metrics file could be read, so {name} has no rule: `dvc pull` or `dvc repro` first.")
    elif not any(guess.primary for guess in found.guesses):
        found.notes.append(f"No metric's name tells its better direction: say in {name} which one decides.")


def _shared_lines(found: _Found, top: Path, prefix: str) -> None:
    """The lines that belong into files which the repository may have for itself."""
    lock = f"{prefix}dvc.lock"
    kept = git.git(top, "-c", "core.attributesFile=/dev/null", "check-attr", "merge", "--", lock).endswith(": unset")
    _add_lines(found, top, ".gitattributes", [] if kept else [LOCK_LINE])
    wanted: dict[str, list[str]] = {}
    for name, line in ((".gitignore", "/.pawl/"), (f"{prefix}.gitignore", "/reports/")):
        # A repository without the file has not the habit.
        if not (top / name).exists():
            continue
        folder = Path(name).parent / line.strip("/")
        if git.git(top, "ls-files", "--", f"{folder}"):
            found.notes.append(
                f"{folder}/ has files in git, so it is not ignored: pawl writes there unless given --reports."
            )
        elif not git.git(top, "-c", "core.excludesFile=/dev/null", "check-ignore", f"{folder}/x", check=False):
            wanted.setdefault(name, []).append(line)
        else:
            wanted.setdefault(name, [])
    for name, lines in wanted.items():
        _add_lines(found, top, name, lines)


def _add_lines(found: _Found, top: Path, name: str, lines: list[str]) -> None:
    found.lines[name] = lines
    found.files.append(look_for_lines(top, name, lines))


def _requirements(found: _Found, top: Path, own: Path) -> None:
    """requirements.txt, which runners install: made where there is none, else only looked at."""
    name = "requirements.txt"
    if not (top / name).exists() and not (top / name).is_symlink():
        found.contents[name] = REQUIREMENTS.encode()
        found.files.append(look(top, name, found.contents[name]))
        found.notes.append(f"Add your own packages to {name}: it is all that runners install.")
        return
    try:
        has = {pin.name for pin in read_pins(top / name)}
    except InputError as problem:
        # Before the first run the file that it includes may not be there yet.
        included = f"-r {PINS_NAME}" in (top / name).read_text(encoding="utf-8", errors="replace").splitlines()
        state = PlacedFile(path=name, state="yours") if included else None
        found.files.append(state or PlacedFile(path=name, state="differs", note=str(problem)[:2_000]))
        return
    missing = [needed for needed in own_names(own) if needed not in has]
    if missing:
        note = f"it does not have {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}: add `-r {PINS_NAME}`"
        found.files.append(PlacedFile(path=name, state="lacks", note=note, difference=f"+-r {PINS_NAME}\n"))
    else:
        found.files.append(PlacedFile(path=name, state="yours"))


def _base_branch(top: Path, root: Path) -> str:
    """The branch that pull requests go into: as pawl.yaml has it, else as the clone knows it."""
    if (root / CONFIG_NAME).exists():
        try:
            return load_config(root).base
        except InputError:
            pass
    remote = git.git(top, "symbolic-ref", "--short", "--quiet", "refs/remotes/origin/HEAD", check=False)
    names = [remote.removeprefix("origin/"), *(n for n in ("main", "master") if git.commit_of(top, f"refs/heads/{n}"))]
    current = git.git(top, "symbolic-ref", "--short", "--quiet", "HEAD", check=False)
    return next(filter(None, [*names, current]), "main")


def _remark(found: _Found, top: Path, own: Path, prefix: str, base: str) -> None:
    """What a person should know before committing what is written."""
    if own == top.resolve():
        found.notes.append("This is the checkout that pawl runs from, so its own files are compared with themselves.")
    dirty = git.changed_files(top)
    if dirty:
        named = ", ".join(dirty[:3]) + (f" and {len(dirty) - 3} more" if len(dirty) > 3 else "")
        found.notes.append(f"{named[:1_000]}: changed and not committed; commit that apart from what is written here.")
    if prefix:
        inner = prefix.rstrip("/")
        found.notes.append(f"DVC's project is in {inner}: give the workflow's steps that run pawl `-C {inner}`.")
    if base != "main":
        found.notes.append(f"The workflows listen to pushes to {base}.")

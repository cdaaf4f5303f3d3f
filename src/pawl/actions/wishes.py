"""What somebody asks for when starting a run by hand: the inputs of a dispatch, validated one by one."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from pawl.errors import InputError, nearest

MAX_INPUT_CHARACTERS = 4_000
MAX_OVERRIDES = 100
MAX_SEEDS = 50
DATA_REVISION_KEYS = ("rev", "revision", "data_revision", "data_version")
"""What a parameter that names a version of the data is called."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}")
_KEY = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_./-]*:)?[A-Za-z0-9_][A-Za-z0-9_.-]*")
# As git allows them, less what a shell or a refspec would take for more than a name.
_ANCESTOR = r"(?:~[0-9]{0,4}|\^){0,10}"
_REF = r"(?!.*(?:\.\.|@\{|//|\.lock$|/$))[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}"
_REVISION, _BASE = re.compile(_REF), re.compile(_REF + _ANCESTOR)


@dataclass(frozen=True)
class Wishes:
    """What a run is to do beyond what its event says; the defaults are those of a push."""

    tasks: tuple[str, ...] = ()
    """Empty: those of params.yaml."""
    overrides: tuple[str, ...] = ()
    """`dotted.key=VALUE`."""
    data_revision: str | None = None
    base: str | None = None
    seeds: int = 0
    """How many other seeds base is trained with, so that the verdict knows the luck of the seed."""
    force: bool = False
    rescore: bool = True
    """Whether base's model is judged by head's evaluation where base's own is another."""
    pull_request: int | None = None
    commit: str | None = None
    """The exact head of the pull request; given with it, and only with it."""
    dry_run: bool = False

    @property
    def changes_what_is_measured(self) -> bool:
        """Whether the result says nothing of the commit as it is: then it must not open that commit's gate."""
        return bool(self.tasks or self.overrides or self.data_revision or self.base or self.dry_run)


def wishes_of(inputs: Mapping[str, Any]) -> Wishes:
    """The inputs of a workflow_dispatch event. Raises InputError, naming the input, for whatever cannot be meant.

    >>> wishes_of({"overrides": "digits.train.epochs=5", "force": "true"})
    Wishes(tasks=(), overrides=('digits.train.epochs=5',), data_revision=None, base=None, seeds=0, force=True, \
rescore=True, pull_request=None, commit=None, dry_run=False)
    """
    known = {field.name for field in fields(Wishes)}
    given: dict[str, str] = {}
    for name, value in inputs.items():
        if name not in known:
            raise InputError(f"the input {name!r} is not known: {nearest(name, known)}")
        text = "" if value is None else str(value).strip()
        if len(text) > MAX_INPUT_CHARACTERS or any(ord(c) < 32 and c not in "\t\n\r" for c in text):
            raise InputError(f"the input {name!r} is too long, or holds control characters.")
        if text:
            given[name] = text
    wishes = Wishes(
        tasks=tuple(_matching(_NAME, word, "tasks", "a task's name") for word in _words(given, "tasks")),
        overrides=tuple(_override(word) for word in _words(given, "overrides")),
        data_revision=_one(_REVISION, given, "data_revision", "a tag or commit, as in dv2"),
        base=_one(_BASE, given, "base", "a branch, tag or commit"),
        seeds=_whole(given, "seeds", MAX_SEEDS),
        force=_yes(given, "force", default=False),
        rescore=_yes(given, "rescore", default=True),
        pull_request=_whole(given, "pull_request", 10**9) or None,
        commit=_one(re.compile("[0-9a-f]{40}"), given, "commit", "the full id of a commit, 40 hexadecimal digits"),
        dry_run=_yes(given, "dry_run", default=False),
    )
    if len(wishes.overrides) > MAX_OVERRIDES:
        raise InputError(f"the input 'overrides' sets more than {MAX_OVERRIDES} parameters.")
    if (wishes.pull_request is None) != (wishes.commit is None):
        raise InputError(
            "the inputs 'pull_request' and 'commit' belong together: the commit is what was read and is to be trained."
        )
    return wishes


def with_task_list(wishes: Wishes) -> Wishes:
    """The wish for some tasks only, as the override of the parameter `tasks` that it is."""
    if not wishes.tasks:
        return wishes
    return replace(wishes, overrides=(f"tasks={json.dumps(list(wishes.tasks))}", *wishes.overrides))


def with_data_revision(wishes: Wishes, parameters: Mapping[str, Any]) -> Wishes:
    """The wish for other data, as overrides of every parameter that is called `rev` or `data_revision`.

    `parameters` is params.yaml as parsed. With `tasks`, only the tasks' own where they have any. Raises InputError
    where there is none.
    """
    if wishes.data_revision is None:
        return wishes
    named = [key for key in _leaves(parameters) if key.rpartition(".")[2] in DATA_REVISION_KEYS]
    of_tasks = [key for key in named if key.partition(".")[0] in wishes.tasks]
    if not named:
        raise InputError(
            "the input 'data_revision' changes parameters called `rev`, `revision`, `data_revision` or `data_version`, "
            "and params.yaml has none: let a stage read its data at such a parameter, or use 'overrides'."
        )
    value = json.dumps(wishes.data_revision)
    return replace(wishes, overrides=(*(f"{key}={value}" for key in of_tasks or named), *wishes.overrides))


def _words(given: Mapping[str, str], name: str) -> list[str]:
    try:
        return shlex.split(given.get(name, ""))
    except ValueError as error:
        raise InputError(f"the input {name!r} has a quote too few or too many ({error}).") from None


def _override(word: str) -> str:
    key, equals, _ = word.partition("=")
    if not equals or not _KEY.fullmatch(key):
        raise InputError(
            f"{word[:100]!r} in the input 'overrides' is not KEY=VALUE, as in digits.train.epochs=5: quote a value "
            "that holds spaces."
        )
    return word


def _matching(pattern: re.Pattern[str], text: str, name: str, meant: str) -> str:
    if not pattern.fullmatch(text):
        raise InputError(f"{text[:100]!r} in the input {name!r} is not {meant}.")
    return text


def _one(pattern: re.Pattern[str], given: Mapping[str, str], name: str, meant: str) -> str | None:
    return _matching(pattern, given[name], name, meant) if name in given else None


def _whole(given: Mapping[str, str], name: str, most: int) -> int:
    text = given.get(name, "0").removeprefix("#")
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > most:
        raise InputError(f"the input {name!r} is {given[name][:100]!r}: give a number from 0 to {most}.")
    return int(text)


def _yes(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = given.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise InputError(f"the input {name!r} is {text[:100]!r}: give true or false.")
    return text == "true"


def _leaves(value: Any, prefix: str = "") -> list[str]:
    if isinstance(value, Mapping):
        return [
            leaf for key, inner in value.items() for leaf in _leaves(inner, f"{prefix}.{key}" if prefix else str(key))
        ]
    return [prefix]

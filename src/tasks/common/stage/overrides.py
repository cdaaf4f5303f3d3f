"""KEY=VALUE words of a command line: other values than params.yaml has, for one run of one stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.common.stage.errors import TaskError, nearest


def apply_overrides(content: Mapping[str, Any], task: str, stage: str, words: Sequence[str]) -> dict[str, str]:
    """Set in `content`, what params.yaml holds, the values of `words`; each full key to the word that set it.

    A key is looked for under `<task>.` and then under `<task>.<stage>.`; a value is YAML, such as `0.1`, `true` or
    `[8, 16]`. So `train.epochs=1`, `epochs=1` and `pets.train.epochs=1` are the same for the stage train of pets.
    Raises TaskError for a word of another form, an unknown key, which names the nearest, or a key that is set twice.
    """
    block = content[task][stage]
    said: dict[str, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise TaskError(f'"{word}" is no KEY=VALUE; write it like {stage}.{next(iter(block), "key")}=VALUE.')
        parents, last = _find(content, task, stage, key)
        full = ".".join((task, stage, *parents, last))
        if full in said:
            raise TaskError(f'"{word}" sets {full} again, after "{said[full]}"; leave one of them out.')
        said[full] = word
        place = block
        for parent in parents:
            place = place[parent]
        place[last] = _value(word, text)
    return said


def keys_of(block: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every dotted key of a block, those of the blocks in it too."""
    for key, value in block.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from keys_of(value, f"{prefix}{key}.")


def _find(content: Mapping[str, Any], task: str, stage: str, key: str) -> tuple[list[str], str]:
    """The keys from the stage's block to the one meant, and the one itself."""
    known = list(keys_of(content[task][stage]))
    short = key.removeprefix(f"{task}.")
    for candidate in (short.removeprefix(f"{stage}."), short):
        if candidate in known:
            *parents, last = candidate.split(".")
            return parents, last
    other = short.partition(".")[0]
    if other != stage and isinstance(content[task].get(other), Mapping):
        raise TaskError(f'"{key}" is no key of the stage {stage}; give it to the command: tasks {other} {task}.')
    raise TaskError(f'unknown key "{key}" for the stage {stage} of {task}; {nearest(short, known)}')


def _value(word: str, text: str) -> Any:
    from ruamel.yaml import YAML, YAMLError

    try:
        # By the rules of params.yaml itself, where 1e-3 is a number.
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        raise TaskError(
            f'"{word}": the value is not valid YAML; put it in quotes, inside those of the shell.'
        ) from None

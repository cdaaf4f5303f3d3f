"""Entries put into the text of a dvc.lock, which DVC would parse and write anew as a whole for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_HEAD = "schema: '2.0'\nstages:\n"
_NAME = re.compile(r"^  (?=[^ #-]).*$", re.MULTILINE)
"""The first line of an entry."""
_FOREIGN = re.compile(r"^(?:[^ \n]| *#)", re.MULTILINE)
"""What DVC does not write among entries: comments, and what is not of a stage."""


def with_entries(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str | None:
    """A dvc.lock with those entries, of stages by their names; None where `text` is not as DVC writes it.

    An entry that is there is replaced where it stands, a new one comes last, as with DVC, and in the same words.
    """
    if not text.startswith(_HEAD) or not text.endswith("\n") or _FOREIGN.search(text, len(_HEAD)):
        return None
    starts = [match.start() for match in _NAME.finditer(text, len(_HEAD))]
    if text[len(_HEAD) : starts[0] if starts else None].strip():
        return None
    blocks: dict[str, str] = {}
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        blocks[text[start : text.index("\n", start)]] = text[start:end]
    if len(blocks) < len(starts):
        return None
    for name, entry in entries.items():
        block = _block(name, entry)
        first = block.partition("\n")[0]
        # Between other quotes it may be there all the same.
        if not block or (first not in blocks and any(name in (other[2:-1], other[3:-2]) for other in blocks)):
            return None
        blocks[first] = block
    return _HEAD + "".join(blocks.values())


def _block(name: str, entry: Mapping[str, Any]) -> str:
    """The entry as it stands below `stages:`; empty where it does not begin with a line for the name."""
    from dvc.utils.serialize._yaml import dumps_yaml

    text: str = dumps_yaml({"stages": {name: entry}})
    head, _, block = text.partition("\n")
    return block if head == "stages:" and _NAME.match(block) and len(_NAME.findall(block)) == 1 else ""

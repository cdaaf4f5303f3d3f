"""Plain YAML in a tenth of the time that DVC's parser, which is written in Python, takes for it.

libyaml, in C, tells where what begins and ends; what a word means (`no` is a text, `1e3` a number) is told by the rules
of DVC's own parser. Whatever is not plain (anchors, tags, blocks of text, dates, numbers with an underscore,
doubtful characters) is left to that one, and so is everything that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_DEEPEST = 50
# Line breaks for one of the parsers and not for the other, or white space that they take for something else.
_DOUBTFUL = re.compile("[\t\r\x85\u2028\u2029\ufeff]")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"


class NotPlainError(Exception):
    """This text is for DVC's parser."""


def use_quick_yaml() -> None:
    """Have DVC parse plain YAML by this module, for the rest of the process."""
    from dvc.utils import strictyaml
    from dvc.utils.serialize import _yaml

    full = _yaml.parse_yaml
    if getattr(full, "is_quick", False):
        return

    def parse_yaml(text: str, path: str, typ: str = "safe") -> Any:
        if typ == "safe":
            try:
                return parse_plain(text) or {}
            except NotPlainError:
                pass
        return full(text, path, typ)

    parse_yaml.is_quick = True  # type: ignore[attr-defined]
    _yaml.parse_yaml = strictyaml.parse_yaml = parse_yaml


def parse_plain(text: str) -> Any:
    """The one document in `text`. Raises NotPlainError where DVC's parser is to be asked.

    >>> parse_plain("rate: 1e-3\\nshuffle: no\\n")
    {'rate': 0.001, 'shuffle': 'no'}
    """
    import yaml

    if _DOUBTFUL.search(text) or not hasattr(yaml, "CBaseLoader"):
        raise NotPlainError
    try:
        return _document(yaml.parse(text, yaml.CBaseLoader))
    except (yaml.YAMLError, ValueError) as error:
        raise NotPlainError from error


def _document(events: Iterator[Any]) -> Any:
    import yaml

    document: list[Any] = []
    open_: list[Any] = [document]
    keys: list[Any] = [None]
    """Of each open mapping the key whose value comes next, None where a key comes next, in a list of one."""
    in_flow = 0
    for event in events:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value: Any = _scalar(event, in_flow > 0)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            value = {} if kind is yaml.MappingStartEvent else []
            if event.anchor is not None or event.tag is not None or len(open_) > _DEEPEST:
                raise NotPlainError
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            open_.pop()
            keys.pop()
            in_flow = max(in_flow - 1, 0)
            continue
        elif kind is yaml.AliasEvent or (kind is yaml.DocumentStartEvent and (document or event.version or event.tags)):
            raise NotPlainError
        else:
            continue
        _put(open_[-1], keys, value)
        if kind is not yaml.ScalarEvent:
            open_.append(value)
            keys.append(None)
            in_flow += 1 if in_flow or event.flow_style else 0
    if len(document) != 1:
        raise NotPlainError
    return document[0]


def _put(into: Any, keys: list[Any], value: Any) -> None:
    if isinstance(into, list):
        into.append(value)
    elif keys[-1] is not None:
        into[keys[-1][0]] = value
        keys[-1] = None
    elif isinstance(value, dict | list) or value in into:
        raise NotPlainError
    else:
        keys[-1] = [value]


def _scalar(event: Any, in_flow: bool) -> Any:
    if event.anchor is not None or event.tag is not None:
        raise NotPlainError
    text: str = event.value
    if event.style in ("'", '"'):
        return text
    # The parsers differ about comments in a block, and about where such words in brackets end.
    if event.style or (in_flow and (":" in text or "?" in text)):
        raise NotPlainError
    return _meaning(text)


@lru_cache(10_000)
def _meaning(text: str) -> Any:
    """What a word without quotes is."""
    from ruamel.yaml.resolver import Resolver

    # First character -> what a word that begins with it may be, in the order in which it is asked.
    rules = Resolver.yaml_implicit_resolvers.get(text[:1], ())
    tag = str(next((tag for tag, pattern in rules if pattern.match(text)), f"{_TAG}str"))
    if tag == f"{_TAG}str":
        return text
    if tag == f"{_TAG}null":
        return None
    if tag == f"{_TAG}bool":
        return text.lower() == "true"
    if tag == f"{_TAG}int" and _DECIMAL.fullmatch(text):
        return int(text)
    if tag == f"{_TAG}float" and _FLOAT.fullmatch(text):
        return float(text)
    raise NotPlainError

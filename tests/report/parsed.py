"""What GitHub makes of a comment: its structure without the words, and the words that GitHub would act upon."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .parts import BASE, HEAD

PARSER = MarkdownIt("gfm-like", {"linkify": False})
OUR_INLINE_HTML = {"<sub>", "</sub>", "<span>", "</span>"}
OUR_BLOCK_HTML = re.compile(
    r"<details>\n<summary><b>[A-Za-z ]+</b>( \([0-9a-z,⁰-⁹¹²³ \u2212]+\))?</summary>|</details>"
    r"|<!-- pawl-history v1 [A-Za-z0-9+/]+={0,2} -->"
)
OUR_COMMITS = re.compile(rf"^ ?({BASE.commit}|{HEAD.commit})( against )?$")
ACTED_UPON = {
    "mention": re.compile(r"@[A-Za-z0-9]"),
    "issue": re.compile(r"#\d|(?i:\bgh-\d)"),
    "reference": re.compile(r"[A-Za-z]-\d|(?i:ghsa-\w)"),
    "commit": re.compile(r"[0-9a-fA-F]{7,}"),
    "emoji": re.compile(r":[A-Za-z0-9+_-]+:"),
    "address": re.compile(r"(?i)https?:/|ftp:/|mailto:\w|www\.\S"),
    "mathematics": re.compile(r"\$[^$]+\$"),
    "direction": re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]"),
    "control": re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]"),
}


def tokens(markdown: str) -> list[Token]:
    return PARSER.parse(markdown)


def _inline(token: Token) -> Iterator[tuple[str, str]]:
    """(kind, text) of the inline parts of a block, with neighbouring text joined."""
    text = ""
    for child in token.children or []:
        if child.type in ("text", "text_special"):
            text += child.content
            continue
        if text:
            yield "text", text
            text = ""
        yield child.type, child.attrGet("href") or child.content
    if text:
        yield "text", text


def structure(markdown: str) -> list[str]:
    """Every block and inline part in order, without its words; the spans that isolate a dollar sign are words."""
    shape: list[str] = []
    for token in tokens(markdown):
        shape.append(f"{token.level} {token.type} {token.tag}")
        for kind, content in _inline(token):
            spelt_dollar = kind == "html_inline" and content in ("<span>", "</span>")
            if spelt_dollar or (kind == "text" and shape[-1] == "inline text"):
                continue
            shape.append(f"inline {kind}" + (f" {content}" if kind == "html_inline" else ""))
    return shape


def prose_texts(markdown: str) -> list[str]:
    """The text that GitHub searches for words to act upon: all but code and the texts of links."""
    found: list[str] = []
    in_link = 0
    for token in tokens(markdown):
        for kind, content in _inline(token):
            in_link += (kind == "link_open") - (kind == "link_close")
            if kind == "text" and not in_link:
                found.append(content)
    return found


def acted_upon(markdown: str) -> list[tuple[str, str]]:
    """What GitHub would link, notify or replace, but for the commits of the run in the footer and the history."""
    checked = [OUR_COMMITS.sub("", text) for text in prose_texts(markdown)]
    return [(what, text) for text in checked for what, pattern in ACTED_UPON.items() if pattern.search(text)]


def foreign_markup(markdown: str) -> list[str]:
    """Raw HTML that is not the report's own, and pictures."""
    found: list[str] = []
    for token in tokens(markdown):
        if token.type == "html_block" and not OUR_BLOCK_HTML.fullmatch(token.content.strip()):
            found.append(token.content)
        for kind, content in _inline(token):
            if kind == "image" or (kind == "html_inline" and content not in OUR_INLINE_HTML):
                found.append(content)
    return found


def links(markdown: str) -> list[str]:
    return [content for token in tokens(markdown) for kind, content in _inline(token) if kind == "link_open"]


def cell_counts(line: str) -> tuple[int, int]:
    """The cells of a table row as the two kinds of parsers count them, which differ after a backslash."""
    pairs = re.sub(r"\\.", "", line)
    looking_back = re.findall(r"(?<!\\)\|", line)
    return pairs.count("|") - 1, len(looking_back) - 1

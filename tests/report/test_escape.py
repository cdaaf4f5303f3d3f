"""Whatever a text says, it stays a text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pawl.report.escape import (
    ZERO_WIDTH_SPACE,
    code,
    code_cell,
    fence,
    lines,
    one_line,
    prose,
    safe_address,
    utf16_units,
)
from pawl.report.markdown import bullets, table

from .hostile import HOSTILE
from .parsed import acted_upon, cell_counts, foreign_markup, links, structure, tokens

FRAGMENTS = (
    "`", "``", "```", "~~~", "|", "\\", "\\|", "\\\\|", "*", "**", "_", "~~", "$", "$$", "[", "](", ")", "![", "<", ">",
    "<b>", "</details>", "<!--", "-->", "&", "&amp;", "&#64;", "&#124;", "@", "@acme/team", "#", "#1", "GH-1", "CVE-1",
    ":", ":x:", "http://", "https://evil.example", "www.", "a@b.example", "\n", "\r\n", "\n\n", "# ", "- ", "1. ",
    "1) ",
    "+ ", "=", "---", "> ", "    ", "\t", "\u202e", "\u2066", "\u200b", "\x00", "\x1b[31m", "\u2028", "\x85", "\ud800",
    "4f1c2a9d0b7e6358c1a4f0e9d8b7a6c5e4f3d2a1", "e\u0301\u0301\u0301\u0301\u0301\u0301", "\U000e0041", "a", "1", " ",
    "[^1]", "[x]: y", "{{", "%}", "ghsa-aaaa-bbbb-cccc", "javascript:", "mailto:a@b.example", "\uffff",
)  # fmt: skip
hostile_texts = st.one_of(
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=12).map("".join), st.text(max_size=60)
)


# The schema refuses half of a surrogate pair, so none reaches a whole report.
schema_texts = hostile_texts.map(lambda text: text.encode("utf-8", "ignore").decode())


def framed(markdown: str) -> str:
    """A made text in every place where the report puts one."""
    cell = f"**{prose('a')}**"
    return "\n\n".join(
        [
            f"### x {markdown} y",
            bullets([markdown, "next"]),
            table(["A", "B"], "lr", [[cell, "1"]]),
            markdown,
        ]
    )


@given(hostile_texts)
@example(HOSTILE)
@example("1. a")
@example("$x$ and $`y`$")
def test_prose_is_only_text_and_wakes_nothing(text: str) -> None:
    written = prose(f"a{text}")
    assert structure(framed(written)) == structure(framed("a"))
    assert acted_upon(framed(written)) == []
    assert foreign_markup(framed(written)) == []


@given(hostile_texts)
@example("&lt; &#64; \\")
@example("$a$")
def test_prose_says_what_it_was_given(text: str) -> None:
    parts = [child.content for token in tokens(f"a {prose(text)}") for child in token.children or []]
    said = "".join(part for part in parts if part not in ("<span>", "</span>"))
    assert said.replace(ZERO_WIDTH_SPACE, "").strip() == f"a {one_line(text, 400).strip()}".strip()


@given(hostile_texts)
@example("# a")
@example("- a")
@example("+")
@example("12) a")
@example("=")
def test_prose_starts_no_block(text: str) -> None:
    written = prose(text)
    if written:
        assert structure(bullets([written])) == structure(bullets(["a"]))
        assert structure(written) == structure("a")


@given(hostile_texts)
@example("a\\|b\\\\|c|")
@example("|")
@example("\\")
@example(HOSTILE)
def test_cells_keep_their_table(text: str) -> None:
    for written, plain in ((code_cell(text), "`a`"), (prose(f"a{text}"), "a")):
        made = table(["A", written, "C"], "lll", [[written, "b", written]])
        assert structure(made) == structure(table(["A", plain, "C"], "lll", [[plain, "b", plain]]))
        assert all(counted == (3, 3) for counted in map(cell_counts, made.splitlines()))


@given(hostile_texts)
@example("`")
@example("` `")
@example(" a ")
def test_a_code_span_says_its_text_and_nothing_else(text: str) -> None:
    for written in (f"x {code(text)} y", bullets([code(text)]), f"#### {code(text)}"):
        parts = [child for token in tokens(written) for child in token.children or [] if child.type != "text"]
        assert [part.type for part in parts] == ["code_inline"]
        assert parts[0].content == (one_line(text, 80) or " ")


@given(st.text(alphabet="abc|\\`", min_size=1, max_size=30))
def test_a_cell_says_its_text_but_for_a_bar_after_a_backslash(text: str) -> None:
    made = table(["A"], "l", [[code_cell(text)]])
    parts = [child for token in tokens(made) for child in token.children or [] if child.type == "code_inline"]
    assert [part.content for part in parts] == [one_line(text, 80).replace("\\|", "\\\u2223")]


@given(hostile_texts, st.integers(1, 40))
def test_a_line_is_one_visible_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line == line.replace("\n", "").replace("\r", "")
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)
    assert not any(unicodedata.category(c) == "Cf" for c in line.replace("\u200d", "").replace("\u200c", ""))


def test_a_long_line_keeps_both_ends() -> None:
    assert one_line("models/" + "x" * 100 + "/weights.pt", 20) == "models/xxxxxx…hts.pt"


def test_reordering_and_unseen_characters_are_spelt_out() -> None:
    assert one_line("main\u202etxt.exe\u200b") == "main⟨U+202E⟩txt.exe⟨U+200B⟩"
    assert one_line("a\r\nb\nc\u2028d") == "a↵b↵c↵d"


def test_emoji_and_scripts_that_join_stay_as_they_are() -> None:
    assert one_line("👩‍🔬 می‌خواهم é") == "👩‍🔬 می‌خواهم é"


@given(hostile_texts, hostile_texts)
@example("```\n````\n~~~", "`" * 500)
@example("</details>", "-->")
def test_a_log_cannot_leave_its_fence(first: str, second: str) -> None:
    made = f"before\n\n{fence(f'x{first}{chr(10)}{second}')}\n\nafter"
    assert structure(made) == structure("before\n\n```text\nx\n```\n\nafter")


def test_a_log_keeps_its_end_without_colours_and_overwritten_progress() -> None:
    log = "start\n" + "".join(f"\r{i} %" for i in range(101)) + "\r\n\x1b[31mError\x1b[0m: no\n\n"
    assert lines(log, 10, 100) == "start\n100 %\nError: no"
    assert lines(log, 2, 100) == "[1 earlier lines left out]\n100 %\nError: no"


@given(st.lists(st.text(max_size=30), max_size=30).map("\n".join), st.integers(1, 8), st.integers(20, 200))
def test_a_log_keeps_within_lines_and_units(text: str, most_lines: int, most_units: int) -> None:
    kept = lines(text, most_lines, most_units).split("\n")
    said = 1 if kept[0].endswith("earlier lines left out]") else 0
    assert len(kept) - said <= most_lines
    assert utf16_units("\n".join(kept[said:])) <= most_units


@pytest.mark.parametrize(
    "address",
    ["https://mlflow.example.org/#/experiments/1/runs/ab", "http://127.0.0.1:5000/?a=b&c=%20", "https://a/"],
)
def test_plain_web_addresses_are_linked(address: str) -> None:
    assert safe_address(address) == address
    assert links(f"[x]({safe_address(address)})") == [address]


@pytest.mark.parametrize(
    "address",
    [
        None, "", "javascript:alert(1)", "file:///etc/passwd", "https://user:word@a.example/", "https://a.example/ b",
        "https://a.example/)b", "https://a.example/\n", "https://a.example/<b>", "https://a.example/\u202e", "//a/b",
        "https://a.example/`", "https://[::1]/", "https://-a/", "https://a.example:/",
        "https://a.example\\@b/", "HTTPS://a.example/", "https://a.example",
        "https://a.example/" + "b" * 1_000,
    ],
)  # fmt: skip
def test_other_addresses_are_not(address: str | None) -> None:
    assert safe_address(address) is None


@given(hostile_texts)
def test_no_address_breaks_out_of_its_link(text: str) -> None:
    address = safe_address(f"https://a.example/{text}")
    if address:
        assert links(f"[x]({address}) y") == [address]
        assert len(tokens(f"[x]({address}) y")) == 3

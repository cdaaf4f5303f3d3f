"""Text that somebody else chose, made harmless for GitHub's Markdown: it never links, mentions, or changes structure.

Names and values go into code spans and logs into fences, where GitHub looks for nothing. Only sentences are written as
prose. There, escaping the Markdown is not enough: GitHub looks for mentions, issue numbers, commits, addresses and
emoji in the finished HTML, so that a zero-width space has to break those words.
"""

from __future__ import annotations

import re
import unicodedata

ZERO_WIDTH_SPACE = "\u200b"
LINE_BREAK = "\u21b5"
ELLIPSIS = "\u2026"
LONGEST_BACKTICK_RUN = 16

_JOINERS = "\u200c\u200d"
_LINE_ENDS = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_UNUSUAL = re.compile("[^ -~]+")
_MOST_MARKS = 4
_TERMINAL_CODES = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[@-_])")

_ADDRESS = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/(?:[A-Za-z0-9/._~?&=#+,:@!-]|%[0-9A-Fa-f]{2})*"
)

_PROSE = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "|": "&#124;",
        "\\": "&#92;",
        **{character: f"\\{character}" for character in "`*_[]~"},
    }
)
_BREAKS = (
    (re.compile(r"([@#])(?=\S)"), r"\1" + ZERO_WIDTH_SPACE),
    (re.compile(r":(?=[A-Za-z0-9+_/-])"), ":" + ZERO_WIDTH_SPACE),
    (re.compile(r"([A-Za-z]-)(?=\d)|((?i:ghsa)-)"), r"\1\2" + ZERO_WIDTH_SPACE),
    (re.compile(r"(?i)(www)\."), r"\1" + ZERO_WIDTH_SPACE + "."),
    (re.compile(r"([0-9a-fA-F]{6})(?=[0-9a-fA-F])"), r"\1" + ZERO_WIDTH_SPACE),
)
_DOLLARS = re.compile(r"\$+")
_BLOCK_START = re.compile(r"^(\d{1,9})([.)])|^([-+=#])")


def utf16_units(text: str) -> int:
    """The length of `text` as GitHub counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _spelt(unusual: re.Match[str]) -> str:
    seen: list[str] = []
    marks = 0
    for character in unusual[0]:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MOST_MARKS:
            continue
        if category == "Zs" or character == "\t":
            seen.append(" ")
        elif (category in ("Cc", "Cf", "Cs") and character not in _JOINERS) or (ord(character) & 0xFFFE) == 0xFFFE:
            seen.append(f"⟨U+{ord(character):04X}⟩")
        else:
            seen.append(character)
    return "".join(seen)


def _visible(text: str) -> str:
    """Every character that is not printed, or that reorders its neighbours, spelt out as `⟨U+202E⟩`."""
    return _UNUSUAL.sub(_spelt, text)


def one_line(text: str, limit: int = 200) -> str:
    """`text` on one line of at most `limit` characters, all of them visible; the middle of a longer one is left out."""
    short = text if len(text) <= 2 * limit else text[:limit] + ELLIPSIS + text[-limit:]
    shown = _visible(_LINE_ENDS.sub(LINE_BREAK, short))
    if len(shown) <= limit:
        return shown
    tail = (limit - 1) // 3
    return shown[: limit - 1 - tail] + ELLIPSIS + shown[len(shown) - tail :]


def lines(text: str, most_lines: int, most_units: int) -> str:
    """The last lines of a log, without terminal colours and without the states that a progress bar wrote over.

    At most `most_lines` lines and `most_units` UTF-16 units; what was cut off is said in the first line.
    """
    logged = _TERMINAL_CODES.sub("", text).replace("\r\n", "\n").split("\n")
    whole = [_visible(_LINE_ENDS.sub(LINE_BREAK, line.rstrip("\r").rpartition("\r")[2])).rstrip() for line in logged]
    while whole and not whole[-1]:
        whole.pop()
    kept: list[str] = []
    units_left = most_units
    for line in reversed(whole):
        units = utf16_units(line) + 1
        if len(kept) == most_lines or units > units_left:
            if not kept:
                kept.append(ELLIPSIS + line[-(most_units // 2) :])
            break
        kept.append(line)
        units_left -= units
    if len(kept) < len(whole):
        kept.append(f"[{len(whole) - len(kept)} earlier lines left out]")
    return "\n".join(reversed(kept))


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def code(text: str, limit: int = 80) -> str:
    """A code span that says `text` and nothing else, for a line that is not in a table."""
    shown = one_line(text, limit) or " "
    ticks = "`" * (_longest_run(shown) + 1)
    padded = shown.startswith("`") or shown.endswith("`") or (shown[0] == shown[-1] == " " and shown.strip())
    return f"{ticks} {shown} {ticks}" if padded else f"{ticks}{shown}{ticks}"


def code_cell(text: str, limit: int = 80) -> str:
    r"""A code span for a table cell.

    GitHub ends a cell at `\\|` where other parsers do not, so a bar after a backslash becomes a look-alike.
    """
    return code(text, limit).replace("\\|", "\\\u2223").replace("|", "\\|")


def prose(text: str, limit: int = 400) -> str:
    """`text` as words of a sentence, in a paragraph, list item, heading or table cell."""
    shown = one_line(text, limit).strip()
    for pattern, replacement in _BREAKS:
        shown = pattern.sub(replacement, shown)
    shown = _DOLLARS.sub(r"<span>\g<0></span>", shown.translate(_PROSE))
    return _BLOCK_START.sub(lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", shown)


def fence(text: str, info: str = "text", most_lines: int = 60, most_units: int = 8_000) -> str:
    """A fenced block with the last lines of `text`, which cannot close it."""
    body = lines(text, most_lines, most_units)
    body = re.sub(f"`{{{LONGEST_BACKTICK_RUN},}}", "`" * LONGEST_BACKTICK_RUN + ELLIPSIS, body)
    ticks = "`" * max(3, _longest_run(body) + 1)
    return f"{ticks}{info}\n{body}\n{ticks}"


def safe_address(address: str | None) -> str | None:
    """A web address that can be linked as it stands, or None: http or https, a plain host, no user name, no markup."""
    return address if address and len(address) <= 1_000 and _ADDRESS.fullmatch(address) else None


def address_host(address: str) -> str:
    """The host and port of an address that `safe_address` let through."""
    return address.split("/")[2]

"""One row per push of a pull request, kept at the very end of the comment itself.

    <details> the rows as a table </details>

    <!-- pawl-history v1 W3siY29tbWl0Ijo... -->

The last line holds the rows as JSON in base64, so that the next run can read them back. Whoever may edit the comment
may have edited them: what is not exactly what this module writes is dropped as a whole, and a row holds numbers, words
of a closed list, and one name, which is escaped where it is shown.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from pawl.report.escape import code_cell, one_line, utf16_units
from pawl.report.intervals import show_interval, show_signed
from pawl.report.markdown import folded, table
from pawl.report.numbers import NOTHING, show_number, show_seconds
from pawl.report.verdict import MARKS, WORDS, deciding_metrics
from pawl.schema import Commit, Comparison, Headline, Stages, Strict

MOST_ROWS = 30
LONGEST_NAME = 60
_MOST_CHARACTERS = 24_000
_LINE = re.compile(rf"<!-- pawl-history v1 ([A-Za-z0-9+/]{{1,{_MOST_CHARACTERS}}}={{0,2}}) -->")
RESERVED_UNITS = 17_000
"""What `MOST_ROWS` of ordinary names take, table and data together."""


class Push(Strict):
    """What one run said of one commit; the numbers are those of the metric that decided."""

    commit: Commit
    verdict: Headline
    gate_passed: bool
    metric: Annotated[str, Field(max_length=LONGEST_NAME)] = ""
    base: float | None = None
    head: float | None = None
    lower: float | None = None
    upper: float | None = None
    seconds: Annotated[float, Field(ge=0, le=1e9)] | None = None
    run: Annotated[int, Field(ge=1, lt=10**18)] | None = None
    """The workflow run; None outside of one."""
    attempt: Annotated[int, Field(ge=1, lt=10**6)] = 1


_PUSHES = TypeAdapter(Annotated[tuple[Push, ...], Field(min_length=1, max_length=MOST_ROWS)])


def push_of(comparison: Comparison, stages: Stages | None) -> Push:
    """The row of this run; which workflow run it was is known to whoever posts it."""
    metric = next(iter(deciding_metrics(comparison)), None)
    return Push(
        commit=comparison.started_from or comparison.head.commit,
        verdict=comparison.verdict,
        gate_passed=comparison.gate_passed,
        metric=one_line(metric.name, LONGEST_NAME) if metric else "",
        base=_short(metric.base) if metric else None,
        head=_short(metric.head) if metric else None,
        lower=_short(metric.lower) if metric else None,
        upper=_short(metric.upper) if metric else None,
        seconds=round(stages.seconds, 1) if stages and 0 <= stages.seconds <= 1e9 else None,
    )


def _short(value: float | None) -> float | None:
    """Six digits, because the rows of many pushes share one comment."""
    return None if value is None else float(f"{value:.6g}")


def merged(pushes: Iterable[Push]) -> list[Push]:
    """One row for each commit, its last, in the order of the last rows; the newest `MOST_ROWS` of them."""
    last: dict[str, Push] = {}
    for push in pushes:
        last.pop(push.commit, None)
        last[push.commit] = push
    return list(last.values())[-MOST_ROWS:]


def _change(push: Push) -> str:
    if not push.metric:
        return NOTHING
    name = code_cell(push.metric, LONGEST_NAME)
    if push.base is None or push.head is None:
        return name
    interval = ""
    if push.lower is not None and push.upper is not None:
        interval = f" ({show_interval(push.lower, push.upper)})"
    return f"{name} {show_number(push.base)} → {show_number(push.head)}, {show_signed(push.head - push.base)}{interval}"


def _row(push: Push, address: str | None) -> list[str]:
    took = show_seconds(push.seconds) or NOTHING
    return [
        # GitHub links a whole commit id by itself, and shows seven digits of it.
        push.commit,
        f"{MARKS[push.verdict]} {WORDS[push.verdict].lower()}{'' if push.gate_passed else ', gate closed'}",
        _change(push),
        took,
        f"[run]({address})" if address else NOTHING,
    ]


def render_history(pushes: Sequence[Push], address_of: Callable[[Push], str | None] = lambda push: None) -> str:
    """The rows as a folded table, the newest first, and the line that holds them for the next run."""
    rows = [_row(push, address_of(push)) for push in reversed(pushes)]
    header = ["Commit", "Verdict", "Metric (95 % interval)", "Took", "Run"]
    word = "push" if len(rows) == 1 else "pushes"
    shown = folded(f"<b>History</b> ({len(rows)} {word})", table(header, "lllrl", rows))
    data = base64.b64encode(_PUSHES.dump_json(tuple(pushes), exclude_defaults=True)).decode()
    return f"{shown}\n\n<!-- pawl-history v1 {data} -->"


def history_at_end(text: str) -> tuple[str, list[Push]]:
    """The text before the history at its end, and the rows; the whole text and no rows where there is none.

    The part before is without the table only where that is what this module renders for these rows.
    """
    text = text.rstrip()
    before, _, line = text.rpartition("\n")
    found = _LINE.fullmatch(line)
    if not found:
        return text, []
    try:
        pushes = list(_PUSHES.validate_json(base64.b64decode(found[1], validate=True)))
    except (binascii.Error, ValidationError):
        return before.rstrip(), []
    rendered = render_history(pushes)
    if text.endswith(rendered):
        before = text.removesuffix(rendered)
    return before.rstrip(), pushes


def with_history(
    report: str,
    earlier: Iterable[Push],
    limit_units: int,
    *,
    run: int | None = None,
    attempt: int = 1,
    commit: str | None = None,
    address_of: Callable[[Push], str | None] = lambda push: None,
) -> str:
    """`report` with its own row, of `run` and `attempt`, after the earlier ones: the oldest go where there is no room.

    `commit` is the one that was pushed, where what was measured is its merge with base. A report without a row of its
    own, or one that leaves no room for any, stays as it is.
    """
    before, own = history_at_end(report)
    if not own:
        return report
    pushed = {"run": run, "attempt": attempt} | ({"commit": commit} if commit else {})
    rows = merged([*earlier, own[-1].model_copy(update=pushed)])
    while rows:
        text = f"{before}\n\n{render_history(rows, address_of)}"
        if utf16_units(text) <= limit_units:
            return text
        rows = rows[1:]
    return report

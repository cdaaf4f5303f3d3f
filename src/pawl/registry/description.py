"""What people read beside a version in the registry."""

from __future__ import annotations

from pawl.report.escape import code_cell, prose
from pawl.schema.promotion import PromotedModel, Promotion

_MOST_CHARACTERS = 4_900
"""MLflow keeps 5,000."""


def describe_version(promotion: Promotion, model: PromotedModel, address: str | None) -> str:
    """Markdown: where the model is from, what was measured beside which champion, and what was decided.

    `address` is the repository's in a browser.
    """
    commit, number = promotion.head.commit, promotion.pull_request
    at = f"[`{commit[:10]}`]({address}/commit/{commit})" if address else f"`{commit[:10]}`"
    came = f"[pull request {number}]({address}/pull/{number})" if address and number else ""
    came = came or (f"pull request {number}" if number else "")
    beside = f"version {model.champion.version}, then champion" if model.champion else "no champion yet"
    lines = [
        f"{code_cell(model.path)} of {at}{f', by {came}' if came else ''}: {prose(promotion.head.subject, 200)}",
        "",
        f"Measured beside {beside}: {prose(model.why, 600)}.",
        "",
        "| metric | champion | this | verdict |",
        "|:--|--:|--:|:--|",
    ]
    for metric in sorted(model.metrics, key=lambda metric: not metric.primary):
        verdict = "new" if metric.base is None and metric.head is not None else metric.verdict
        line = f"| {code_cell(metric.name)} | {_number(metric.base)} | {_number(metric.head)} | {verdict} |"
        if len("\n".join([*lines, line])) > _MOST_CHARACTERS:
            break
        lines.append(line)
    return "\n".join(lines)[:_MOST_CHARACTERS]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

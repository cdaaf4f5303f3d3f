"""The HTML report: one file that asks nothing of the network, with the pictures inside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.report.drawing import INK, Picture
from pawl.report.escape import one_line
from pawl.report.page_data import data_parts
from pawl.report.page_details import change_parts, run_parts
from pawl.report.page_evidence import evidence_parts
from pawl.report.page_flips import flip_parts
from pawl.report.page_receipts import receipt_parts
from pawl.report.page_results import confusion_parts, curve_parts, hero_parts, metric_parts, revision_parts, tone
from pawl.report.page_words import verdict_parts
from pawl.report.verdict import PLAIN_MARKS, WORDS
from pawl.schema import Comparison, Plan, Stages, Tracking

if TYPE_CHECKING:
    import jinja2

PICTURE_KINDS = ("forest", "classes", "curves", "confusion", "flips", "reliability")
"""Those with a place of their own; the gallery stands for the sheet of flips, which is for the comment."""
SCRIPTS = ("theme.js", "sort.js", "gallery.js", "copy.js")

_TEMPLATES = Path(__file__).parent / "templates"
_OWN_ID = re.compile(r"""(?:\sid="|\bhref="#|url\(#)""")


@cache
def _template() -> jinja2.Template:
    from pawl.report.compiled import page_template

    return page_template()


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inline(picture: Picture) -> str:
    """The picture for a page: in the page's ink, named for screen readers, with ids that no other picture has."""
    from markupsafe import escape

    svg = picture.svg.replace(INK, "currentColor")
    svg = _OWN_ID.sub(rf"\g<0>{picture.stem}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(picture.title)}" ', 1)


def _by_kind(pictures: Sequence[Picture]) -> dict[str, list[dict[str, str]]]:
    """Pictures by what they show, as the first word of their file name has it; unknown kinds under `other`."""
    from markupsafe import Markup

    shown: dict[str, list[dict[str, str]]] = {kind: [] for kind in (*PICTURE_KINDS, "other")}
    for picture in pictures:
        kind = picture.stem.partition("-")[0]
        inline = Markup(_inline(picture))  # noqa: S704 our own SVG
        shown[kind if kind in PICTURE_KINDS else "other"].append({"title": picture.title, "svg": inline})
    return shown


def _sections(parts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The id and name of each section that has something to say, for the list at the top."""
    pictures = parts["pictures"]
    said = {
        ("failures", "What failed"): parts["failures"],
        ("metrics", "Metrics"): True,
        ("changes", "What changed"): parts["changed"],
        ("curves", "Training curves"): parts["curves"] or pictures["curves"],
        ("confusion", "Confusion matrices"): parts["confusions"] or pictures["confusion"],
        ("pictures", "More pictures"): pictures["other"],
        ("flips", "Examples that flipped"): parts["flip_totals"],
        ("slices", "Slices"): parts["slices"],
        ("reliability", "Reliability"): parts["reliability"] or pictures["reliability"],
        ("receipts", "Receipts"): parts["receipts"] or parts["tracking"],
        ("cost", "Cost"): parts["costs"],
        ("stages", "Stages"): True,
        ("notes", "Notes"): parts["notes"],
        ("reproduce", "Reproduce"): True,
    }
    return [section for section, present in said.items() if present]


def render_page(
    plan: Plan,
    stages: Stages | None,
    comparison: Comparison,
    tracking: Tracking | None,
    pictures: Sequence[Picture] = (),
) -> str:
    """The report as one HTML file, whose policy allows its own style, scripts and pictures, and nothing else."""
    from markupsafe import Markup

    css = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    js = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; style-src {_digest(css)}; script-src {_digest(js)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    parts: dict[str, Any] = {
        "css": Markup(css),  # noqa: S704
        "js": Markup(js),  # noqa: S704
        "policy": policy,
        "mark": PLAIN_MARKS[comparison.verdict],
        "word": WORDS[comparison.verdict],
        "tone": tone(comparison.verdict),
        "gate_passed": comparison.gate_passed,
        "gate_reason": one_line(comparison.gate_reason, 600),
        "base": revision_parts(comparison.base),
        "head": revision_parts(comparison.head),
        "heroes": hero_parts(comparison),
        "pictures": _by_kind(pictures),
        **verdict_parts(comparison, stages),
        **metric_parts(comparison),
        **evidence_parts(comparison),
        **change_parts(plan, comparison),
        **data_parts(comparison),
        **curve_parts(comparison),
        **confusion_parts(comparison),
        **flip_parts(comparison),
        **receipt_parts(stages, tracking),
        **run_parts(plan, stages, comparison, tracking),
    }
    parts["changed"] = any(
        (*(parts[what] for what in ("params", "causes", "removed", "overrides", "data")), parts["pictures"]["classes"])
    )
    return _template().render(parts, sections=_sections(parts))

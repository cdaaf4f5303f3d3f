"""The HTML report: one file that asks nothing of the network, with the pictures inside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.report.charts import INK, Picture
from pawl.report.escape import one_line
from pawl.report.page_details import change_parts, run_parts
from pawl.report.page_results import confusion_parts, curve_parts, hero_parts, metric_parts, revision_parts, tone
from pawl.report.verdict import PLAIN_MARKS, WORDS
from pawl.schema import Comparison, Plan, Stages, Tracking

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def _template() -> jinja2.Template:
    import jinja2

    loader = jinja2.FileSystemLoader(_TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template(
        "report.html"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inline(picture: Picture) -> str:
    """The picture for a page: in the page's ink, and named for screen readers."""
    from markupsafe import escape

    svg = picture.svg.replace(INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(picture.title)}" ', 1)


def render_page(
    plan: Plan,
    stages: Stages | None,
    comparison: Comparison,
    tracking: Tracking | None,
    pictures: Sequence[Picture] = (),
) -> str:
    """The report as one HTML file. Its policy allows its own style and script by their digests, and nothing else."""
    from markupsafe import Markup

    css = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    js = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src {_digest(css)}; script-src {_digest(js)}; base-uri 'none'; form-action 'none'"
    )
    inline = [
        {"title": picture.title, "svg": Markup(_inline(picture)), "stem": picture.stem}  # noqa: S704 our own SVG
        for picture in pictures
    ]
    parts: dict[str, Any] = {
        "css": Markup(css),  # noqa: S704
        "js": Markup(js),  # noqa: S704
        "policy": policy,
        "mark": PLAIN_MARKS[comparison.verdict],
        "word": WORDS[comparison.verdict],
        "tone": tone(comparison.verdict),
        "headline": one_line(comparison.headline, 600),
        "gate_passed": comparison.gate_passed,
        "gate_reason": one_line(comparison.gate_reason, 600),
        "base": revision_parts(comparison.base),
        "head": revision_parts(comparison.head),
        "heroes": hero_parts(comparison),
        "curve_pictures": [p for p in inline if p["stem"].startswith("curves")],
        "confusion_pictures": [p for p in inline if p["stem"].startswith("confusion")],
        **metric_parts(comparison),
        **curve_parts(comparison),
        **confusion_parts(comparison),
        **change_parts(plan, comparison),
        **run_parts(plan, stages, comparison, tracking),
    }
    return _template().render(parts)

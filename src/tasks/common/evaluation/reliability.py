"""How far a classifier's confidence can be trusted: accuracy against confidence, in bins."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_BLUE, _GREY, _RED = "#1f6feb", "#8a8a8a", "#cf222e"
_SIDE_PIXELS = 320


@dataclass(frozen=True)
class Bin:
    """The examples whose highest probability is from `lower` to below `upper`; the last bin has its end too."""

    lower: float
    upper: float
    examples: int
    accuracy: float
    """Share of them that is right."""
    confidence: float
    """Mean of their highest probabilities."""


def reliability_bins(targets: np.ndarray, scores: np.ndarray, bins: int) -> list[Bin]:
    """The bins of equal width between 0 and 1 that have examples: (N,) label numbers, (N, K) probabilities.

    The expected calibration error is the mean of |accuracy - confidence| over them, weighted by their examples.
    DeGroot and Fienberg 1983, https://doi.org/10.2307/2987588.
    """
    import numpy as np

    confidence = scores.max(axis=1)
    is_right = scores.argmax(axis=1) == targets
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        inside = bin_of == number
        if inside.any():
            found.append(
                Bin(
                    number / bins,
                    (number + 1) / bins,
                    int(inside.sum()),
                    float(is_right[inside].mean()),
                    float(confidence[inside].mean()),
                )
            )
    return found


def reliability_picture(targets: np.ndarray, scores: np.ndarray, bins: int) -> Image:
    """The bins as bars beside the diagonal on which a calibrated model lies, with the number of examples below."""
    import vl_convert
    from PIL import Image

    spec = _chart(reliability_bins(targets, scores, bins)).to_dict()
    return Image.open(io.BytesIO(vl_convert.vegalite_to_png(spec, scale=2))).convert("RGB")


def _chart(bins: list[Bin]) -> Any:
    import altair as alt

    rows = [
        {
            "lower": one.lower,
            "upper": one.upper,
            "accuracy": one.accuracy,
            "confidence": one.confidence,
            "examples": one.examples,
        }
        for one in bins
    ]
    base = alt.Chart(alt.Data(values=rows))
    confidence = alt.X("lower:Q", scale=alt.Scale(domain=[0, 1]), title="confidence", axis=alt.Axis(format="%"))
    accuracy = alt.Y("accuracy:Q", scale=alt.Scale(domain=[0, 1]), title="accuracy", axis=alt.Axis(format="%"))
    bars = base.mark_bar(color=_BLUE, opacity=0.75, stroke="white").encode(
        x=confidence, x2="upper:Q", y=accuracy, y2=alt.datum(0)
    )
    gaps = base.mark_rule(color=_RED, size=2).encode(x="confidence:Q", y=accuracy, y2="confidence:Q")
    ends = alt.Chart(alt.Data(values=[{"at": 0}, {"at": 1}]))
    diagonal = ends.mark_line(color=_GREY, strokeDash=[4, 4]).encode(x="at:Q", y="at:Q")
    counts = base.mark_bar(color=_GREY, stroke="white").encode(
        x=confidence, x2="upper:Q", y=alt.Y("examples:Q", title="examples"), y2=alt.datum(0)
    )
    upper = (bars + diagonal + gaps).properties(width=_SIDE_PIXELS, height=_SIDE_PIXELS)
    title = ["Share that is right, by confidence", "red: the distance from what was promised"]
    return alt.vconcat(upper.properties(title=title), counts.properties(width=_SIDE_PIXELS, height=80))

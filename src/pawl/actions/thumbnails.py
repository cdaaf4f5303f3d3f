"""Pictures from the job that ran the pull request's code, drawn anew: only their pixels cross over."""

from __future__ import annotations

import base64
import io

from pawl.schema import Comparison, Flip

MAX_PIXELS = 512
"""Of a side; what pawl writes is far smaller."""
_MAX_CHARACTERS = 24_000


def with_clean_thumbnails(comparison: Comparison) -> Comparison:
    """The comparison with every thumbnail decoded and encoded again; one that is no PNG is left out."""
    evidence = tuple(
        one
        if one.flips is None
        else one.model_copy(
            update={"flips": one.flips.model_copy(update={"shown": tuple(_cleaned(flip) for flip in one.flips.shown)})}
        )
        for one in comparison.evidence
    )
    return comparison.model_copy(update={"evidence": evidence})


def _cleaned(flip: Flip) -> Flip:
    return flip if flip.thumbnail is None else flip.model_copy(update={"thumbnail": clean_png(flip.thumbnail)})


def clean_png(text: str) -> str | None:
    """A PNG in base64 with the same pixels and nothing else of the given one; None where that is no modest PNG."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as image:
            # Its header, before a pixel is decoded: a small file can hold a picture that fills the memory.
            if max(image.size) > MAX_PIXELS or getattr(image, "n_frames", 1) != 1:
                return None
            pixels = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, MemoryError):
        return None
    fresh = Image.new(pixels.mode, pixels.size)
    fresh.paste(pixels)
    out = io.BytesIO()
    fresh.save(out, "PNG", optimize=True)
    encoded = base64.b64encode(out.getvalue()).decode()
    return encoded if len(encoded) <= _MAX_CHARACTERS else None

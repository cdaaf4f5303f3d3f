"""How the data of two sides differ: which examples, how many of each class, how their images look, what leaks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.schema.basics import Count, Strict, Text

MAX_NAMES = 20
MAX_SPLITS = 20
MAX_CLASSES = 100
Names = Annotated[tuple[Text, ...], Field(max_length=MAX_NAMES)]


class ClassCount(Strict):
    """How many examples of one class each side has."""

    label: Text
    base: Count
    head: Count


class SplitDifference(Strict):
    """One split (train, validation, test; or all, where there are none) on both sides."""

    split: Text
    base: Count
    """Examples."""
    head: Count
    classes: Annotated[tuple[ClassCount, ...], Field(max_length=MAX_CLASSES)] = ()
    test: Literal["chi-square", "Kolmogorov-Smirnov"] | None = None
    """Whether the shares of the classes, or the distribution of a numeric label, differ by more than chance."""
    p_value: float | None = None
    cramers_v: float | None = None
    """Size of the difference in shares, 0 to 1; only beside chi-square."""


class Shift(Strict):
    """A property of the images whose distribution may have moved, by the Kolmogorov-Smirnov test."""

    what: Text
    """Such as `width in pixels` or `mean intensity`."""
    base_mean: float
    head_mean: float
    distance: float
    """The largest difference between the two cumulative distributions, 0 to 1."""
    p_value: float


class Finding(Strict):
    """Examples that something is wrong with, counted and the first of them named."""

    kind: Literal["in two splits", "same content, other label", "repeated"]
    side: Literal["base", "head", "between"]
    """`between`: head's differ from base's, such as the same content labelled anew."""
    count: Count
    names: Names


class DataDifference(Strict):
    """One manifest or data folder on both sides."""

    name: Text
    """Such as `digits`."""
    path: Text
    source: Literal["manifest", "listing"]
    base_files: Count
    head_files: Count
    added: Count
    removed: Count
    changed: Count
    added_names: Names = ()
    removed_names: Names = ()
    changed_names: Names = ()
    splits: Annotated[tuple[SplitDifference, ...], Field(max_length=MAX_SPLITS)] = ()
    shifts: Annotated[tuple[Shift, ...], Field(max_length=20)] = ()
    findings: Annotated[tuple[Finding, ...], Field(max_length=20)] = ()

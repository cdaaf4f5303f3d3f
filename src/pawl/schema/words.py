"""The words of a verdict."""

from __future__ import annotations

from typing import Literal

MetricVerdict = Literal["better", "worse", "no measurable change", "not comparable"]
MetricState = Literal["ok", "missing", "nan", "infinite", "not a number", "not run", "failed"]
WhyNot = Literal["no value", "other ids", "other targets", "other evaluation", "nothing to pair"]
"""Why a metric cannot be compared; "no value": on one side it is missing, no finite number, or was not measured."""
Headline = Literal["better", "worse", "no measurable change", "not comparable", "unchanged", "failed"]

"""Everything that one predictions file says on both sides, put together."""

from __future__ import annotations

from pathlib import Path

from pawl.compare.examples.flips import flips, rows_shown
from pawl.compare.examples.reliability import reliability
from pawl.compare.examples.slices import slices
from pawl.compare.examples.thumbnails import thumbnails
from pawl.compare.statistics.differences import mcnemar
from pawl.compare.statistics.pairing import Pair, Pairing
from pawl.compare.statistics.predictions import Predictions
from pawl.schema import Evidence, McNemarTest


def evidence(
    name: str,
    path: str,
    base: Predictions,
    head: Predictions,
    pairing: Pairing,
    primary: str | None,
    project_root: Path | None,
) -> Evidence:
    """The record of one predictions file, called `name`, at `path` in the project.

    `primary` is the metric that slices are compared by, None: none is. Pictures that the file only names are read under
    `project_root`.
    """
    pair = pairing.pair
    groups = head.groups if pair is None else pair.head.groups
    return Evidence(
        name=name,
        path=path,
        kind=head.kind,
        paired=pairing.paired,
        groups=None if groups is None else len(set(groups.tolist())),
        base_only=pairing.base_only,
        head_only=pairing.head_only,
        other_targets=pairing.other_targets,
        why_not=pairing.cause or None,
        problem=pairing.problem,
        mcnemar=_mcnemar(pair) if pair else None,
        flips=flips(pair, _pictures(pair, project_root).get) if pair else None,
        slices=slices(pair, primary) if pair and primary else (),
        reliability=reliability(pair) if pair else None,
    )


def _mcnemar(pair: Pair) -> McNemarTest | None:
    found = mcnemar(pair)
    if found is None:
        return None
    return McNemarTest(
        only_base_right=found.only_base_right, only_head_right=found.only_head_right, p_value=found.p_value
    )


def _pictures(pair: Pair, project_root: Path | None) -> dict[int, str]:
    """Those of the flips that are shown; head's, or base's where head has none."""
    images = pair.head.images or pair.base.images
    rows = rows_shown(pair)
    return thumbnails(images, rows, project_root) if images is not None and rows else {}

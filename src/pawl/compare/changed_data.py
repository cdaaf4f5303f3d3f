"""How the data of both sides differ: by the manifests that stages write, and by what DVC tracks."""

from __future__ import annotations

from collections.abc import Iterable

from pawl.compare.data.differences import listing_difference, manifest_difference
from pawl.compare.data.listing import listing_of
from pawl.compare.results import SideFiles, group_of
from pawl.schema import DataDifference


def data_differences(
    base: SideFiles | None, head: SideFiles, manifests: Iterable[str]
) -> tuple[tuple[DataDifference, ...], list[str]]:
    """How the data differ, and notes; nothing where base has no pipeline. `manifests` are paths in the project."""
    if base is None:
        return (), []
    found: list[DataDifference | None] = []
    notes: list[str] = []
    for path in manifests:
        files = [side.locate(path) for side in (base, head)]
        # What was not run is not absent: nobody knows what it would have been.
        if {state for _, state in files} <= {"ok", "missing"}:
            found.append(manifest_difference(group_of(path), path, files[0][0], files[1][0], notes.append))
    for path in dict.fromkeys([*_tracked(head), *_tracked(base)]):
        sides = [listing_of(side.project, path) for side in (base, head)]
        if sides[0] is not None and sides[1] is not None and sides[0] != sides[1]:
            found.append(listing_difference(group_of(path), path, sides[0], sides[1], notes.append))
    return tuple(difference for difference in found if difference is not None), notes


def _tracked(side: SideFiles) -> list[str]:
    """What `.dvc` files track: data that no stage makes."""
    producers = side.project.producers.items()
    return [side.project.relative(place) for place, out in producers if not out.stage.cmd]

"""A whole bundle of the training job on its way to the job that may write."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from pawl.actions.receive import receive
from pawl.schema import Comparison, Plan, Revision
from pawl.session import read_file, write_file
from tests.report import page_examples

BASE, HEAD, SET = "b" * 40, "a" * 40, "c" * 40
TAIL = b"<script>alert(1)</script>"


def hand_over(folder: Path, *, started_from: str | None = None) -> Path:
    """What a run on HEAD leaves, or one that set a parameter on `started_from`; its pictures carry more than pixels."""
    folder.mkdir()
    run = page_examples.rich()
    revisions = {
        "base": Revision(commit=BASE, name="main"),
        "head": Revision(commit=SET if started_from else HEAD, name="change"),
    }
    overrides = {"overrides": ("a=1",) if started_from else ()}
    assert run.stages is not None
    assert run.comparison is not None
    write_file(folder, "plan.json", run.plan.model_copy(update=revisions | overrides | {"started_from": started_from}))
    write_file(folder, "stages.json", run.stages.model_copy(update=revisions))
    [evidence] = [one for one in run.comparison.evidence if one.flips is not None]
    assert evidence.flips is not None
    shown = tuple(
        one if one.thumbnail is None else one.model_copy(update={"thumbnail": with_tail(one.thumbnail)})
        for one in evidence.flips.shown
    )
    loaded = evidence.model_copy(update={"flips": evidence.flips.model_copy(update={"shown": shown})})
    more = {"evidence": (loaded,)} | overrides | revisions
    write_file(folder, "comparison.json", run.comparison.model_copy(update=more))
    return folder


def with_tail(picture: str) -> str:
    return base64.b64encode(base64.b64decode(picture) + TAIL).decode()


def received(folder: Path, measured: str, *, started_from: str | None = None) -> str:
    """What is wrong with the bundle where `measured` was to be."""
    source = hand_over(folder / "in", started_from=started_from)
    names = Revision(commit=BASE, name="main"), Revision(commit=HEAD, name="change")
    return receive(source, folder / "out", *names, measured)


def test_only_the_pixels_of_pictures_cross_over(tmp_path: Path) -> None:
    assert received(tmp_path, HEAD) == ""
    sent, taken = (
        [
            base64.b64decode(one.thumbnail)
            for evidence in read_file(tmp_path / side, "comparison.json", Comparison, "").evidence
            for one in (evidence.flips.shown if evidence.flips else ())
            if one.thumbnail is not None
        ]
        for side in ("in", "out")
    )
    assert len(sent) == len(taken) > 0
    assert all(TAIL in picture for picture in sent)
    assert not any(TAIL in picture for picture in taken)


def test_what_was_measured_as_somebody_wished_it_is_about_the_commit_that_it_started_from(tmp_path: Path) -> None:
    assert received(tmp_path, HEAD, started_from=HEAD) == ""
    assert read_file(tmp_path / "out", "plan.json", Plan, "").head.commit == SET


@pytest.mark.parametrize("started_from", [BASE, SET])
def test_and_is_not_believed_about_another(tmp_path: Path, started_from: str) -> None:
    assert f"it is about commit {started_from}, and not about {HEAD}" in received(
        tmp_path, HEAD, started_from=started_from
    )

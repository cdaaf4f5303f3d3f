"""From the pictures of a report to a `report.md` that shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from pawl.config import ImageSettings
from pawl.errors import InputError
from pawl.publish.environment import target_from_environment
from pawl.publish.github_api import GitHubApi, Progress
from pawl.publish.picture_branch import Picture, branch_addresses, keep_on_branch
from pawl.publish.picture_bucket import bucket_addresses, keep_in_bucket
from pawl.publish.retry import Patience
from pawl.report.comment import render_comment
from pawl.report.files import write_together
from pawl.report.subjects import subjects
from pawl.schema import Comparison, Plan, Stages, Tracking
from pawl.session import read_file

MAX_PICTURES = 40
MAX_PICTURE_BYTES = 2_000_000
MAX_BYTES = 20_000_000
"""Of all pictures of one report together."""
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Shown:
    """What became of the pictures."""

    pictures: int
    """How many the text shows."""
    left_out: tuple[str, ...] = ()
    """File names of those that are too large, too many, or no picture."""


def show_pictures(
    reports: Path,
    settings: ImageSettings,
    *,
    slug: str | None = None,
    env: Mapping[str, str] | None = None,
    patience: Patience | None = None,
    progress: Progress = lambda line: None,
    today: date | None = None,
) -> Shown:
    """Host the pictures of `reports/plots/` as `settings` say, and write `report.md` with their addresses.

    Only those are hosted that the text has room for. Where hosting fails, `report.md` stays as it was, which tells in
    words what the pictures show.

    Args:
        reports: folder with the JSON files and what `pawl report` wrote.
        settings: `images` of `pawl.yaml`.
        slug: owner/name; default: the workflow's.
        env: as a workflow has it; the process's own by default.
        patience: how long to go on when a service does not answer.
        progress: is told what is waited for, a line at a time.
        today: the day in UTC that the pictures are filed under.

    Raises:
        InputError: something given cannot be used, or may not be written.
        ServiceError: GitHub or the bucket did not take the pictures within the patience.
    """
    environment = os.environ if env is None else env
    day = today or datetime.now(UTC).date()
    made = read_file(reports, "plan.json", Plan, "pawl plan")
    stages = read_file(reports, "stages.json", Stages, "pawl reproduce") if (reports / "stages.json").exists() else None
    comparison = read_file(reports, "comparison.json", Comparison, "pawl compare")
    tracked = (reports / "tracking.json").exists()
    tracking = read_file(reports, "tracking.json", Tracking, "pawl track") if tracked else None
    pictures, left_out = pictures_of(reports, comparison)
    if settings.where == "none" or not pictures:
        return Shown(0, left_out)
    if settings.where == "bucket":
        addresses = bucket_addresses(pictures, settings.bucket or "", settings.address, day)
    else:
        target = target_from_environment(environment, repository=slug)
        addresses = branch_addresses(pictures, target.web_url, settings.branch, day)
    text = render_comment(made, stages, comparison, tracking, addresses=addresses)
    shown = [picture for picture in pictures if f"]({addresses[picture.stem]})" in text]
    if not shown:
        return Shown(0, left_out)
    if settings.where == "bucket":
        keep_in_bucket(shown, settings.bucket or "", day, env=environment, patience=patience, progress=progress)
    else:
        api = GitHubApi(replace(target, pull_request=None), patience or Patience(), progress)
        keep_on_branch(api, shown, settings.branch, day, settings.keep_days)
    write_together({reports / "report.md": text.encode()})
    return Shown(len(shown), left_out)


def pictures_of(reports: Path, comparison: Comparison) -> tuple[list[Picture], tuple[str, ...]]:
    """The pictures that belong to the comparison, in the order of the report, and the names of those left out.

    A file that is missing is no error: the report was written without pictures. Raises InputError where one cannot be
    read.
    """
    found: list[Picture] = []
    left_out = []
    bytes_left = MAX_BYTES
    for subject in subjects(comparison):
        path = reports / "plots" / f"{subject.stem}.png"
        if not path.exists():
            continue
        try:
            size = path.stat().st_size
            fits = len(found) < MAX_PICTURES and size <= min(MAX_PICTURE_BYTES, bytes_left)
            png = path.read_bytes() if fits and path.is_file() and not path.is_symlink() else b""
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}): run `pawl report` again.") from None
        if not png.startswith(_PNG):
            left_out.append(path.name)
            continue
        bytes_left -= len(png)
        found.append(Picture(subject.stem, png))
    return found, tuple(left_out)

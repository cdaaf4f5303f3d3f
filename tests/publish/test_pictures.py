"""From the pictures of a report to a comment that shows them, or to one that does without."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pawl.config import ImageSettings
from pawl.errors import InputError, PawlError, ServiceError
from pawl.publish import pictures
from pawl.publish.pictures import Shown, pictures_of, show_pictures
from tests.e2e.storage import BUCKET, serve_bucket
from tests.fakes.github_contents import Contents
from tests.publish.desk import TOKEN, Desk
from tests.publish.run_folder import write_run
from tests.report import examples
from tests.report.hostile import huge

TODAY = date(2026, 11, 21)


@pytest.fixture
def reports(drawn: Path, tmp_path: Path) -> Path:
    return shutil.copytree(drawn, tmp_path / "reports")


@pytest.fixture
def contents(desk: Desk) -> Contents:
    desk.github.add_token(TOKEN, permissions={"contents": "write"})
    held = desk.github.state.contents["acme/ct"] = Contents("acme/ct")
    return held


def show(desk: Desk, reports: Path, settings: ImageSettings | None = None, **env: str) -> Shown:
    given = {"GITHUB_REPOSITORY": "acme/ct", "GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": desk.github.url}
    given |= {"GITHUB_SERVER_URL": "https://github.com"} | env
    return show_pictures(
        reports,
        settings or ImageSettings(),
        env=given,
        patience=desk.patience(),
        progress=desk.said.append,
        today=TODAY,
    )


def addresses(reports: Path) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (reports / "report.md").read_text())


def test_the_comment_shows_what_is_on_the_branch(desk: Desk, contents: Contents, reports: Path) -> None:
    shown = show(desk, reports)
    start = "https://github.com/acme/ct/blob/pawl-images/"
    files = contents.files("pawl-images")
    found = addresses(reports)
    assert shown == Shown(len(found))
    assert len(found) >= 3
    assert all(one.startswith(start) and one.endswith("?raw=true") for one in found)
    assert {one.removeprefix(start).removesuffix("?raw=true") for one in found} == set(files)
    drawn = [path.read_bytes() for path in sorted((reports / "plots").glob("*.png"))]
    assert sorted(files.values()) == sorted(drawn)


def test_a_second_attempt_hosts_nothing_and_writes_the_same(desk: Desk, contents: Contents, reports: Path) -> None:
    show(desk, reports)
    first, branch = (reports / "report.md").read_bytes(), contents.branches["pawl-images"]
    show(desk, reports)
    assert (reports / "report.md").read_bytes() == first
    assert contents.branches["pawl-images"] == branch


def test_a_server_of_ones_own_has_its_own_address(desk: Desk, contents: Contents, reports: Path) -> None:
    show(desk, reports, ImageSettings(branch="bots/pictures"), GITHUB_SERVER_URL="https://ghe.acme.com")
    assert addresses(reports)[0].startswith("https://ghe.acme.com/acme/ct/blob/bots/pictures/2026-11-21/")
    assert "bots/pictures" in contents.branches


def test_none_hosts_nothing(desk: Desk, contents: Contents, reports: Path) -> None:
    before = (reports / "report.md").read_bytes()
    assert show(desk, reports, ImageSettings(where="none")) == Shown(0)
    assert (reports / "report.md").read_bytes() == before
    assert desk.github.requests() == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 502, "times": -1}, ServiceError),
        ({"status": 403, "message": "Resource not accessible by integration"}, InputError),
        ({"status": 404, "message": "Not Found"}, InputError),
        ({"status": 429, "headers": {"retry-after": "3600"}}, ServiceError),
    ],
)
def test_where_hosting_fails_the_comment_stays(
    desk: Desk, contents: Contents, reports: Path, fault: dict[str, Any], error: type[PawlError]
) -> None:
    before = (reports / "report.md").read_bytes()
    desk.github.fault("POST", "/git/", **fault)
    with pytest.raises(error):
        show(desk, reports)
    assert (reports / "report.md").read_bytes() == before
    assert sum(desk.slept) <= 300


def test_without_drawn_pictures_nothing_is_asked_of_github(desk: Desk, contents: Contents, reports: Path) -> None:
    shutil.rmtree(reports / "plots")
    assert show(desk, reports) == Shown(0)
    assert desk.github.requests() == []


def test_only_what_the_comment_has_room_for_is_hosted(
    desk: Desk, contents: Contents, drawn: Path, tmp_path: Path
) -> None:
    """A run so large that sections are left out."""
    reports = write_run(tmp_path / "huge", huge("words " * 40, 12), report=False)
    comparison = huge("words " * 40, 12).comparison
    (reports / "plots").mkdir()
    some = next((drawn / "plots").glob("*.png")).read_bytes()
    for number, subject in enumerate(pictures.subjects(comparison)):
        (reports / "plots" / f"{subject.stem}.png").write_bytes(some + bytes([number]))
    shown = show(desk, reports)
    assert 0 < shown.pictures < len(list((reports / "plots").iterdir()))
    assert len(contents.files("pawl-images")) == shown.pictures == len(addresses(reports))


def test_files_that_do_not_belong_are_not_hosted(desk: Desk, contents: Contents, reports: Path) -> None:
    (reports / "plots" / "mine.png").write_bytes(b"\x89PNG\r\n\x1a\nstray")
    shown = show(desk, reports)
    assert len(contents.files("pawl-images")) == shown.pictures
    assert b"\x89PNG\r\n\x1a\nstray" not in contents.files("pawl-images").values()


def test_what_is_no_picture_or_too_large_is_left_out_and_named(reports: Path, tmp_path: Path) -> None:
    comparison = examples.better().comparison
    names = sorted(path.name for path in (reports / "plots").glob("*.png"))
    first, second, third, *_ = names
    (reports / "plots" / first).write_text("<svg/>")
    (reports / "plots" / second).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(pictures.MAX_PICTURE_BYTES))
    (tmp_path / "elsewhere.png").write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    (reports / "plots" / third).unlink()
    (reports / "plots" / third).symlink_to(tmp_path / "elsewhere.png")
    kept, left_out = pictures_of(reports, comparison)
    assert sorted(left_out) == [first, second, third]
    assert len(kept) == len(names) - 3


def test_all_pictures_together_are_bounded(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [path.stat().st_size for path in (reports / "plots").glob("*.png")]
    monkeypatch.setattr(pictures, "MAX_BYTES", sum(sizes) - 1)
    kept, left_out = pictures_of(reports, examples.better().comparison)
    assert sum(len(picture.png) for picture in kept) < sum(sizes)
    assert len(left_out) >= 1
    monkeypatch.setattr(pictures, "MAX_PICTURES", 1)
    assert len(pictures_of(reports, examples.better().comparison)[0]) == 1


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server for gs://, of which only the identity check is missing."""
    with serve_bucket(tmp_path_factory.mktemp("bucket") / "files") as url:
        yield url


def test_a_bucket_holds_them_under_a_public_address(desk: Desk, reports: Path, bucket: str) -> None:
    import requests

    settings = ImageSettings(where="bucket", bucket=f"gs://{BUCKET}/pictures", address="https://images.acme.com/ct/")
    for _ in range(2):  # the second time all is there
        shown = show(desk, reports, settings, STORAGE_EMULATOR_HOST=bucket)
    found = addresses(reports)
    assert len(found) == shown.pictures >= 3
    drawn = {path.read_bytes() for path in (reports / "plots").glob("*.png")}
    for one in found:
        path = one.removeprefix("https://images.acme.com/ct/")
        answer = requests.get(f"{bucket}/{BUCKET}/pictures/{path}", timeout=5)
        assert answer.headers["content-type"] == "image/png"
        assert answer.content in drawn


def test_a_bucket_without_an_address_is_read_from_google(desk: Desk, reports: Path, bucket: str) -> None:
    show(desk, reports, ImageSettings(where="bucket", bucket=f"gs://{BUCKET}"), STORAGE_EMULATOR_HOST=bucket)
    assert addresses(reports)[0].startswith(f"https://storage.googleapis.com/{BUCKET}/2026-11-21/")


def test_a_bucket_that_is_not_there_is_named(desk: Desk, reports: Path, bucket: str) -> None:
    before = (reports / "report.md").read_bytes()
    settings = ImageSettings(where="bucket", bucket="gs://no-such-bucket")
    with pytest.raises(InputError, match="there is no gs://no-such-bucket"):
        show(desk, reports, settings, STORAGE_EMULATOR_HOST=bucket)
    assert (reports / "report.md").read_bytes() == before

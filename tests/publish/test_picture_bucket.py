"""Uploads to a bucket: by which identity, and what goes wrong between us and Google."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from pawl.errors import InputError, ServiceError
from pawl.publish import picture_bucket
from pawl.publish.picture_branch import Picture
from pawl.publish.picture_bucket import keep_in_bucket
from tests.publish.desk import Desk
from tests.publish.test_faults import PASSING

PICTURE = Picture("forest", b"\x89PNG\r\n\x1a\nforest")
UPLOAD = "/upload/storage/v1/b/acme-pictures/o"


def keep(desk: Desk, *pictures: Picture, **env: str) -> None:
    """With the fake as Google: what it does not know it refuses, except where a fault has it answer."""
    keep_in_bucket(
        pictures or (PICTURE,),
        "gs://acme-pictures/ct",
        date(2026, 11, 21),
        env=env or {"STORAGE_EMULATOR_HOST": desk.github.url},
        patience=desk.patience(),
        progress=desk.said.append,
    )


def accept(desk: Desk) -> None:
    desk.github.fault("POST", UPLOAD, status=200, raw="{}", times=-1)


@pytest.mark.parametrize("host", ["http://{}", "{}"])
def test_a_picture_is_uploaded_once_and_over_nothing(desk: Desk, host: str) -> None:
    accept(desk)
    keep(desk, PICTURE, PICTURE, STORAGE_EMULATOR_HOST=host.format(desk.github.url.removeprefix("http://")))
    (request,) = desk.github.requests("POST", UPLOAD)
    assert parse_qs(request.query) == {
        "uploadType": ["media"],
        "name": [f"ct/2026-11-21/{PICTURE.name}"],
        "ifGenerationMatch": ["0"],
    }


def test_one_that_is_there_is_no_error(desk: Desk) -> None:
    desk.github.fault("POST", UPLOAD, status=412, message="At least one of the pre-conditions did not hold.")
    keep(desk)
    assert desk.slept == []


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(f, s) for f, s in PASSING if f.get("how", "answer") != "truncate" and f.get("status") != 403],
)
def test_a_fault_that_passes_is_waited_for(desk: Desk, fault: dict[str, Any], seconds: float) -> None:
    if fault.get("status") == 200:
        pytest.skip("what the answer says does not matter here")
    desk.github.fault("POST", UPLOAD, **(fault | {"applies": False}))
    accept(desk)
    keep(desk)
    assert desk.slept == [seconds]
    assert "gs://acme-pictures/ct did not take the picture forest" in desk.said[0]


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "objectUser"), (403, "objectUser"), (404, "make it"), (400, "administers"), (302, "does not take")],
)
def test_a_refusal_names_the_remedy_and_is_not_repeated(desk: Desk, status: int, remedy: str) -> None:
    desk.github.fault("POST", UPLOAD, times=-1, status=status, headers={"location": "https://elsewhere.test/"})
    with pytest.raises(InputError, match=remedy):
        keep(desk)
    assert len(desk.github.requests("POST")) == 1


def test_it_gives_up_after_its_tries(desk: Desk) -> None:
    desk.github.fault("POST", UPLOAD, times=-1, status=503)
    with pytest.raises(ServiceError, match="the last answer: 503"):
        keep(desk)
    assert desk.slept == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_the_wait_of_all_pictures_together_is_bounded(desk: Desk) -> None:
    desk.github.fault("POST", UPLOAD, times=-1, status=429, headers={"retry-after": "100"})
    with pytest.raises(ServiceError):
        keep(desk)
    assert sum(desk.slept) <= 300


def test_a_token_that_is_given_is_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_bucket, "ENDPOINT", desk.github.url)
    desk.github.add_token("ya29.given", login="given")
    accept(desk)
    keep(desk, GOOGLE_OAUTH_ACCESS_TOKEN=" ya29.given\n")
    assert [request.login for request in desk.github.requests("POST", UPLOAD)] == ["given"]


def test_a_stand_in_is_told_no_token(desk: Desk) -> None:
    desk.github.add_token("ya29.given", login="given")
    accept(desk)
    keep(desk, GOOGLE_OAUTH_ACCESS_TOKEN="ya29.given", STORAGE_EMULATOR_HOST=desk.github.url)
    assert [request.login for request in desk.github.requests("POST", UPLOAD)] == [None]


def test_an_identity_of_the_workflow_is_used(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workload identity federation as google-github-actions/auth sets it up, with a token service of our own."""
    (tmp_path / "oidc").write_text("the workflow's own token")
    settings = {
        "type": "external_account",
        # One that names a project has the library ask Google about it.
        "audience": "//iam.googleapis.com/locations/global/workloadIdentityPools/p/providers/g",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{desk.github.url}/v1/token",
        "credential_source": {"file": str(tmp_path / "oidc")},
    }
    (tmp_path / "identity.json").write_text(json.dumps(settings))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "identity.json"))
    monkeypatch.setattr(picture_bucket, "ENDPOINT", desk.github.url)
    desk.github.add_token("ya29.federated", login="federated")
    granted = {"access_token": "ya29.federated", "token_type": "Bearer", "expires_in": 3600}
    desk.github.fault("POST", "/v1/token", status=200, raw=json.dumps(granted))
    accept(desk)
    keep(desk, SOME="environment")
    assert [request.login for request in desk.github.requests("POST", UPLOAD)] == ["federated"]


def test_an_identity_that_is_refused_is_told(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "identity.json").write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "identity.json"))
    with pytest.raises(InputError, match="workload identity federation"):
        keep(desk, SOME="environment")

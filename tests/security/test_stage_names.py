"""Which variables stay outside of a stage, by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.pipeline.environment import stage_environment

SECRET = """
GITHUB_TOKEN REPO_TOKEN MLFLOW_TRACKING_TOKEN MLFLOW_TRACKING_URI MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD
GOOGLE_APPLICATION_CREDENTIALS GOOGLE_GHA_CREDS_PATH GCLOUD_PROJECT CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE
AWS_ACCESS_KEY_ID AWS_SESSION_TOKEN AWS_PROFILE AZURE_STORAGE_CONNECTION_STRING AZURE_CLIENT_ID
ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_RUNTIME_URL ACTIONS_CACHE_URL
GITHUB_ENV GITHUB_PATH GITHUB_OUTPUT GITHUB_STATE GITHUB_STEP_SUMMARY
DB_PASSWORD GIT_CREDENTIALS CLOUDSDK_CONFIG
PAWL_SIGNING_KEY KAGGLE_KEY KEY API_KEY SSH_PRIVATE_KEY_PATH DB_PASSWD CLIENT_SECRET NPM_PAT HF_TOKEN_PATH my_secret
aws_region
""".split()  # noqa: SIM905 - a list is easier to read so
HARMLESS = """
PATH HOME LANG TMPDIR USER CUDA_VISIBLE_DEVICES KEYBOARD MONKEY KEYS OMP_NUM_THREADS GITHUB_SHA GITHUB_REPOSITORY
GITHUB_ENVIRONMENT PATTERN PAWL_CACHE RUNNER_TEMP SPATIAL KEY_LENGTH GITHUB_PATHS
""".split()  # noqa: SIM905 - a list is easier to read so


@pytest.mark.parametrize("name", SECRET)
def test_what_opens_a_door_elsewhere_stays_outside(name: str) -> None:
    assert name not in stage_environment({name: "x"}, [], Path("/nowhere"), None)
    # Only its exact name in pawl.yaml lets it in.
    assert name not in stage_environment({name: "x"}, [f"{name}_", name[:-1], "*"], Path("/nowhere"), None)
    assert stage_environment({name: "x"}, [name], Path("/nowhere"), None)[name] == "x"


@pytest.mark.parametrize("name", HARMLESS)
def test_what_opens_none_is_kept(name: str) -> None:
    assert stage_environment({name: "x"}, [], Path("/nowhere"), None)[name].endswith("x")

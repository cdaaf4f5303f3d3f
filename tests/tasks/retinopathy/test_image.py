"""What the image of deploy/retinopathy can hold."""

from __future__ import annotations

import re

from tests.tasks.checkouts import REPOSITORY

FOLDER = REPOSITORY / "deploy/retinopathy"


def instructions() -> list[list[str]]:
    text = re.sub(r"\\\n", " ", (FOLDER / "Dockerfile").read_text())
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_only_code_and_packages_reach_the_image():
    """Everything is kept out first, and then few names are let in: a token's file, or data, cannot be one of them."""
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().split()
    assert lines[0] == "*"
    assert [line for line in lines if line.startswith("!")] == [
        "!requirements*.txt",
        "!.github/actions/setup/install.py",
        "!params.yaml",
        "!src",
    ]
    copied = [word for name, *words in instructions() if name in ("COPY", "ADD") for word in words[:-1]]
    assert sorted(copied) == [
        ".github/actions/setup/install.py",
        "params.yaml",
        "requirements*.txt",
        "src",
        "src/tasks/requirements.txt",
    ]


def test_no_token_is_given_to_its_build():
    names = {name for name, *_ in instructions()}
    assert names == {"FROM", "RUN", "COPY", "ENV"}, "ARG would be a way for a token into the image's history"
    variables = [word.partition("=")[0] for name, *words in instructions() if name == "ENV" for word in words]
    assert sorted(variables) == ["DVC_NO_ANALYTICS", "MLFLOW_DISABLE_TELEMETRY"]
    assert not re.search(
        r"kaggle|token|secret|password", (FOLDER / "Dockerfile").read_text().partition("FROM")[2], re.I
    )

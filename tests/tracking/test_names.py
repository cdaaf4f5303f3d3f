"""What a repository is called where nobody says: here, and by `tasks`, which asks the registry by the same name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pawl.config import Config
from pawl.tracking.server import repository_name
from tasks.registered.locate import default_name
from tests.support.repositories import git


@dataclass(frozen=True)
class Place:
    root: Path
    config: Config


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("git@github.com:acme/ct.git", "ct"),
        ("https://github.com/acme/ct/", "ct"),
        ("/srv/git/ct/.", "ct"),
        (".", "work"),
        (None, "work"),
    ],
)
def test_a_repository_is_called_as_its_origin_or_else_its_folder(
    origin: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "--quiet")
    if origin is not None:
        git(root, "remote", "add", "origin", origin)
    assert repository_name(Place(root, Config())) == name
    assert default_name(root, "pets") == f"{name}-pets"

"""That `make lint` finds a planted key and a compose file that is none. 5 s."""

from __future__ import annotations

import importlib.util
import secrets
import string
import subprocess
from pathlib import Path

import pytest

from tests import lint_deploy

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("detect_secrets") is None or importlib.util.find_spec("check_jsonschema") is None,
    reason="detect-secrets and check-jsonschema are not installed",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with nothing to find."""
    (tmp_path / "deploy" / "x").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (tmp_path / "deploy" / "x" / "compose.yaml").write_text("services: {a: {image: b}}\n")
    (tmp_path / "settings.py").write_text(f'DIGEST = "{"0123456789abcdef" * 4}"\n')
    (tmp_path / "tests" / "test_a.py").write_text('password = "a made up password"\n')
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert lint_deploy.main(tmp_path) == 0
    return tmp_path


def _random(characters: str, count: int) -> str:
    return "".join(secrets.choice(characters) for _ in range(count))


@pytest.mark.parametrize("folder", [".", "tests"])
def test_a_planted_key_is_found(root: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    upper = string.ascii_uppercase + string.digits
    for line in (
        f'key = "AKIA{_random(upper, 16)}"',
        f'token = "ghp_{_random(string.ascii_letters + string.digits, 36)}"',
        "-----BEGIN " + "RSA PRIVATE KEY-----",
    ):
        (root / folder / "planted.txt").write_text(line + "\n")
        assert lint_deploy.main(root) == 1, line
        assert "planted.txt:1" in capsys.readouterr().out


def test_a_password_outside_of_tests_is_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "settings.py").write_text(f'password = "{_random(string.ascii_letters, 20)}"\n')
    assert lint_deploy.main(root) == 1
    assert "settings.py:1" in capsys.readouterr().out


def test_a_compose_file_that_is_none_is_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "deploy" / "x" / "compose.yaml").write_text("services: {a: {imago: b}}\n")
    assert lint_deploy.main(root) == 1
    assert "imago" in capsys.readouterr().out

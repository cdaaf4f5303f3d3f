"""What outlives the jobs of a runner: the environments that the set-up action keeps, and the runner's DVC settings."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.act import BIN
from tests.github.load import load

SOURCE = Path(__file__).parents[2]


def environment_digest(requirements: Path) -> str:
    """The name under which the set-up action keeps the environment of these requirements."""
    name: str = load("actions/setup/environment.py").digest(requirements)
    return name


def environments(machine: Path, programs: Path | None = None) -> Path:
    """Kept environments as the set-up action leaves them; all are the one that runs this test.

    `programs` are what is in their `bin`, where it is not that one's.
    """
    folder = machine / "environments"
    folder.mkdir(parents=True, exist_ok=True)
    for requirements in ("requirements.txt", "requirements-report.txt", "requirements-plan.txt"):
        kept = folder / environment_digest(SOURCE / requirements)
        if not kept.exists() and programs:
            kept.mkdir()
            (kept / "bin").symlink_to(programs)
        elif not kept.exists():
            kept.symlink_to(BIN.parent)
        kept.with_name(f"{kept.name}.complete").touch()
    # CML cannot be had here: a folder without it is what pawl meets where npm could not install it.
    (folder / "@dvcorg-cml@0.20.6.complete").touch()
    return folder


def dvc_settings(machine: Path, bucket_url: str) -> Path:
    """A runner's own DVC settings: where the bucket is, and a cache that outlives the checkout."""
    folder = machine / "dvc-settings"
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        f"[cache]\n    dir = {machine / 'dvc-cache'}\n"
        f"['remote \"storage\"']\n    endpointurl = {bucket_url}\n    allow_anonymous_login = true\n"
    )
    (folder / "config").write_text(text, encoding="utf-8")
    return folder

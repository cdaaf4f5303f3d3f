"""A job's machine, with a login at the fake Google."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

from tests.fakes.google import FakeGoogle
from tests.support.repositories import pawl

PROMOTE = "acme/ct/.github/workflows/promote.yml@refs/heads/main"
MAIN, PULL = "refs/heads/main", "refs/pull/7/merge"


class Job:
    """A job's machine: nothing on it but a checkout, DVC's settings, and a login if it has one."""

    def __init__(self, google: FakeGoogle, folder: Path, work: Path, settings: Mapping[str, str] | None = None) -> None:
        self.google, self.folder, self.settings = google, folder, dict(settings or {})
        self.login = folder / "gha-creds-0123456789abcdef.json"
        folder.mkdir()
        (folder / "dvc").mkdir()
        settings = f"[cache]\n    dir = {folder / 'cache'}\n['remote \"storage\"']\n    endpointurl = {google.url}\n"
        (folder / "dvc" / "config").write_text(settings)
        self.root = folder / "checkout"
        shutil.copytree(work, self.root)

    def log_in(self, account: str, **claims: str) -> Job:
        self.google.write_login(self.login, account, self.google.job(**claims))
        return self

    def run(self, *arguments: str) -> CompletedProcess[str]:
        env = {
            **self.settings,
            "DVC_GLOBAL_CONFIG_DIR": str(self.folder / "dvc"),
            "HOME": str(self.folder),
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            # This machine is none of Google's, and asking whether it is takes seconds.
            "NO_GCE_CHECK": "true",
        }
        if self.login.exists():
            env["GOOGLE_APPLICATION_CREDENTIALS"] = str(self.login)
        return pawl(self.root, *arguments, env=env)

    def ok(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


def runs(job: Job) -> int:
    log = job.root / "runs.log"
    return len(log.read_text().split()) if log.exists() else 0

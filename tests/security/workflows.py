"""The workflows as text and as YAML, for tests that read them: act enforces little of what they promise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TRAINING, SHARE, PROMOTE, CHAT = "continuous-training.yml", "share.yml", "promote.yml", "chat.yml"
ACTION = "action.yml"


@dataclass(frozen=True)
class Workflows:
    """The four workflows and the set-up action: file name -> text."""

    texts: dict[str, str]

    def parsed(self, name: str) -> dict[Any, Any]:
        """The YAML; the key `on` is True in it, as YAML 1.1 has it."""
        content: dict[Any, Any] = yaml.safe_load(self.texts[name])
        return content

    def jobs(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """File, id and content of every job."""
        for name in self.texts:
            for job, content in self.parsed(name).get("jobs", {}).items():
                yield name, job, content

    def steps(self) -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
        """(file, job, step's name) and content of every step; of the action, the job is empty."""
        for name, job, content in self.jobs():
            for step in content.get("steps", []):
                yield (name, job, step["name"]), step
        for step in self.parsed(ACTION)["runs"]["steps"]:
            yield (ACTION, "", step["name"]), step

    def names(self, file: str, job: str) -> list[str]:
        """The names of a job's steps, in order."""
        return [step["name"] for step in self.parsed(file)["jobs"][job]["steps"]]

    def step(self, file: str, job: str, name: str) -> dict[str, Any]:
        """The one step of that name."""
        [found] = [step for place, step in self.steps() if place == (file, job, name)]
        return found

    def changed(self, file: str, old: str, new: str) -> Workflows:
        """The same with a text replaced wherever it stands; it has to stand somewhere."""
        assert re.search(old, self.texts[file], re.MULTILINE), f"{file} has nothing like {old!r}"
        return Workflows({**self.texts, file: re.sub(old, new, self.texts[file], flags=re.MULTILINE)})


def own_workflows() -> Workflows:
    """Those of this repository."""
    paths = [*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob(".github/actions/*/action.yml")]
    return Workflows({path.name: path.read_text(encoding="utf-8") for path in sorted(paths)})

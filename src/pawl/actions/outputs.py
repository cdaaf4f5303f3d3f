"""What a decision is called in a workflow's expressions: words of ours alone, never anybody's text."""

from __future__ import annotations

from pathlib import Path

from pawl.actions.runs import Run
from pawl.config import load_config
from pawl.pipeline.scopes import MAIN, PULL_REQUESTS


def decision_outputs(run: Run, folder: Path) -> dict[str, str]:
    """The outputs of `pawl ci decide`.

    `commit` is empty where the event's own is meant. `writes`: whether the token may comment. `gate`: whether the
    verdict is about the commit as it is. `cache`: which part of the runner's cache its results are kept in. `keeps`:
    whether they may go to the pull requests' remote, and come from there.
    """
    decision, cache = run.decision, _cache(run, folder)
    flags = {
        "may_train": decision.may_train,
        "trusted": decision.is_trusted,
        "main": decision.is_main,
        "writes": decision.may_write,
        "gate": run.decides_gate,
        "dry_run": run.wishes.dry_run,
        "scheduled": decision.kind == "schedule",
        "keeps": decision.is_trusted and cache == PULL_REQUESTS,
    }
    return {
        "commit": run.commit or "",
        "cache": cache,
        **{name: str(value).lower() for name, value in flags.items()},
    }


def _cache(run: Run, folder: Path) -> str:
    """Main's own, unless main may reuse what pull requests made; a stranger's code never gets at main's."""
    reuse = load_config(folder).promote.reuse
    if reuse is None:
        repository = run.event.get("repository")
        reuse = isinstance(repository, dict) and repository.get("private") is True
    return MAIN if run.decision.is_main and not reuse else PULL_REQUESTS

"""What the workflows say of themselves: their triggers, and the runners they ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pawl.doctor.diagnosis import Group, Line, error, ok, some, warning

FOLDER = ".github/workflows"
_MOST_BYTES = 512 * 1024
_HOSTED = re.compile(r"(ubuntu|windows|macos)-[\w.-]+")


def local_workflows(top: Path) -> dict[str, str]:
    """File name -> text of each workflow of the checkout; "" for one that is too large or cannot be read."""
    texts = {}
    for path in sorted((top / FOLDER).glob("*.y*ml")):
        try:
            texts[path.name] = path.read_text(encoding="utf-8") if path.stat().st_size <= _MOST_BYTES else ""
        except (OSError, UnicodeDecodeError):
            texts[path.name] = ""
    return texts


def workflow_lines(texts: dict[str, str], group: Group, where: str) -> list[Line]:
    """Whether a workflow runs pawl, and none is started by `pull_request_target`."""
    if not any(runs_pawl(text) for text in texts.values()):
        return [warning(group, "workflow", f"none runs pawl {where}", "Run `pawl init`, and commit what it writes.")]
    risky = [name for name, text in texts.items() if "pull_request_target" in triggers(text)]
    if risky:
        found = f"{some(risky)} {where} {'is' if len(risky) == 1 else 'are'} started by pull_request_target"
        remedy = "Use `pull_request`: code of a fork must not meet the repository's secrets."
        return [error(group, "workflow", found, remedy)]
    unread = [name for name, text in texts.items() if not isinstance(_parsed(text), dict)]
    if unread:
        return [warning(group, "workflow", f"{some(unread)} {where} cannot be read", "Correct the YAML.")]
    return [ok(group, "workflow", f"{some(list(texts))} {where}; none is started by pull_request_target")]


def runs_pawl(text: str) -> bool:
    """Whether a step of the workflow runs pawl."""
    return re.search(r"\bpawl (ci|plan|run|reproduce|comment|gate)\b", text) is not None


def triggers(text: str) -> set[str]:
    """The events that start the workflow; all words of the file where it cannot be parsed, so that none is missed."""
    content = _parsed(text)
    if not isinstance(content, dict):
        return set(re.findall(r"\w+", text))
    # YAML 1.1 reads a bare `on` as true.
    started = content.get("on", content.get(True))
    if isinstance(started, str):
        return {started}
    return {str(name) for name in started} if isinstance(started, list | dict) else set()


def wanted_labels(texts: dict[str, str]) -> list[frozenset[str]]:
    """The label sets of the self-hosted runners that jobs ask for, each once, in lower case as GitHub compares them."""
    found: dict[frozenset[str], None] = {}
    for text in texts.values():
        content = _parsed(text)
        jobs = content.get("jobs") if isinstance(content, dict) else None
        for job in jobs.values() if isinstance(jobs, dict) else ():
            labels = _labels(job.get("runs-on") if isinstance(job, dict) else None)
            if labels and not any("${{" in label or _HOSTED.fullmatch(label) for label in labels):
                found[frozenset(label.lower() for label in labels)] = None
    return list(found)


def _labels(given: Any) -> list[str]:
    if isinstance(given, dict):
        given = given.get("labels")
    if isinstance(given, str):
        return [given]
    return [str(label) for label in given] if isinstance(given, list) else []


def _parsed(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None

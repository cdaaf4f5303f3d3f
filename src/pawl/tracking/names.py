"""What things are called in MLflow: one source for those who write them and those who look for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

KEY_TAG = "pawl.stage_key"
"""The stage's key; set last, so that only a complete run has it."""
BEGUN_TAG = "pawl.begun"
"""The same value, from the start."""
RUN_TAG = "pawl.run"
"""The run's own id in the spool, by which a second delivery finds what the first has made."""
KIND_TAG = "pawl.kind"
"""parent, stage or part."""
PARENT_TAG = "mlflow.parentRunId"
STAGE_TAG = "pawl.stage"
SIDE_TAG = "pawl.side"
VERDICT_TAG = "pawl.verdict"
OUTCOME_TAG = "pawl.outcome"
DATA_TAG = "pawl.data_revision"
CODE_TAG = "pawl.code"
INPUTS_TAG = "pawl.inputs"
OUTPUTS_TAG = "pawl.outputs"
REMOTE_TAG = "pawl.remote"
PREVIOUS_TAG = "pawl.previous_run"
DEVICE_TAG = "pawl.device"
ENVIRONMENT_TAG = "pawl.environment"
DIFF_TAG = "pawl.diff"
"""clean, or the digest of what is in no commit."""
ARCHIVED_TAG = "pawl.archived"
COMMIT_TAG = "mlflow.source.git.commit"
SOURCE_TAG = "mlflow.source.name"
LINKED_TAG_PREFIX = "pawl.linked."
"""On a parent: + the stage's name; the run that holds a result which was made elsewhere."""

_MAX_NAME_CHARACTERS = 250


@dataclass(frozen=True)
class Experiments:
    """The two experiments of a repository: whoever works on a branch needs no right to write main's."""

    main: str
    branches: str


def experiments(name: str) -> Experiments:
    """The experiments of the repository that is called `name`."""
    return Experiments(main=name, branches=f"{name} branches")


def allowed_name(name: str) -> str:
    """A parameter's, metric's or tag's name as MLflow takes it.

    >>> allowed_name("train.lr"), allowed_name("f1@0.5"), allowed_name("a//b/../c")
    ('train.lr', 'f1_0.5', 'a/b/_/c')
    """
    name = re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)
    parts = [part if part.strip(".") else "_" for part in name.split("/") if part]
    return "/".join(parts)[:_MAX_NAME_CHARACTERS].rstrip("/") or "_"

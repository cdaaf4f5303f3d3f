"""Versions and aliases in MLflow's registry. Whatever is broken off, or done by several at once, is done again from
the start and ends the same: what is there is found, what is missing is made, and aliases follow from marks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.errors import ServiceError
from pawl.pipeline.project import one_line
from pawl.registry.marks import PROMOTION_PREFIX, ROLLBACK_PREFIX, Mark, Word, candidate, champion, marks_of
from pawl.registry.signing import SIGNATURE
from pawl.tracking.finding import RefusedError, make_experiment
from pawl.tracking.names import COMMIT_TAG, KEY_TAG, KIND_TAG, RUN_TAG, STAGE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PACKAGE_TAG = "pawl.package"
"""Digest of the package as DVC has it: by it a version is found again."""
VERSION_COMMIT_TAG = "pawl.commit"
DATA_DIGEST_TAG = "pawl.data"
PULL_REQUEST_TAG = "pawl.pull_request"
SIGNED_TAG = "pawl.signed"
"""yes or no: whether the package has a signature."""
CANDIDATE, CHAMPION = "candidate", "champion"
_ALIAS_ROUNDS = 20
_MISSING = "RESOURCE_DOES_NOT_EXIST"
_EXISTS = "RESOURCE_ALREADY_EXISTS"
_REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED")


@dataclass(frozen=True)
class NewVersion:
    """What a version is made of."""

    name: str
    package: str
    commit: str
    stage: str
    stage_key: str | None
    description: str
    tags: dict[str, str]


@contextmanager
def answering(shown: str) -> Iterator[None]:
    """A ServiceError of one sentence for whatever MLflow's client raises; `shown` is the server's address."""
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        raise ServiceError(
            f"MLflow at {shown} did not do its part ({one_line(error)[:300]}): see that it answers and that this login "
            "may do so, and run it again; what is done already stays."
        ) from error


def versions_of(client: MlflowClient, name: str) -> list[ModelVersion]:
    """All versions of a model, the oldest first; none where there is no such model."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda version: int(version.version))


def all_marks(versions: list[ModelVersion]) -> list[Mark]:
    """The marks on all versions of a model."""
    return [mark for version in versions for mark in marks_of(int(version.version), version.tags)]


def with_package(versions: list[ModelVersion], package: str) -> ModelVersion | None:
    """The version of that package: the first, where two were made at the same time."""
    return next((version for version in versions if version.tags.get(PACKAGE_TAG) == package), None)


def make_model(client: MlflowClient, name: str) -> None:
    """Make sure that the model has an entry."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != _MISSING:
            raise
        try:
            client.create_registered_model(name)
        except MlflowException as other:
            if other.error_code != _EXISTS:  # somebody else was quicker
                raise


def make_version(client: MlflowClient, experiment: str, new: NewVersion, folder: Path, signature: Path | None) -> int:
    """Upload the package in `folder`, with its signature, to a run of main's experiment, and make a version of it."""
    run_id, root = _run_of(client, experiment, new)
    place = f"packages/{new.package[:16]}"
    client.log_artifacts(run_id, str(folder), place)
    if signature is not None:
        client.log_artifact(run_id, str(signature), place)
    _check_upload(client, run_id, place, folder, signature)
    client.create_model_version(
        new.name,
        f"{root.rstrip('/')}/{place}",
        run_id=run_id,
        tags={PACKAGE_TAG: new.package, SIGNED_TAG: "yes" if signature is not None else "no", **new.tags},
        description=new.description,
    )
    versions = versions_of(client, new.name)
    kept = with_package(versions, new.package)
    if kept is None:
        raise ServiceError(f"MLflow has no version of {new.name} that it said it had made: run `pawl promote` again.")
    for twin in versions:
        # Made by somebody who promotes the same at the same time; both take the first, and nothing refers to this one.
        is_twin = twin.tags.get(PACKAGE_TAG) == new.package and twin.version != kept.version
        if is_twin and not marks_of(int(twin.version), twin.tags):
            _remove_version(client, new.name, str(twin.version))
    return int(kept.version)


def set_mark(client: MlflowClient, name: str, mark: Mark, marks: list[Mark]) -> None:
    """Write a promotion on its version. A decision for a champion stays, whatever a later run of the same says."""
    before = next((m for m in marks if (m.name, m.version) == (mark.name, mark.version)), None)
    if before is None or (before.word != mark.word and before.word != "champion"):
        _write_mark(client, name, mark, mark.word)


def withdraw(client: MlflowClient, name: str, mark: Mark) -> None:
    """Say on the version that the decision does not count: it was measured beside another champion."""
    _write_mark(client, name, mark, "moved")


def roll_back(client: MlflowClient, name: str, mark: Mark) -> None:
    """Say on the version that this promotion was taken back."""
    client.set_model_version_tag(name, str(mark.version), f"{ROLLBACK_PREFIX}{mark.name}", "yes")


def settle_aliases(client: MlflowClient, name: str) -> dict[str, int]:
    """Set candidate and champion as the marks of all versions have it, until they agree; which versions these are.

    Somebody who writes at the same time reads again afterwards too, so the last to write leaves what all marks say.
    """
    from mlflow.exceptions import MlflowException

    for number in range(_ALIAS_ROUNDS):
        marks = all_marks(versions_of(client, name))
        found = {CHAMPION: champion(marks), CANDIDATE: candidate(marks)}
        wanted = {alias: mark.version for alias, mark in found.items() if mark is not None}
        present = client.get_registered_model(name).aliases
        differing = {a: v for a, v in wanted.items() if a not in present or int(present[a]) != v}
        if not differing:
            return wanted
        for alias, version in differing.items():
            try:
                client.set_registered_model_alias(name, alias, str(version))
            except MlflowException as error:
                # Two who set an alias for the first time collide in MLflow's database; look again at what is there.
                if number == _ALIAS_ROUNDS - 1 or error.error_code in _REFUSED:
                    raise
    raise ServiceError(f"the aliases of {name} in MLflow do not stay as they are set: see who else sets them.")


def experiment_id(client: MlflowClient, name: str, uri: str) -> str:
    """The experiment of that name, made where there is none."""
    try:
        return make_experiment(client, name, uri)
    except RefusedError as error:
        raise ServiceError(f"MLflow does not take the model: {error}.") from error


def _run_of(client: MlflowClient, experiment: str, new: NewVersion) -> tuple[str, str]:
    """Id and artifacts' address of the run of main's experiment that made the package, else of one made for it.

    Never a run of another experiment: who may write there could change a champion's files.
    """
    own = f"package {new.name} {new.package}"
    for tag, value in ((KEY_TAG, new.stage_key), (RUN_TAG, own)):
        if value:
            query = f"tags.`{tag}` = '{value}' and attributes.status = 'FINISHED'"
            found = client.search_runs([experiment], query, max_results=1, order_by=["attributes.start_time ASC"])
            if found:
                return str(found[0].info.run_id), str(found[0].info.artifact_uri)
    tags = {RUN_TAG: own, KIND_TAG: "package", STAGE_TAG: new.stage, COMMIT_TAG: new.commit, PACKAGE_TAG: new.package}
    now = int(time.time() * 1_000)
    run = client.create_run(experiment, start_time=now, run_name=f"{new.name} {new.commit[:10]}", tags=tags)
    client.set_terminated(run.info.run_id, status="FINISHED")
    return str(run.info.run_id), str(run.info.artifact_uri)


def _remove_version(client: MlflowClient, name: str, version: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.delete_model_version(name, version)
    except MlflowException as error:
        if error.error_code != _MISSING:  # else somebody else was quicker
            raise


def _check_upload(client: MlflowClient, run_id: str, place: str, folder: Path, signature: Path | None) -> None:
    """Read back that each file is there, of its size: a proxy may say yes and keep nothing."""
    wanted = {f"{place}/{p.relative_to(folder).as_posix()}": p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    if signature is not None:
        wanted[f"{place}/{SIGNATURE}"] = signature.stat().st_size
    found: dict[str, int] = {}
    waiting = [place]
    while waiting:
        for item in client.list_artifacts(run_id, waiting.pop()):
            if item.is_dir:
                waiting.append(item.path)
            else:
                found[item.path] = int(item.file_size or 0)
    missing = sorted(path for path, size in wanted.items() if found.get(path) != size)
    if missing:
        raise ServiceError(
            f"MLflow's store has not kept {missing[0]} ({len(missing)} of {len(wanted)} files): see to its artifact "
            "store, and run `pawl promote` again."
        )


def _write_mark(client: MlflowClient, name: str, mark: Mark, word: Word) -> None:
    client.set_model_version_tag(name, str(mark.version), f"{PROMOTION_PREFIX}{mark.name}", word)

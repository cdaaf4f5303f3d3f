"""What the registry says before anything is measured: each model's champion, and whether it is what was signed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pawl import git
from pawl.registry.history import is_in_history
from pawl.registry.marks import Mark, champion
from pawl.registry.packages import Package
from pawl.registry.signing import Signing, verification_of, verify
from pawl.registry.versions import PACKAGE_TAG, SIGNED_TAG, all_marks, answering, versions_of
from pawl.schema.promotion import AskedModel, Champion, Champions
from pawl.session import Session
from pawl.tracking.server import client_for, tracking_uri, without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

Say = Callable[[str], None]


def ask_registry(session: Session, order: int, packages: list[Package], say: Say) -> Champions:
    """The champion of each package, among those of older commits of main. Raises NotTrustedError for a forged one."""
    uri = tracking_uri(session)
    client, signing = client_for(uri), verification_of(session.config, session.root)
    key = (order, session.head_revision.commit)
    models = []
    with answering(without_secrets(uri)):
        for package in packages:
            versions = versions_of(client, package.name)
            marks = all_marks(versions)
            mark = champion(marks, before=key)
            if mark is not None:
                _verify_version(client, uri, package.name, versions, mark, signing, say)
            models.append(
                AskedModel(
                    name=package.name,
                    path=package.path,
                    champion=_as_champion(mark, versions),
                    measurable=mark is None or _is_measurable(session, mark.commit),
                    rolled_back=_rolled_back(marks, versions),
                )
            )
    return Champions(head=session.head_revision.commit, models=tuple(models))


def download(uri: str, source: str, target: Path) -> Path:
    """The folder below `target` that now has the files of `source`, an address of MLflow's."""
    from mlflow.artifacts import download_artifacts

    return Path(download_artifacts(artifact_uri=source, dst_path=str(target), tracking_uri=uri))


def _verify_version(
    client: MlflowClient, uri: str, name: str, versions: list[ModelVersion], mark: Mark, signing: Signing, say: Say
) -> None:
    [version] = [version for version in versions if int(version.version) == mark.version]
    shown = f"version {mark.version} of {name}, the champion,"
    if version.tags.get(SIGNED_TAG) != "yes":
        say(f"{shown} was registered without a signature: it is taken as it is")
        return
    if not signing.can_verify:
        say(f"{shown} is signed, but {signing.public_key.name} does not exist here: it is taken as it is")
        return
    with tempfile.TemporaryDirectory() as folder:
        source = client.get_model_version_download_uri(name, str(mark.version))
        verify(download(uri, source, Path(folder)), signing, shown)
    say(f"{shown} is what was signed")


def _as_champion(mark: Mark | None, versions: list[ModelVersion]) -> Champion | None:
    if mark is None:
        return None
    [version] = [version for version in versions if int(version.version) == mark.version]
    return Champion(version=mark.version, commit=mark.commit, package=version.tags.get(PACKAGE_TAG, ""), mark=mark.name)


def _is_measurable(session: Session, commit: str) -> bool:
    top = git.toplevel(session.root)
    return git.commit_of(top, commit) is not None and is_in_history(top, commit, session.head_revision.commit)


def _rolled_back(marks: list[Mark], versions: list[ModelVersion]) -> tuple[str, ...]:
    """The packages that a person has taken back."""
    taken = {mark.version for mark in marks if mark.rolled_back}
    return tuple(v.tags[PACKAGE_TAG] for v in versions if int(v.version) in taken and PACKAGE_TAG in v.tags)

"""Versions and aliases for what was decided; whatever is broken off is done again and ends the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pawl import git
from pawl.errors import EXIT_GATE, PawlError
from pawl.registry.description import describe_version
from pawl.registry.history import web_address
from pawl.registry.marks import Mark, champion
from pawl.registry.packages import check_content
from pawl.registry.signing import KEY_VARIABLE, SIGNATURE, Signing, sign, signing_of
from pawl.registry.versions import (
    CHAMPION,
    DATA_DIGEST_TAG,
    PULL_REQUEST_TAG,
    SIGNED_TAG,
    VERSION_COMMIT_TAG,
    NewVersion,
    all_marks,
    answering,
    experiment_id,
    make_model,
    make_version,
    set_mark,
    settle_aliases,
    versions_of,
    with_package,
    withdraw,
)
from pawl.schema.promotion import PromotedModel, Promotion
from pawl.session import Session
from pawl.tracking.names import KEY_TAG, experiments
from pawl.tracking.server import client_for, repository_name, tracking_uri, without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient

Say = Callable[[str], None]


class MovedError(PawlError):
    """The champion is another by now than the one that was measured."""

    exit_code = EXIT_GATE


@dataclass(frozen=True)
class Registry:
    """What registering a model needs beside the model."""

    client: MlflowClient
    experiment: Callable[[], str]
    """Id of main's experiment."""
    content: Callable[[PromotedModel], Path]
    """The package's folder, checked to be what was measured."""
    signing: Signing
    address: str | None
    """The repository's in a browser."""


def register(session: Session, promotion: Promotion, env: Mapping[str, str], say: Say) -> Promotion:
    """Register all models of `promotion`; the same with what came of it. Raises MovedError where one has to be
    measured again, and ServiceError where the server fails: what is done stays, and is found the next time.
    """
    uri, signing = tracking_uri(session), signing_of(session.config, session.root, env)
    if signing.mode == "off":
        say(f"signing: off, because {KEY_VARIABLE} is not set; anybody who can write MLflow's store can change a model")
    client = client_for(uri)
    name = experiments(session.config.tracking.experiment or repository_name(session)).main
    registry = Registry(
        client=client,
        experiment=cache(lambda: experiment_id(client, name, uri)),
        content=lambda model: check_content(session.head, model.path, model.package),
        signing=signing,
        address=web_address(git.toplevel(session.root)),
    )
    done = []
    with answering(without_secrets(uri)):
        for model in promotion.models:
            done.append(register_model(registry, promotion, model))
            say(_told(done[-1]))
    return promotion.model_copy(update={"models": tuple(done)})


def register_model(registry: Registry, promotion: Promotion, model: PromotedModel) -> PromotedModel:
    """A version of the model with its mark, and the aliases that follow."""
    client, commit = registry.client, promotion.head.commit
    versions = versions_of(client, model.name)
    if model.decision == "champion" and _has_moved(promotion, model, all_marks(versions)):
        raise _moved(model)
    kept = with_package(versions, model.package)
    if kept is None:
        version = _upload(registry, promotion, model)
        versions = versions_of(client, model.name)
    else:
        version = int(kept.version)
    word = "champion" if model.decision == "champion" else "candidate"
    mark = Mark(promotion.order, commit, version, word)  # type: ignore[arg-type]
    set_mark(client, model.name, mark, all_marks(versions))
    versions = versions_of(client, model.name)
    if model.decision == "champion" and _has_moved(promotion, model, all_marks(versions)):
        withdraw(client, model.name, mark)
        settle_aliases(client, model.name)
        raise _moved(model)
    aliases = settle_aliases(client, model.name)
    [made] = [found for found in versions if int(found.version) == version]
    return model.model_copy(
        update={
            "version": version,
            "champion_now": aliases.get(CHAMPION),
            "signed": made.tags.get(SIGNED_TAG) == "yes",
        }
    )


def _upload(registry: Registry, promotion: Promotion, model: PromotedModel) -> int:
    tags = {
        VERSION_COMMIT_TAG: promotion.head.commit,
        DATA_DIGEST_TAG: model.data_digest or "",
        KEY_TAG: model.stage_key or "",
        PULL_REQUEST_TAG: str(promotion.pull_request or ""),
    }
    new = NewVersion(
        name=model.name,
        package=model.package,
        commit=promotion.head.commit,
        stage=model.stage,
        stage_key=model.stage_key,
        description=describe_version(promotion, model, registry.address),
        tags={name: value for name, value in tags.items() if value},
    )
    folder = registry.content(model)
    with tempfile.TemporaryDirectory() as place:
        signature = None
        if registry.signing.mode != "off":
            signature = Path(place) / SIGNATURE
            sign(folder, signature, registry.signing)
        make_model(registry.client, model.name)
        return make_version(registry.client, registry.experiment(), new, folder, signature)


def _has_moved(promotion: Promotion, model: PromotedModel, marks: list[Mark]) -> bool:
    """Whether the champion of the commits before is another than the one that the model was measured beside."""
    now = champion(marks, before=(promotion.order, promotion.head.commit))
    return (now.name if now else None) != (model.champion.mark if model.champion else None)


def _moved(model: PromotedModel) -> MovedError:
    return MovedError(
        f"the champion of {model.name} is another than the one that was measured: run `pawl promote` again, from its "
        "first step."
    )


def _told(model: PromotedModel) -> str:
    is_champion = model.version == model.champion_now
    what = "champion" if is_champion else f"not champion (that is version {model.champion_now})"
    what = "not champion, and nothing is" if model.champion_now is None else what
    return f"{model.name}: version {model.version} is {what}: {model.why}"

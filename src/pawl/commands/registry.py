"""`pawl promote` and `pawl verify`: the model registry."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pawl.commands.opening import choices, print_json
from pawl.errors import InputError
from pawl.options import HERE, ConfigFile, Folder, Jobs, Json, NoRemote, Reports

if TYPE_CHECKING:
    from pawl.config import Config
    from pawl.schema.promotion import Promotion
    from pawl.session import Choices

PROMOTE_EXAMPLE = "Example: pawl promote --dry-run"
VERIFY_EXAMPLE = "Example: pawl verify models:/ct-digits@champion"
Step = Literal["pull", "measure", "register"]
_ROUNDS = 3


def promote(
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    no_remote: NoRemote = False,
    jobs: Jobs = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and say what would become of it.")] = False,
    step: Annotated[
        Step | None, typer.Option(help="One of the three steps alone, in this order; the last two need no DVC remote.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Make the champion before the present one it again.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="With --rollback: which model, as the registry calls it.")] = None,
    as_json: Json = False,
) -> None:
    """On main: register each model as candidate, and as champion where the gate holds against the present champion."""
    from pawl.console import say
    from pawl.session import exclusive

    if (rollback and (dry_run or step)) or (model and not rollback):
        raise InputError("--rollback goes with --model alone, and --model with --rollback.")
    chosen = choices(folder, None, None, config, reports, no_remote or step in ("measure", "register"), False)
    reason = _nowhere_to(folder, config)
    if reason:
        say(f"promotion: {reason}, so nothing is registered")
        return
    with exclusive(folder):
        if rollback:
            _roll_back(chosen, model)
            return
        promotion = _promote(chosen, step, dry_run=dry_run, jobs=jobs)
    if promotion is not None and as_json:
        print_json(promotion)


def _promote(chosen: Choices, step: Step | None, *, dry_run: bool, jobs: int | None) -> Promotion | None:
    """The steps that are wanted; all of them again where the champion moved meanwhile."""
    from pawl.actions.runs import unsay
    from pawl.console import say, watch
    from pawl.registry.promotion import measure, open_place, pull, register_all
    from pawl.registry.registering import MovedError

    place = open_place(chosen)
    if not place.packages:
        say("promotion: no stage's output matches `packages` in pawl.yaml, so there is nothing to register")
        return None
    for left in reversed(range(_ROUNDS)):
        promotion = None
        if step in (None, "pull"):
            pull(chosen, place, say)
        if step in (None, "measure"):
            try:
                promotion = measure(chosen, place, say, jobs=jobs, watch=watch)
            finally:
                unsay(os.environ)
        if step == "register" and not dry_run:
            return register_all(place, os.environ, say)
        if step is not None or dry_run:
            break
        try:
            return register_all(place, os.environ, say)
        except MovedError as moved:
            if not left:
                raise
            say(f"{moved}"[:200])
    for found in promotion.models if promotion else ():
        would = "candidate and champion" if found.decision == "champion" else found.decision
        say(f"{found.name}: would be {would}: {found.why}")
    return promotion


def _roll_back(chosen: Choices, model: str | None) -> None:
    from dataclasses import replace

    from pawl.registry.promotion import own_packages
    from pawl.registry.rollback import roll_back_one
    from pawl.session import open_session

    session = open_session(replace(chosen, base="HEAD", allow_dirty=True))
    done = roll_back_one(session, [package.name for package in own_packages(session)], model)
    typer.echo(f"{done.name}: version {done.now} is champion again, in place of version {done.before}")


def verify(
    model: Annotated[str, typer.Argument(help="A folder, models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN/PATH.")],
    folder: Folder = HERE,
    config: ConfigFile = None,
) -> None:
    """Exit 0 where the model is what was signed, byte for byte, and 1 with one sentence where it is not."""
    from pawl.config import load_config
    from pawl.pipeline.project import dvc_root
    from pawl.registry.signing import verification_of
    from pawl.registry.verification import verify_model

    root = dvc_root(folder.absolute())
    settings = load_config(root, config)
    verify_model(model, verification_of(settings, root), lambda: _tracking_uri(folder, config))
    typer.echo(f"ok: {model} is what was signed")


def _tracking_uri(folder: Path, config: Path | None) -> str:
    from dataclasses import replace

    from pawl.session import open_session
    from pawl.tracking.server import tracking_uri

    chosen = choices(folder, "HEAD", None, config, None, True, True)
    return tracking_uri(open_session(replace(chosen, base="HEAD")))


def _nowhere_to(folder: Path, config: Path | None) -> str:
    """Why there is no registry; empty where there is one."""
    from pawl.config import load_config
    from pawl.pipeline.project import dvc_root

    settings: Config = load_config(dvc_root(folder.absolute()), config)
    if not settings.tracking.enabled:
        return "tracking.enabled is false in pawl.yaml"
    if find_spec("mlflow") is None:
        return "MLflow is not installed"
    # A workflow sets the variable to nothing where the repository names no server.
    if os.environ.get("MLFLOW_TRACKING_URI") == "" and not settings.tracking.uri:
        return "no server is named in MLFLOW_TRACKING_URI"
    return ""

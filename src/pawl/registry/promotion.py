"""The three steps of `pawl promote`: ask and fetch, measure, register. Each needs other rights, and no two need all.

What they pass on lies in `reports/promotion/` and `reports/promotion.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl import git
from pawl.errors import EXIT_STAGE, InputError, PawlError
from pawl.registry.asking import ask_registry
from pawl.registry.decision import decide
from pawl.registry.history import order_on_main, pull_request_of
from pawl.registry.packages import Package, is_package, packages_of
from pawl.registry.registering import register
from pawl.schema import Comparison, Plan, Stages
from pawl.schema.promotion import AskedModel, Champions, PromotedModel, Promotion
from pawl.session import Choices, Session, open_session, read_file, write_file
from pawl.steps import compare_step, plan_step, pull_step, reproduce_step
from pawl.tracking.server import repository_name

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pawl.pipeline.progress import Progress

Say = Callable[[str], None]
FOLDER = "promotion"
_FILE, _CHAMPIONS = "promotion.json", "champions.json"
_FIRST = "first"
"""The folder of what is measured without a champion."""


class StageFailedError(PawlError):
    """A stage of the commit that is promoted failed."""

    exit_code = EXIT_STAGE


@dataclass(frozen=True)
class Place:
    """The commit that is promoted."""

    session: Session
    order: int
    packages: list[Package]

    @property
    def reports(self) -> Path:
        """Where the steps leave what the next one reads."""
        return self.session.reports / FOLDER


def open_place(choices: Choices) -> Place:
    """The checked-out commit. Raises InputError where it is not on main, or something is uncommitted."""
    session = open_session(replace(choices, base="HEAD"))
    commit = session.head_revision.commit
    order = order_on_main(git.toplevel(session.root), commit, session.config.base)
    return Place(session, order, own_packages(session))


def own_packages(session: Session) -> list[Package]:
    """The outputs that would be registered, by pawl.yaml."""
    config = session.config
    return packages_of(session.head, config.packages, config.registry.name, repository_name(session))


def pull(choices: Choices, place: Place, say: Say) -> None:
    """Ask which champions there are, check their signatures, and fetch what measuring will read."""
    asked = ask_registry(place.session, place.order, place.packages, say)
    write_file(place.reports, _CHAMPIONS, asked)
    for group in _groups(asked):
        session = _against(choices, place, group)
        plan, head_looks, base_looks = plan_step(session, everything=group == _FIRST)
        pull_step(session, plan, head_looks, base_looks, say, rescored=True)


def measure(
    choices: Choices,
    place: Place,
    say: Say,
    *,
    jobs: int | None,
    watch: Callable[[Progress], AbstractContextManager[Any]],
) -> Promotion:
    """Hold each model against its champion on the same test set, and write `promotion.json`."""
    asked = read_file(place.reports, _CHAMPIONS, Champions, "pawl promote --step pull")
    if asked.head != place.session.head_revision.commit:
        raise InputError(
            f"{_CHAMPIONS} is for commit {asked.head[:10]}, but another is checked out: "
            "run `pawl promote --step pull` again."
        )
    packages = {package.name: package for package in place.packages}
    models: list[PromotedModel] = []
    for group, of_group in _groups(asked).items():
        session = _against(choices, place, group, made=True)
        # As it was planned, so that nothing is looked for which was not fetched.
        written = read_file(session.reports, "plan.json", Plan, "pawl promote --step pull")
        plan, head_looks, base_looks = plan_step(session, everything=written.everything)
        stages = reproduce_step(session, plan, head_looks, base_looks, say, jobs=jobs, watch=watch, rescored=True)
        _check_stages(stages)
        comparison = compare_step(session, plan, stages)
        models += _decided(session, of_group, packages, (plan, stages, comparison), say)
    promotion = Promotion(
        head=place.session.head_revision,
        order=place.order,
        pull_request=pull_request_of(place.session.head_revision.subject),
        models=tuple(sorted(models, key=lambda model: model.path)),
    )
    write_file(place.session.reports, _FILE, promotion)
    return promotion


def register_all(place: Place, env: Mapping[str, str], say: Say) -> Promotion:
    """Make versions and aliases as `promotion.json` has it, and write into that what came of it."""
    promotion = read_file(place.session.reports, _FILE, Promotion, "pawl promote --step measure")
    if promotion.head.commit != place.session.head_revision.commit:
        raise InputError(
            f"{_FILE} is for commit {promotion.head.commit[:10]}, but another is checked out: "
            "run `pawl promote --step measure` again."
        )
    _check_models(place, promotion)
    done = register(place.session, promotion, env, say)
    write_file(place.session.reports, _FILE, done)
    return done


def _groups(asked: Champions) -> dict[str, list[AskedModel]]:
    """The models by the commit that their champions are from; without a champion to measure, together."""
    groups: dict[str, list[AskedModel]] = {}
    for model in asked.models:
        measured = model.champion is not None and model.measurable
        groups.setdefault(model.champion.commit if measured and model.champion else _FIRST, []).append(model)
    return groups


def _against(choices: Choices, place: Place, group: str, *, made: bool = False) -> Session:
    """A session whose base is the champion's commit, judged by the settings of what is promoted, which main has."""
    reports = place.reports / (group if group == _FIRST else group[:16])
    base = "HEAD" if group == _FIRST else group
    plan = read_file(reports, "plan.json", Plan, "pawl promote --step pull") if made else None
    session = open_session(replace(choices, base=base, reports=reports), made=plan)
    rules = replace(session.rules, base=None, head=session.config)
    return replace(session, rules=rules, base=None if group == _FIRST else session.base)


def _decided(
    session: Session,
    models: list[AskedModel],
    packages: Mapping[str, Package],
    results: tuple[Plan, Stages, Comparison],
    say: Say,
) -> list[PromotedModel]:
    decided = []
    for asked in models:
        package = packages.get(asked.name)
        if package is None:
            continue
        folder = Path(session.head.root) / package.path
        if folder.exists() and not is_package(folder):
            say(f"{package.path} is no model package: it has no MLmodel; it is left out")
            continue
        decided.append(decide(session, asked, package, *results))
    return decided


def _check_models(place: Place, promotion: Promotion) -> None:
    """What the step before wrote lay where stages ran: believe of it nothing that is known here."""
    known = {(package.name, package.path, package.stage) for package in place.packages}
    strange = [model.name for model in promotion.models if (model.name, model.path, model.stage) not in known]
    if strange or promotion.order != place.order:
        what = f"names {strange[0]}, which is no package" if strange else f"says {promotion.order} for the place"
        raise InputError(f"{_FILE} {what} of this commit: run `pawl promote --step measure` again.")


def _check_stages(stages: Stages) -> None:
    failed = [stage.name for stage in stages.failed("head")]
    if failed:
        raise StageFailedError(f"{', '.join(failed[:3])} failed, so nothing is promoted: correct it on main.")

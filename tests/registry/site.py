"""A registry with a real database, and what promoting a commit's model to it is: asked, decided and registered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from pawl.registry.marks import champion
from pawl.registry.registering import MovedError, Registry, register_model
from pawl.registry.signing import Signing
from pawl.registry.versions import all_marks, versions_of
from pawl.schema import Revision
from pawl.schema.promotion import Champion, Decision, PromotedMetric, PromotedModel, Promotion

COMMITS = {order: f"{order:x}" * 40 for order in range(1, 10)}
PACKAGES = {order: f"{order:x}" * 32 for order in range(1, 10)}


@dataclass
class Site:
    """A database, and a model of its own for each test."""

    uri: str
    folder: Path
    numbers: Iterator[int]

    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def name(self) -> str:
        return f"ct-model-{next(self.numbers)}"

    def registry(self, client: Any) -> Registry:
        def experiment() -> str:
            found = client.get_experiment_by_name("ct")
            return str(found.experiment_id)

        return Registry(client, experiment, self.content, Signing("off", Path("none"), None), "https://github.com/a/ct")

    def content(self, model: PromotedModel) -> Path:
        place = self.folder / model.package
        if not place.exists():
            (place / "code").mkdir(parents=True)
            (place / "MLmodel").write_text("flavors: {}\n")
            (place / "code" / "model.py").write_text(f"# {model.package}\n")
        return place


def model(name: str, order: int, decision: Decision, beside: Champion | None = None, package: int = 0) -> PromotedModel:
    metric = PromotedMetric(
        name="accuracy", path="m.json", key="accuracy", base=0.8, head=0.9, verdict="better", primary=True, told="more"
    )
    return PromotedModel(
        name=name, path="packages/m", stage="package", package=PACKAGES[package or order], stage_key=None,
        data_digest=None, champion=beside, metrics=(metric,), decision=decision, why="as measured",
    )  # fmt: skip


def promotion(order: int) -> Promotion:
    head = Revision(commit=COMMITS[order], name="main", subject=f"Change {order} (#{order})")
    return Promotion(head=head, order=order, pull_request=order, models=())


def present(client: Any, name: str, order: int) -> Champion | None:
    """What `--step pull` would ask: the champion of the commits before."""
    found = champion(all_marks(versions_of(client, name)), before=(order, COMMITS[order]))
    if found is None:
        return None
    return Champion(version=found.version, commit=found.commit, package="0" * 32, mark=found.name)


def promote(site: Site, client: Any, name: str, order: int, decision: Decision, package: int = 0) -> PromotedModel:
    """As the command does it: measured again where the champion has moved."""
    while True:
        asked = model(name, order, decision, present(client, name, order), package)
        try:
            return register_model(site.registry(client), promotion(order), asked)
        except MovedError:
            continue


def state(client: MlflowClient, name: str) -> dict[str, Any]:
    """All that promotions decide: versions by package with their marks and files, and aliases by package."""
    versions = versions_of(client, name)
    packages = {int(version.version): version.tags["pawl.package"] for version in versions}
    aliases = client.get_registered_model(name).aliases
    files = {
        version.tags["pawl.package"]: sorted(
            item.path for item in client.list_artifacts(version.run_id, f"packages/{version.tags['pawl.package'][:16]}")
        )
        for version in versions
    }
    return {
        "aliases": {alias: packages[int(version)] for alias, version in aliases.items()},
        "versions": {version.tags["pawl.package"]: (version.tags, version.description) for version in versions},
        "count": len(versions),
        "files": files,
        "runs": len({version.run_id for version in versions}),
    }

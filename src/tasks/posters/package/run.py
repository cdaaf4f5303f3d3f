"""package: the model as a service that takes posters."""

from __future__ import annotations

from tasks.common.packaging.build import PackageParams, build_package
from tasks.common.packaging.examples import image_inputs
from tasks.common.stage.paths import TaskPaths
from tasks.posters.infer import ENDPOINT


class Params(PackageParams):
    """`posters.package`."""


def run(paths: TaskPaths, params: Params) -> None:
    """Write packages/posters. Raises TaskError where there is no usable model."""
    inputs = image_inputs(paths, ENDPOINT, "images", params.examples)
    build_package(paths, params, ENDPOINT, inputs)

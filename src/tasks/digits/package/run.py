"""package: the model as a service that takes pictures of single digits."""

from __future__ import annotations

from tasks.common.packaging.build import PackageParams, build_package
from tasks.common.packaging.examples import image_inputs
from tasks.common.stage.paths import TaskPaths
from tasks.digits.infer import ENDPOINT
from tasks.digits.model.network import BRIGHTEST


class Params(PackageParams):
    """`digits.package`."""


def run(paths: TaskPaths, params: Params) -> None:
    """Write packages/digits. Raises TaskError where there is no usable model."""
    inputs = image_inputs(paths, ENDPOINT, "images", params.examples, brightest=BRIGHTEST)
    build_package(paths, params, ENDPOINT, inputs)

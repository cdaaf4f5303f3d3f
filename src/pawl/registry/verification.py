"""`pawl verify MODEL`: whether a model is what somebody trusted signed, wherever it lies."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.errors import InputError
from pawl.registry.asking import download
from pawl.registry.packages import is_package
from pawl.registry.signing import Signing, verify
from pawl.registry.versions import answering
from pawl.tracking.server import client_for, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION = re.compile(r"models:/([^/@]+)(?:@([^/@]+)|/(\d{1,9}))")


def verify_model(model: str, signing: Signing, uri: Callable[[], str]) -> None:
    """Verify a folder, models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN/PATH; NotTrustedError where it fails.

    uri: says where MLflow is; asked for what lies there alone.
    """
    if not model.startswith(("models:/", "runs:/")):
        folder = Path(model)
        if not folder.is_dir():
            raise InputError(
                f"{model} is neither a folder nor an address such as models:/NAME@champion or runs:/RUN/PATH."
            )
        _verify_folder(folder, signing, model)
        return
    address = uri()
    with tempfile.TemporaryDirectory() as target, answering(without_secrets(address)):
        _verify_folder(download(address, _source(model, address), Path(target)), signing, model)


def _source(model: str, uri: str) -> str:
    """Where the files lie. Not `models:/` itself: MLflow adds a file of its own to what it takes from there."""
    if model.startswith("runs:/"):
        return model
    matched = _VERSION.fullmatch(model)
    if matched is None:
        raise InputError(f"{model} names no version: write models:/NAME@ALIAS or models:/NAME/VERSION.")
    name, alias, number = matched.groups()
    client = client_for(uri)
    version = number or str(client.get_model_version_by_alias(name, alias).version)
    return str(client.get_model_version_download_uri(name, version))


def _verify_folder(folder: Path, signing: Signing, shown: str) -> None:
    if not is_package(folder):
        raise InputError(f"{shown} is no model package: it has no MLmodel.")
    verify(folder, signing, shown)

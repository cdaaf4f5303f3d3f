"""Signing keys as the documentation says to make them."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_keys(folder: Path, name: str = "signing") -> tuple[Path, Path]:
    """The private and the public half of a new key, each as a PEM file."""
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    generate = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(private)]
    for command in (generate, ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)]):
        subprocess.run(command, check=True, capture_output=True)
    return private, public

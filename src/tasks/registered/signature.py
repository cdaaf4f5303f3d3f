"""Whether a package is, to the last byte, the one that was signed: OpenSSF model signing, with a public key.

https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from tasks.common.stage.errors import TaskError

SIGNATURE_FILE = "model.sig"
KEY_FILE = "model-signing.pub"
_KEY = re.compile(r"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\n?")


def verify(folder: Path, key: Path) -> None:
    """Raise TaskError unless the package in `folder` has a signature of the holder of `key`, and no byte is another.

    A file more, a file less, or a link is another package too. key: public keys in PEM, any
    of which may be the signer's, as `model-signing.pub`.
    """
    signature = folder / SIGNATURE_FILE
    if not key.is_file():
        raise TaskError(f"{key} does not exist; name the file of the public key.")
    if not signature.is_file():
        raise TaskError(f"{folder} is not signed (it has no {SIGNATURE_FILE}); do not use it.")
    try:
        from model_signing import hashing, verifying
    except ImportError:
        raise TaskError(
            f"{folder} cannot be verified: model-signing is not installed; install the version in requirements.txt."
        ) from None
    # Without this list it would leave out what git does, and a file hidden there would be a part of no signature.
    unhashed = hashing.Config().set_ignored_paths(paths=[SIGNATURE_FILE], ignore_git_paths=False)
    if not any(
        _is_signed(folder, signature, text, verifying.Config().set_hashing_config(unhashed)) for text in _keys(key)
    ):
        raise TaskError(f"{folder} is not the package that the holder of {key} signed; do not use it.")


def _keys(file: Path) -> list[str]:
    """The keys in the file: the present one, and those that older packages were signed with."""
    return _KEY.findall(file.read_text(encoding="ascii", errors="replace"))


def _is_signed(folder: Path, signature: Path, key: str, config: Any) -> bool:
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".pub") as file:
        file.write(key)
        file.flush()
        try:
            config.use_elliptic_key_verifier(public_key=Path(file.name)).verify(folder, signature)
        except Exception:  # of a dozen kinds, none of them shared
            return False
    return True

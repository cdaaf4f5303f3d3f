"""Whether a package is, to the last byte, the one that was signed: OpenSSF model signing, with a public key.

https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

from pathlib import Path

from tasks.common.stage.errors import TaskError

SIGNATURE_FILE = "model.sig"
KEY_FILE = "model-signing.pub"


def verify(folder: Path, key: Path) -> None:
    """Raise TaskError unless the package in `folder` has a signature of the holder of `key`, and no byte is another.

    A file more, a file less, or a link is another package too. key: a public key in PEM, as `model-signing.pub`.
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
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(unhashed)
        config.verify(folder, signature)
    except Exception as error:  # of a dozen kinds, none of them shared
        raise TaskError(f"{folder} is not the package that the holder of {key} signed; do not use it.") from error

"""Signatures of model packages, in OpenSSF's format (https://github.com/sigstore/model-transparency)."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from pawl.config import Config
from pawl.errors import EXIT_GATE, InputError, PawlError
from pawl.pipeline.project import one_line

KEY_VARIABLE = "PAWL_SIGNING_KEY"
SIGNATURE = "model.sig"
ISSUER = "https://token.actions.githubusercontent.com"
"""Who vouches for the identity of a workflow, for signatures without a key."""
# MLflow puts it into what it downloads from the registry: the model's name and version, and nothing else.
_MLFLOW_NOTE = "registered_model_meta"
_NOTE_KEYS = {"model_name", "model_version"}
_PUBLIC_KEY = re.compile(r"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\n?")
_NO_KEY = "holds no public key on the curve P-256, P-384 or P-521."
_OTHER_KEY = "it was signed with another key"

Mode = Literal["key", "keyless", "off"]


class NotTrustedError(PawlError):
    """A model that is not what somebody trusted signed."""

    exit_code = EXIT_GATE


@dataclass(frozen=True)
class Signing:
    """How packages are signed, and what their signatures are held against."""

    mode: Mode
    public_key: Path
    identity: str | None
    key: str | None = None
    """The private key as PEM, or the path of a file with it."""

    def __repr__(self) -> str:
        return f"Signing({self.mode!r}, {str(self.public_key)!r}, {self.identity!r})"

    @property
    def can_verify(self) -> bool:
        """Whether there is anything to hold a signature against."""
        return self.mode == "keyless" or self.public_key.is_file()


def signing_of(config: Config, root: Path, env: Mapping[str, str]) -> Signing:
    """What pawl.yaml and the environment say; without a word in pawl.yaml, by key where there is one."""
    settings = config.registry
    key = env.get(KEY_VARIABLE) or None
    mode: Mode = settings.sign or ("key" if key else "off")
    if mode == "key" and not key:
        raise InputError(
            f"`registry.sign` in pawl.yaml is key, but {KEY_VARIABLE} is not set: give it the private key."
        )
    return Signing(mode, root / settings.public_key, settings.identity, key)


def verification_of(config: Config, root: Path) -> Signing:
    """What signatures are held against; needs no private key."""
    settings = config.registry
    mode: Mode = "keyless" if settings.sign == "keyless" else "key"
    return Signing(mode, root / settings.public_key, settings.identity)


def sign(folder: Path, target: Path, signing: Signing) -> None:
    """Write the signature of all files in `folder` to `target`, and check it against the public key.

    Raises InputError where the key cannot be used or is not the public one's other half.
    """
    hashing, openssf, _ = _openssf()
    if (folder / SIGNATURE).exists():
        raise InputError(f"{folder} holds a {SIGNATURE} already, which a stage made: take it out of the package.")
    config = openssf.Config().set_hashing_config(hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False))
    try:
        if signing.mode == "keyless":
            config.use_sigstore_signer(use_ambient_credentials=True).sign(folder, target)
        else:
            with _key_file(signing.key or "") as path:
                config.use_elliptic_key_signer(private_key=path)
            config.sign(folder, target)
    except InputError:
        raise
    except Exception as error:
        what = "GitHub's identity" if signing.mode == "keyless" else KEY_VARIABLE
        # Of a key nothing is repeated, not even in an error.
        told = f" ({one_line(error)})" if signing.mode == "keyless" else ""
        raise InputError(
            f"{folder} cannot be signed with {what}{told}: see docs/registry.md for what it must be."
        ) from None
    if signing.mode == "key":
        if not signing.public_key.is_file():
            raise InputError(
                f"{signing.public_key} does not exist, so nobody could verify a signature: write it with "
                f"`openssl pkey -pubout`, and commit it."
            )
        problem = _problem(folder, target, signing)
        if problem:
            raise InputError(
                f"{KEY_VARIABLE} is not the other half of {signing.public_key}: commit the public key of it."
            )


def verify(folder: Path, signing: Signing, shown: str) -> None:
    """Check that `folder` holds what was signed, all of it and nothing else.

    `shown` is what the model is called in the error, a NotTrustedError of one sentence.
    """
    if not signing.can_verify:
        raise InputError(
            f"{signing.public_key} does not exist, so there is no key to verify {shown} with: see docs/registry.md."
        )
    if not (folder / SIGNATURE).is_file() or (folder / SIGNATURE).is_symlink():
        raise NotTrustedError(f"{shown} has no signature ({SIGNATURE} beside MLmodel): do not use it.")
    problem = _problem(folder, folder / SIGNATURE, signing)
    if problem:
        raise NotTrustedError(f"{shown} is not what was signed: {problem}. Do not use it.")


def _problem(folder: Path, signature: Path, signing: Signing) -> str:
    """What is wrong with the signature or the files; empty where nothing is, by any of the public keys."""
    if signing.mode == "keyless":
        return _problem_by(folder, signature, signing, None)
    problem = _OTHER_KEY
    with tempfile.TemporaryDirectory() as place:
        for number, text in enumerate(_public_keys(signing.public_key)):
            key = Path(place, f"{number}.pub")
            key.write_text(text, encoding="ascii")
            found = _problem_by(folder, signature, signing, key)
            if not found:
                return ""
            problem = found if problem == _OTHER_KEY else problem
    return problem


def _public_keys(path: Path) -> list[str]:
    """The keys in the file, the present one first: older versions were signed with the others."""
    try:
        found = _PUBLIC_KEY.findall(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        found = []
    if not found:
        raise InputError(f"{path} {_NO_KEY}")
    return list(found)


def _problem_by(folder: Path, signature: Path, signing: Signing, key: Path | None) -> str:
    from cryptography.exceptions import InvalidSignature

    hashing, _, verifying = _openssf()
    ignored = [SIGNATURE] if signature.parent == folder else []
    ignored += [_MLFLOW_NOTE] if _is_mlflows_note(folder / _MLFLOW_NOTE) else []
    config: Any = verifying.Config().set_hashing_config(
        hashing.Config().set_ignored_paths(paths=ignored, ignore_git_paths=False)
    )
    if key is None:
        config.use_sigstore_verifier(identity=signing.identity or "", oidc_issuer=ISSUER)
    else:
        try:
            config.use_elliptic_key_verifier(public_key=key)
        except Exception:
            raise InputError(f"{signing.public_key} {_NO_KEY}") from None
    try:
        config.verify(folder, signature)
    except InvalidSignature:
        return "the signature was not made with the key"
    except ValueError as error:
        told = one_line(error)
        if told.startswith("Key mismatch"):
            return _OTHER_KEY
        return (
            told.removeprefix("Signature mismatch: ")[:400]
            if told.startswith("Signature mismatch")
            else (f"its signature or a file cannot be used ({told[:200]})")
        )
    except Exception as error:
        return f"its signature cannot be read ({type(error).__name__})"
    return ""


def _openssf() -> tuple[Any, Any, Any]:
    """The modules hashing, signing and verifying of model-signing; it imports pyOpenSSL without declaring it."""
    try:
        from model_signing import hashing, signing, verifying
    except ImportError as error:
        raise InputError(f"model-signing cannot be used ({error}): install what requirements.txt names.") from None
    return hashing, signing, verifying


def _is_mlflows_note(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 10_000:
        return False
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(content, dict) and set(content) <= _NOTE_KEYS


@contextmanager
def _key_file(key: str) -> Iterator[Path]:
    """A path at which the private key can be read: PEM text goes into memory where there is that, never to a disk."""
    if "-----BEGIN" not in key:
        path = Path(key)
        if not path.is_file():
            raise InputError(f"{KEY_VARIABLE} is neither a PEM text nor the path of a file.")
        yield path
        return
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("key", os.MFD_CLOEXEC)
        try:
            os.write(handle, key.encode())
            yield Path(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(key.encode())
        file.flush()
        yield Path(file.name)

"""Signatures: whatever was changed, and whoever signed, is told in one sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pawl.config import Config, parse_config
from pawl.errors import EXIT_GATE, InputError
from pawl.registry.signing import (
    KEY_VARIABLE,
    SIGNATURE,
    NotTrustedError,
    Signing,
    sign,
    signing_of,
    verification_of,
    verify,
)
from pawl.registry.verification import verify_model
from tests.registry.keys import make_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "code" / "model.py").write_text("x = 1\n")
    (folder / ".gitignore").write_text("*\n")
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 1_000)
    return folder


@pytest.fixture
def signed(package: Path, keys: tuple[Path, Path]) -> Path:
    sign(package, package.parent / SIGNATURE, with_key(keys))
    shutil.move(package.parent / SIGNATURE, package / SIGNATURE)
    return package


def with_key(keys: tuple[Path, Path]) -> Signing:
    return Signing("key", keys[1], None, keys[0].read_text())


def of_key(keys: tuple[Path, Path]) -> Signing:
    return Signing("key", keys[1], None)


def test_what_was_signed_is_trusted(signed: Path, keys: tuple[Path, Path]) -> None:
    verify(signed, of_key(keys), "the model")
    verify_model(str(signed), of_key(keys), lambda: pytest.fail("a folder needs no server"))
    # Byte for byte the same elsewhere.
    verify(shutil.copytree(signed, signed.parent / "elsewhere"), of_key(keys), "the model")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_signature(folder: Path) -> None:
    """Of what was signed, so that the files would fit."""
    bundle = json.loads((folder / SIGNATURE).read_text())
    [signature] = bundle["dsseEnvelope"]["signatures"]
    other = "A" if signature["sig"][20] != "A" else "B"
    signature["sig"] = signature["sig"][:20] + other + signature["sig"][21:]
    (folder / SIGNATURE).write_text(json.dumps(bundle))


def link(folder: Path) -> None:
    (folder / "code" / "model.py").rename(folder.parent / "model.py")
    (folder / "code" / "model.py").symlink_to(folder.parent / "model.py")


def link_signature(folder: Path) -> None:
    shutil.move(folder / SIGNATURE, folder.parent)
    (folder / SIGNATURE).symlink_to(folder.parent / SIGNATURE)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of a large file": (lambda folder: flip(folder / "weights.bin"), "weights.bin"),
    "a bit of the MLmodel": (lambda folder: flip(folder / "MLmodel"), "MLmodel"),
    "a file that git looks after": (lambda folder: flip(folder / ".gitignore"), "gitignore"),
    "a file more": (lambda folder: (folder / "code" / "more.py").write_text("x"), "more.py"),
    "a file of git's more": (lambda folder: (folder / ".gitattributes").write_text("x"), "gitattributes"),
    "a hidden file more": (lambda folder: (folder / ".hidden").write_text("x"), "hidden"),
    "a file less": (lambda folder: (folder / "code" / "model.py").unlink(), "model.py"),
    "another name": (lambda folder: (folder / "weights.bin").rename(folder / "weights.old"), "weights"),
    "a link to the same": (link, "symlink"),
    "no signature": (lambda folder: (folder / SIGNATURE).unlink(), "no signature"),
    "a link for a signature": (link_signature, "no signature"),
    "a bit of the signature": (change_signature, "not made with the key"),
    "an empty signature": (lambda folder: (folder / SIGNATURE).write_text(""), "cannot be"),
    "rubbish for a signature": (lambda folder: (folder / SIGNATURE).write_text('{"a": 1}'), "cannot be"),
    "MLflow's note with code in it": (
        lambda folder: (folder / "registered_model_meta").write_text("model_name: a\nx: evil\n"), "registered_model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_refused(change: str, signed: Path, keys: tuple[Path, Path]) -> None:
    act, told = CHANGES[change]
    act(signed)
    with pytest.raises(NotTrustedError, match=told) as refused:
        verify(signed, of_key(keys), "the model")
    assert refused.value.exit_code == EXIT_GATE
    assert str(refused.value).startswith("the model ")


def test_what_mlflow_adds_to_a_download_is_no_change(signed: Path, keys: tuple[Path, Path]) -> None:
    (signed / "registered_model_meta").write_text("model_name: ct-pets\nmodel_version: '1'\n")
    verify(signed, of_key(keys), "the model")


def test_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    _, other = make_keys(tmp_path, "other")
    with pytest.raises(NotTrustedError, match="signed with another key"):
        verify(signed, Signing("key", other, None), "the model")


def test_the_key_before_counts_as_long_as_it_stands_in_the_file(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    _, new = make_keys(tmp_path)
    both = tmp_path / "both.pub"
    both.write_text(f"The present one:\n{new.read_text()}and the one before:\n{keys[1].read_text()}")
    verify(signed, Signing("key", both, None), "it")
    (signed / "weights.bin").write_bytes(b"other")
    with pytest.raises(NotTrustedError, match="not what was signed"):
        verify(signed, Signing("key", both, None), "it")


def test_another_signers_package_with_our_keys_name_is_refused(
    package: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    """The signature names its key by a digest, which anybody can write."""
    other = make_keys(tmp_path, "other")
    bundles = []
    for pair in (keys, other):
        sign(package, tmp_path / SIGNATURE, with_key(pair))
        bundles.append(json.loads((tmp_path / SIGNATURE).read_text()))
    bundles[1]["verificationMaterial"] = bundles[0]["verificationMaterial"]
    (package / SIGNATURE).write_text(json.dumps(bundles[1]))
    with pytest.raises(NotTrustedError, match="not made with the key"):
        verify(package, of_key(keys), "the model")


def test_the_key_may_be_a_file(package: Path, keys: tuple[Path, Path]) -> None:
    sign(package, package.parent / SIGNATURE, Signing("key", keys[1], None, str(keys[0])))
    shutil.move(package.parent / SIGNATURE, package / SIGNATURE)
    verify(package, of_key(keys), "the model")


def test_pem_text_is_never_on_a_disk(package: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    real = Path.read_bytes

    def read(path: Path) -> bytes:
        content = real(path)
        if b"PRIVATE KEY" in content:
            places.append(str(path.readlink()))
        return content

    monkeypatch.setattr(Path, "read_bytes", read)
    sign(package, package.parent / SIGNATURE, with_key(keys))
    assert [place.startswith("/memfd:") for place in places] == [True]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("/nowhere/key.pem", "neither a PEM text nor the path"),
        ("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n", "cannot be signed with PAWL_SIGNING_KEY"),
    ],
)
def test_a_key_that_cannot_be_used_is_not_repeated(key: str, told: str, package: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=told) as refused:
        sign(package, package.parent / SIGNATURE, Signing("key", keys[1], None, key))
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(Signing("key", keys[1], None, key))


def test_a_key_of_another_kind_or_with_a_passphrase_is_refused(
    package: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    rsa, locked = tmp_path / "rsa.pem", tmp_path / "locked.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-out", rsa], check=True, capture_output=True)
    command = ["openssl", "pkey", "-in", str(keys[0]), "-aes256", "-passout", "pass:abcd", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    for path in (rsa, locked):
        with pytest.raises(InputError, match=r"see docs/registry\.md"):
            sign(package, tmp_path / SIGNATURE, Signing("key", keys[1], None, str(path)))


def test_the_public_key_must_be_there_and_be_the_other_half(
    package: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    _, other = make_keys(tmp_path, "other")
    with pytest.raises(InputError, match="is not the other half"):
        sign(package, tmp_path / SIGNATURE, Signing("key", other, None, keys[0].read_text()))
    with pytest.raises(InputError, match="does not exist"):
        sign(package, tmp_path / SIGNATURE, Signing("key", tmp_path / "none.pub", None, keys[0].read_text()))
    with pytest.raises(InputError, match="no key to verify"):
        verify(package, Signing("key", tmp_path / "none.pub", None), "the model")
    (tmp_path / "bad.pub").write_text("no key")
    (package / SIGNATURE).write_text("{}")
    with pytest.raises(InputError, match="holds no public key"):
        verify(package, Signing("key", tmp_path / "bad.pub", None), "the model")


def test_a_stage_cannot_bring_a_signature_along(signed: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"holds a model\.sig already"):
        sign(signed, signed.parent / SIGNATURE, with_key(keys))


def test_how_is_signed_follows_from_settings_and_secrets(tmp_path: Path) -> None:
    key = {KEY_VARIABLE: "-----BEGIN"}
    forced = parse_config("registry: {sign: key}", "pawl.yaml")
    assert signing_of(Config(), tmp_path, {}).mode == "off"
    assert signing_of(Config(), tmp_path, {KEY_VARIABLE: ""}).mode == "off"
    assert signing_of(Config(), tmp_path, key).mode == "key"
    assert signing_of(parse_config("registry: {sign: off}", "pawl.yaml"), tmp_path, key).mode == "off"
    with pytest.raises(InputError, match="is key, but PAWL_SIGNING_KEY is not set"):
        signing_of(forced, tmp_path, {})
    keyless = parse_config("registry: {sign: keyless, identity: 'https://github.com/a/b/x@y'}", "pawl.yaml")
    assert verification_of(keyless, tmp_path).can_verify
    assert not verification_of(forced, tmp_path).can_verify
    for text in ("{sign: keyless}", "{identity: x}", "{name: one}", "{public_key: ../x.pub}", "{sign: rsa}"):
        with pytest.raises(InputError, match="registry"):
            parse_config(f"registry: {text}", "pawl.yaml")


def test_what_is_no_model_is_said_so(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    for model, told in (
        (str(tmp_path / "none"), "neither a folder nor an address"),
        (str(tmp_path), "has no MLmodel"),
        ("models:/ct-pets", "names no version"),
        ("models:/ct-pets/Production", "names no version"),
    ):
        with pytest.raises(InputError, match=told):
            verify_model(model, of_key(keys), lambda: "sqlite://")

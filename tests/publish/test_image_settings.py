"""`images` in pawl.yaml."""

from __future__ import annotations

import re

import pytest

from pawl.config import ImageSettings, parse_config
from pawl.errors import InputError


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", ImageSettings()),
        ("images: none", ImageSettings(where="none")),
        ("images: branch", ImageSettings(where="branch")),
        ("images: {branch: bots/pictures, keep_days: 7}", ImageSettings(branch="bots/pictures", keep_days=7)),
        (
            "images: {where: bucket, bucket: gs://acme-pictures/ct, address: 'https://pictures.acme.com/ct'}",
            ImageSettings(where="bucket", bucket="gs://acme-pictures/ct", address="https://pictures.acme.com/ct"),
        ),
    ],
)
def test_a_word_or_a_block_says_where(text: str, settings: ImageSettings) -> None:
    assert parse_config(text, "pawl.yaml").images == settings


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("images: elsewhere", '"images.where" is'),
        ("images: 3", '"images" is 3'),
        ("images: bucket", "need each other"),
        ("images: {bucket: gs://acme-pictures}", "need each other"),
        ("images: {where: bucket, bucket: acme-pictures}", '"images.bucket" is'),
        ("images: {where: bucket, bucket: 'gs://acme/../x'}", '"images.bucket" is'),
        ("images: {address: 'https://pictures.acme.com'}", "name it with bucket"),
        ("images: {where: bucket, bucket: gs://acme, address: 'http://pictures.acme.com'}", '"images.address" is'),
        ("images: {where: bucket, bucket: gs://acme, address: 'https://a.test/)[x](y'}", '"images.address" is'),
        ("images: {branch: ../main}", '"images.branch" is'),
        ("images: {branch: a//b}", '"images.branch" is'),
        ("images: {branch: '-f'}", '"images.branch" is'),
        ("images: {keep_days: 0}", '"images.keep_days" is'),
        ("images: {brunch: x}", 'did you mean "branch"?'),
    ],
)
def test_what_cannot_be_is_named(text: str, named: str) -> None:
    with pytest.raises(InputError, match=re.escape(named)):
        parse_config(text, "pawl.yaml")

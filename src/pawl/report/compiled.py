"""The page's templates, compiled once for all runs, as Python does with modules, and in the same kind of place."""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from pickle import UnpicklingError

import jinja2
from jinja2.bccache import Bucket

from pawl.errors import InputError
from pawl.report.files import write_together

_FOLDER = Path(__file__).parent / "templates"


class _Compiled(jinja2.BytecodeCache):
    """A file for each template in `templates/__pycache__`, with a digest of the template; none where Python has none.

    Whoever can write there can write into the program too.
    """

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return name

    def get_source_checksum(self, source: str) -> str:
        return hashlib.sha256(_compiler() + source.encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError, EOFError, UnpicklingError), _place(bucket).open("rb") as stream:
            bucket.load_bytecode(stream)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if not sys.dont_write_bytecode:
            with suppress(InputError):
                write_together({_place(bucket): bucket.bytecode_to_string()})


@cache
def _compiler() -> bytes:
    """What decides beside a template what it is compiled to: an update of Jinja, or of this file, counts at once."""
    return version("jinja2").encode() + Path(__file__).read_bytes()


def _place(bucket: Bucket) -> Path:
    return Path(cache_from_source(str(_FOLDER / bucket.key)))


def page_template() -> jinja2.Template:
    """The whole page; names in it are escaped, and one that it is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        bytecode_cache=_Compiled(),
    )
    return environment.get_template("report.html")

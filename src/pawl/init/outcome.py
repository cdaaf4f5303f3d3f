"""What `pawl init` found and wrote."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.config import Direction
from pawl.schema import LongText, Strict, Text

FileState = Literal["missing", "lacks", "same", "differs", "blocked", "yours"]


class PlacedFile(Strict):
    """One file that pawl would have in the repository."""

    path: Text
    """Relative to the top of the checkout."""
    state: FileState
    """As it was found. `lacks`: the file is there without the lines; `blocked`: nothing can be written there;
    `yours`: made to be edited, so that any content is right."""
    written: bool = False
    note: Text = ""
    difference: LongText = ""
    """From what is there to what pawl would write, cut after some lines."""


class Guess(Strict):
    """A metric, and what was made of its name."""

    path: Text
    key: Text
    direction: Direction
    primary: bool = False


class Setup(Strict):
    """What `pawl init --json` prints."""

    schema_version: Literal[1] = 1
    check: bool
    """Whether nothing was to be changed."""
    files: Annotated[tuple[PlacedFile, ...], Field(max_length=10_000)]
    guesses: Annotated[tuple[Guess, ...], Field(max_length=1_000)] = ()
    """Empty where pawl.yaml was there already."""
    notes: Annotated[tuple[Text, ...], Field(max_length=100)] = ()

    @property
    def drifted(self) -> list[PlacedFile]:
        """The files that are not as pawl would have them."""
        return [file for file in self.files if file.state not in ("same", "yours") and not file.written]

"""The options that several commands share, each with its one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

HERE = Path()

Base = Annotated[
    str | None, typer.Option("--base", help="Branch, tag or commit to measure against. Default: `base` in pawl.yaml.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Measure HEAD with a parameter changed; may be repeated."),
]
Folder = Annotated[Path, typer.Option("--repository", "-C", help="A folder of the repository.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings to use in place of pawl.yaml.")]
Reports = Annotated[Path | None, typer.Option("--reports", help="Folder for what is written. Default: reports/.")]
NoRemote = Annotated[bool, typer.Option("--no-remote", help="Take results from this machine only.")]
AllowDirty = Annotated[bool, typer.Option("--allow-dirty", help="Measure uncommitted changes too, and say so.")]
Everything = Annotated[bool, typer.Option("--all", help="Every stage of head, not only those that differ from base.")]
Force = Annotated[bool, typer.Option("--force", help="Run the needed stages of head even if their results are known.")]
Rescore = Annotated[
    bool,
    typer.Option("--rescore", help="Where evaluation or test set differ, judge base's model as head judges its own."),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Stages at once. Default: this process's cores, at most 8."),
]
EngineName = Annotated[
    Literal["local", "ray"],
    typer.Option("--engine", envvar="PAWL_ENGINE", help="Where stages run: here, or on the machines of a Ray cluster."),
]
Address = Annotated[
    str | None, typer.Option("--address", metavar="HOST:PORT", help="Of that cluster. Default: RAY_ADDRESS.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the written JSON on standard output.")]

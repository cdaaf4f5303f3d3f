"""`pawl noise`: how much of a difference the luck of the seed alone makes."""

from __future__ import annotations

from typing import Annotated

import typer

from pawl.commands.opening import engine_of, print_json
from pawl.errors import EXIT_STAGE
from pawl.options import HERE, Address, ConfigFile, EngineName, Folder, Jobs, Json, NoRemote

EXAMPLE = "Example: pawl noise --seeds 5 && git add noise.json"


def noise(
    seeds: Annotated[int, typer.Option("--seeds", "-k", min=1, max=1_000, help="How many other seeds.")] = 5,
    base: Annotated[
        str | None, typer.Option("--base", help="Branch, tag or commit to train. Default: `base` in pawl.yaml.")
    ] = None,
    folder: Folder = HERE,
    config: ConfigFile = None,
    no_remote: NoRemote = False,
    jobs: Jobs = None,
    engine: EngineName = "local",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Train main with other seeds, and write how far its metrics lie apart: what verdicts are widened by."""
    from pawl.config import load_config
    from pawl.console import say, watch
    from pawl.noise.measure import measure_noise
    from pawl.noise.spread import write_noise
    from pawl.noise.table import show_noise
    from pawl.pipeline.project import dvc_root
    from pawl.session import exclusive
    from pawl.tracking.seeds import deliver_seeds
    from pawl.tracking.server import Checkout

    root = dvc_root(folder.absolute())
    settings = load_config(root, config)
    with exclusive(folder):
        found = measure_noise(
            root,
            settings,
            seeds,
            say,
            base=base,
            use_remote=not no_remote,
            jobs=jobs,
            watch=watch,
            engine=engine_of(engine, address),
        )
        deliver_seeds(Checkout(root, settings), say)
    if not found.metrics:
        say("pawl: fewer than 2 trainings ended well, so there is no spread; see the logs in .pawl/noise/logs.")
        raise typer.Exit(EXIT_STAGE)
    written = write_noise(root, settings, found)
    print_json(found) if as_json else show_noise(found)
    say(f"wrote {written}: commit it on {base or settings.base}, where verdicts read it")

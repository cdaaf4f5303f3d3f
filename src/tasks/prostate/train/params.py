"""The parameters of the stage train, which every network's job checks again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tasks.common.learning.jobs import Executor
from tasks.common.learning.trainer import DataParams, TrainerParams
from tasks.common.stage.params import StageParams
from tasks.prostate.model.architecture import Architecture
from tasks.prostate.model.losses import LossName

Share = Annotated[float, Field(ge=0, le=1)]


class FoldParams(StageParams):
    """`prostate.train.folds`."""

    executor: Executor
    workers: Annotated[int, Field(ge=1, le=64)]


class Params(StageParams):
    """`prostate.train`."""

    architecture: Architecture
    channels: Annotated[list[Annotated[int, Field(ge=1, le=2048)]], Field(min_length=2, max_length=6)]
    loss: LossName
    miss_weight: Share
    focus: Annotated[float, Field(ge=1, le=10)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    warmup_share: Annotated[float, Field(ge=0, lt=1)]
    flip_share: Share
    brightness: Annotated[float, Field(ge=0, le=1)]
    shift_pixels: Annotated[int, Field(ge=0, le=256)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    final_model: Literal["folds", "refit"]
    folds: FoldParams
    data: DataParams
    trainer: TrainerParams

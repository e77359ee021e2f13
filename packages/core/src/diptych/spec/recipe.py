"""The recipe: what trains, on what, by which losses, how long. Frozen data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from attrs import frozen, validators

from diptych.spec.part import PartSpec, Slot, setting


_BELOW_ONE = validators.and_(validators.ge(0), validators.lt(1))


@frozen
class Weighted:
    """An objective and its weight in the sum."""

    objective: Annotated[PartSpec, Slot("objective")] = setting("the loss")
    weight: float = setting("its factor in the total", default=1.0, check=validators.ge(0))


@frozen
class Stage:
    """One phase of training."""

    name: str = setting("a name of yours")
    train: tuple[str, ...] = setting("slot paths that train; all else is frozen", check=validators.min_len(1))
    mixture: Mapping[str, float] = setting("how often each data source is drawn, by its name under `data`")
    losses: Mapping[str, Weighted] = setting("objectives by a name of yours", check=validators.min_len(1))
    steps: int = setting("optimiser steps", check=validators.ge(1))
    batch: int = setting("samples a step", default=32, check=validators.ge(1))
    lr: float = setting("peak learning rate", default=1e-3, check=validators.gt(0))
    lr_schedule: Literal["cosine", "constant", "linear"] = setting("how it falls after the warm-up", default="cosine")
    min_lr: float = setting(
        "the learning rate at the end, as a fraction of the peak",
        default=0.0,
        check=validators.and_(validators.ge(0), validators.le(1)),
    )
    warmup: int = setting("steps of linear warm-up", default=50, check=validators.ge(0))
    lr_factors: Mapping[str, float] = setting(
        "factors on the learning rate by slot path; of several the longest path counts",
        factory=dict,
        check=validators.deep_mapping(validators.instance_of(str), validators.ge(0)),
    )
    weight_decay: float = setting("AdamW's decay of matrices", default=0.01, check=validators.ge(0))
    betas: tuple[float, float] = setting(
        "AdamW's betas", default=(0.9, 0.98), check=validators.deep_iterable(_BELOW_ONE)
    )
    clip: float = setting("largest gradient norm", default=1.0, check=validators.gt(0))
    ema: float = setting(
        "decay of the moving average whose weights the stage leaves; 0 for none", default=0.0, check=_BELOW_ONE
    )
    precision: Literal["float32", "bfloat16"] = setting("autocast type", default="float32")
    fit: int = setting("pictures to fit unfitted normalisers on before the stage", default=2048, check=validators.ge(1))


@frozen
class Recipe:
    """A whole training: its model, its data, its stages in order."""

    name: str = setting("the recipe's name")
    model: str = setting("a model spec file or a saved folder, relative to the recipe", is_path=True)
    data: Mapping[str, Annotated[PartSpec, Slot("dataset")]] = setting("data sources by a name of yours")
    stages: tuple[Stage, ...] = setting("the stages, in order", check=validators.min_len(1))
    seed: int = setting(
        "decides fresh weights, the order of data and all noise; below 2^29",
        default=0,
        check=validators.and_(validators.ge(0), validators.lt(2**29)),
    )
    save_every: int = setting("steps between checkpoints", default=500, check=validators.ge(1))

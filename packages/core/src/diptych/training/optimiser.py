"""AdamW over what a stage trains, its learning rate, and the moving average of weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn

from diptych.errors import Problem, SpecError
from diptych.spec.paths import suggest_path, within
from diptych.spec.recipe import Stage


def choose_trained(parts: nn.Module, stage: Stage) -> dict[str, nn.Parameter]:
    """Freeze everything but the slots that a stage trains: -> the trained parameters by name.

    What a module gives as its `fixed_parameters()` (the base under an adapter, a decoder's autoencoder) never trains.

    Raises:
        SpecError: if a path trains nothing; see `wrong_slots`.
    """
    if problems := wrong_slots(parts, stage):
        raise SpecError(problems, "recipe")
    names, trainable = dict(parts.named_parameters()), _trainable(parts)
    for name, parameter in names.items():
        parameter.requires_grad_(name in trainable and any(within(name, path) for path in stage.train))
    for module in parts.modules():
        own = list(module.parameters())
        module.train(bool(own) and any(each.requires_grad for each in own))
    return {name: each for name, each in names.items() if each.requires_grad}


def wrong_slots(parts: nn.Module, stage: Stage) -> list[Problem]:
    """Say which paths that a stage names hold nothing that trains, with the nearest path that does."""
    names, trainable = dict(parts.named_parameters()), _trainable(parts)
    problems = []
    for field, path in [
        *(("train", each) for each in stage.train),
        *(("lr_factors", each) for each in stage.lr_factors),
    ]:
        if any(within(name, path) for name in trainable):
            continue
        message = f"'{path}' holds only weights that never train"
        if not any(within(name, path) for name in names):
            tops = ", ".join(sorted({name.split(".")[0] for name in names}))
            message = f"'{path}' holds no weights{suggest_path(path, names)}; at the top: {tops}"
        problems.append(Problem(f"stages.{stage.name}.{field}", message))
    return problems


def make_optimiser(trained: Mapping[str, nn.Parameter], stage: Stage) -> torch.optim.AdamW:
    """Make AdamW: decay on matrices only, learning rates by the stage's factors, of which the longest path counts."""
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in trained.items():
        near = max((path for path in stage.lr_factors if within(name, path)), key=len, default=None)
        factor = 1.0 if near is None else stage.lr_factors[near]
        decay = stage.weight_decay if parameter.dim() >= 2 else 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    made = [
        {"params": own, "lr": stage.lr * factor, "weight_decay": decay, "factor": factor}
        for (factor, decay), own in groups.items()
    ]
    return torch.optim.AdamW(made, betas=stage.betas, fused=True)


def set_lr(optimiser: torch.optim.Optimizer, stage: Stage, step: int) -> float:
    """Set the learning rate of a step (counted from 0): warm-up, then the stage's fall. Returns the peak group's."""
    if step < stage.warmup:
        level = (step + 1) / stage.warmup
    else:
        done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
        fall = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + cos(pi * done))}[stage.lr_schedule]
        level = stage.min_lr + (1 - stage.min_lr) * fall
    for group in optimiser.param_groups:
        group["lr"] = stage.lr * level * group["factor"]
    return stage.lr * level


class MovingAverage:
    """Exponential moving average of trained weights, warmed up so that early steps do not linger."""

    def __init__(self, trained: Mapping[str, nn.Parameter], decay: float) -> None:
        """Start from the weights as they are."""
        self._trained, self._decay, self.count = trained, decay, 0
        self.average = {name: each.detach().clone() for name, each in trained.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the current weights."""
        self.count += 1
        decay = min(self._decay, (1 + self.count) / (10 + self.count))
        for name, each in self._trained.items():
            self.average[name].lerp_(each, 1 - decay)

    @torch.no_grad()
    def apply(self) -> None:
        """Put the average in the place of the weights."""
        for name, each in self._trained.items():
            each.copy_(self.average[name])


def _trainable(parts: nn.Module) -> set[str]:
    """Return the names of all parameters but those that a module says are fixed."""
    saying: list[Any] = [module for module in parts.modules() if hasattr(module, "fixed_parameters")]
    fixed = {id(each) for module in saying for each in module.fixed_parameters()}
    return {name for name, each in parts.named_parameters() if id(each) not in fixed}

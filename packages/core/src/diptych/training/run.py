"""The one training loop: over the stages of a recipe, step by step, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, nn

from diptych.assemble import build
from diptych.checkpoint.folder import is_folder
from diptych.checkpoint.io import load
from diptych.data.mixture import Mixture
from diptych.errors import DiptychError, OutputError, Problem, SpecError
from diptych.model import UnifiedModel
from diptych.objectives.batch import Batch
from diptych.spec.files import find_file, read_spec, spec_hash
from diptych.spec.model import ModelSpec
from diptych.spec.names import bad_name
from diptych.spec.recipe import Recipe, Stage
from diptych.training.fit import fit_normalisers
from diptych.training.log import TrainingLog
from diptych.training.optimiser import MovingAverage, choose_trained, make_optimiser, set_lr, wrong_slots
from diptych.training.state import Progress, read_losses, read_optimiser, read_progress, read_weights, save_state


class TrainingStoppedError(DiptychError):
    """Training cannot go on; the last checkpoint is unharmed."""


def train(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    model: UnifiedModel | ModelSpec | str | Path | None = None,
    device: str | torch.device = "cpu",
    quiet: bool = False,
    stop_after: Callable[[Stage, int], bool] | None = None,
) -> UnifiedModel:
    """Train by a recipe.

    Args:
        recipe: a recipe, or the path of a recipe file.
        out: the folder for `model/` (the result), `state/` (to resume from) and `log.jsonl`. If it holds a state of
            the same recipe, training goes on from there.
        model: a model, trained in place; or a spec, a spec file or a saved folder, instead of what the recipe names.
        device: where to train.
        quiet: show nothing.
        stop_after: asked after every step; True saves the state and stops early.

    Returns:
        The trained model, also saved as `out/model`.

    Raises:
        SpecError: for everything wrong with recipe or model.
        TrainingStoppedError: if the loss is no longer a number, or nothing that a stage trains has a part in it.
    """
    read = recipe if isinstance(recipe, Recipe) else read_spec(recipe, Recipe)
    return _train(read, Path(out), model, device, quiet, stop_after)


def _train(
    recipe: Recipe,
    out: Path,
    model: UnifiedModel | ModelSpec | str | Path | None,
    device: str | torch.device,
    quiet: bool,
    stop_after: Callable[[Stage, int], bool] | None,
) -> UnifiedModel:
    problems = list(_problems(recipe))
    if problems:
        raise SpecError(problems, "recipe")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}; choose another folder") from error
    model = _model(recipe, model, device)
    run = _Run(recipe, model, out, TrainingLog(out / "log.jsonl", quiet=quiet), stop_after)
    if run.go():
        model.parts.eval()
        model.save(out / "model")
    return model


def _problems(recipe: Recipe) -> Iterator[Problem]:
    names = [stage.name for stage in recipe.stages]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("stages", f"{names.count(name)} stages have the name '{name}'; give each its own", "reference")
    for stage in recipe.stages:
        for name in stage.mixture:
            if name not in recipe.data:
                known = ", ".join(recipe.data) or "none"
                yield Problem(f"stages.{stage.name}.mixture.{name}", f"no such source; under data: {known}")
        for name in stage.losses:
            yield from bad_name(f"stages.{stage.name}.losses.{name}", name)


def _misfits(stage: Stage, model: ModelSpec) -> Iterator[Problem]:
    """Say which losses of a stage a model cannot be trained by."""
    for name, each in stage.losses.items():
        for problem in each.objective.misfits(model) if hasattr(each.objective, "misfits") else ():
            path = f"stages.{stage.name}.losses.{name}.objective"
            yield Problem(f"{path}.{problem.path}" if problem.path else path, problem.message, problem.code)


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        model: UnifiedModel,
        out: Path,
        log: TrainingLog,
        stop_after: Callable[[Stage, int], bool] | None,
    ) -> None:
        self.recipe, self.model, self.log, self.stop_after = recipe, model, log, stop_after
        self.folder = out / "state"
        self.hash = spec_hash(recipe) + spec_hash(model.spec)
        self.sources = {name: part.build() for name, part in recipe.data.items()}

    def go(self) -> bool:
        """Train the remaining stages: -> whether the end was reached."""
        problems = []  # the last stage's mistakes are told before the first starts
        for index, stage in enumerate(self.recipe.stages):
            problems += [*wrong_slots(self.model.parts, stage), *_misfits(stage, self.model.spec)]
            self._mixture(stage, index)
        if problems:
            raise SpecError(problems, "recipe")
        at = read_progress(self.folder, self.hash)
        if at:
            read_weights(self.folder, self.model.parts)
        for index in range(at.stage if at else 0, len(self.recipe.stages)):
            first = at.step if at and at.stage == index else 0
            if not self._stage(index, first):
                return False
        return True

    def _stage(self, index: int, first: int) -> bool:
        stage, model = self.recipe.stages[index], self.model
        mixture = self._mixture(stage, index)
        trained = choose_trained(model.parts, stage)
        if first == 0:
            fit_normalisers(model, stage, mixture)
        losses = self._losses(stage, index)
        own = {f"losses.{name}": each for name, each in losses.named_parameters()}
        optimiser = make_optimiser({**trained, **own}, stage)
        average = MovingAverage(trained, stage.ema) if stage.ema else None
        if first:
            read_optimiser(self.folder, losses, optimiser, average)
        start, began, stop = first, time.monotonic(), False
        with self.log.stage(stage.name, first, stage.steps):
            for step in range(first, stage.steps):
                lr = set_lr(optimiser, stage, step)
                values = self._step(stage, index, step, mixture, losses, optimiser)
                if average:
                    average.update()
                rate = (step + 1 - start) * stage.batch / (time.monotonic() - began)
                self.log.step(stage.name, step + 1, stage.steps, values, lr=lr, samples_per_second=round(rate, 1))
                stop = self.stop_after is not None and self.stop_after(stage, step + 1)
                last = step + 1 == stage.steps
                if not last and (stop or (step + 1) % self.recipe.save_every == 0):
                    at = Progress(index, step + 1, self.hash)
                    save_state(self.folder, at, model.parts, losses, optimiser, average)
                if stop and not last:
                    return False
        if average:
            average.apply()
        save_state(self.folder, Progress(index + 1, 0, self.hash), model.parts, losses)
        return not stop or index + 1 == len(self.recipe.stages)

    def _mixture(self, stage: Stage, index: int) -> Mixture:
        return Mixture(self.sources, stage.mixture, self.recipe.seed * 1000 + index)

    def _losses(self, stage: Stage, index: int) -> nn.ModuleDict:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed * 1000 + index)
            made = {name: each.objective.build() for name, each in stage.losses.items()}
            for objective in made.values():
                if hasattr(objective, "prepare"):
                    objective.prepare(self.model)
        losses = nn.ModuleDict(made).to(self.model.device)
        if index:  # what an objective has learned in the stage before goes on
            before = {name: each.objective for name, each in self.recipe.stages[index - 1].losses.items()}
            same = [name for name, each in stage.losses.items() if before.get(name) == each.objective]
            read_losses(self.folder, nn.ModuleDict({name: losses[name] for name in same}))
        return losses

    def _step(
        self,
        stage: Stage,
        index: int,
        step: int,
        mixture: Mixture,
        losses: nn.ModuleDict,
        optimiser: torch.optim.Optimizer,
    ) -> dict[str, float]:
        model = self.model
        batch = Batch(model, mixture.batch(step, stage.batch))
        generator = Generator().manual_seed((self.recipe.seed * 1000 + index) * 10_000_000 + step)
        total, values, found = torch.zeros((), device=model.device), {}, []
        with torch.autocast(model.device.type, torch.bfloat16, enabled=stage.precision == "bfloat16"):
            for name, objective in losses.items():
                terms = objective(batch, generator)
                found += [name] if terms else []
                for term, value in terms.items():
                    total = total + stage.losses[name].weight * value
                    values[term] = value
        shown = {term: float(value.detach()) for term, value in values.items()}
        self._check(stage, step, shown)
        if total.requires_grad:
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], stage.clip)
            optimiser.step()
        elif len(found) == len(losses):  # else another batch may hold what trains
            raise TrainingStoppedError(
                f"stage '{stage.name}' trains {', '.join(stage.train)}, but none of that has a part in "
                f"its losses ({', '.join(found)}); train what they depend on, or give losses that depend on it"
            )
        return shown

    def _check(self, stage: Stage, step: int, shown: Mapping[str, float]) -> None:
        if not shown:
            raise TrainingStoppedError(
                f"stage '{stage.name}', step {step + 1}: none of its losses found anything to learn in this batch; "
                "do the data sources of its mixture give what they need?"
            )
        bad = [name for name, value in shown.items() if not torch.isfinite(torch.tensor(value))]
        if bad:
            raise TrainingStoppedError(
                f"stage '{stage.name}', step {step + 1}: {', '.join(bad)} is no longer a number; "
                f"the last checkpoint is unharmed ({self.folder}). Lower `lr`, or raise `warmup`"
            )


def _model(recipe: Recipe, given: UnifiedModel | ModelSpec | str | Path | None, device: Any) -> UnifiedModel:
    if isinstance(given, UnifiedModel):
        return given.to(device)
    named = given if isinstance(given, ModelSpec) else find_file(given or recipe.model)
    if isinstance(named, Path) and is_folder(named):
        return load(named, device=device)
    return build(named, seed=recipe.seed, device=device, weights=True)

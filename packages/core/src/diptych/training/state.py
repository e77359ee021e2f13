"""Where a training stands, on disk: enough to go on as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from torch import nn

from diptych.checkpoint.folder import whole_folder
from diptych.checkpoint.tensors import fill, own_tensors, read_tensors, write_tensors
from diptych.errors import CheckpointError
from diptych.training.optimiser import MovingAverage


_OWN = ("parts.safetensors", "losses.safetensors", "average.safetensors", "optimiser.safetensors", "progress.json")


@frozen
class Progress:
    """The next step to take: stage index and step within it. `recipe` is the hash of the recipe it belongs to."""

    stage: int
    step: int
    recipe: str


def save_state(
    folder: Path,
    progress: Progress,
    parts: nn.Module,
    losses: nn.Module,
    optimiser: torch.optim.Optimizer | None = None,
    average: MovingAverage | None = None,
) -> None:
    """Write weights, training-only weights, optimiser and progress; whole or not at all."""
    with whole_folder(folder, _OWN) as temporary:
        write_tensors(own_tensors(parts), temporary / "parts.safetensors")
        write_tensors(own_tensors(losses), temporary / "losses.safetensors")
        if average is not None:
            write_tensors(average.average, temporary / "average.safetensors")
        tensors: dict[str, torch.Tensor] = {}
        for index, state in (optimiser.state_dict()["state"] if optimiser else {}).items():
            tensors |= {f"{index}.{key}": value for key, value in state.items() if torch.is_tensor(value)}
        write_tensors(tensors, temporary / "optimiser.safetensors")
        written: dict[str, Any] = {"stage": progress.stage, "step": progress.step, "recipe": progress.recipe}
        written["average_count"] = average.count if average else 0
        (temporary / "progress.json").write_text(json.dumps(written), encoding="utf-8")


def read_progress(folder: Path, recipe: str) -> Progress | None:
    """Return where a training stands, or None if there is none.

    Raises:
        CheckpointError: if it is damaged, or belongs to another recipe.
    """
    path = folder / "progress.json"
    if not path.exists():
        return None
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        progress = Progress(read["stage"], read["step"], read["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}; remove {folder} to start anew") from error
    if progress.recipe != recipe:
        raise CheckpointError(
            f"{folder} belongs to another recipe (or another version of this one); "
            "give another --out, or remove that folder to start anew"
        )
    return progress


def read_weights(folder: Path, parts: nn.Module) -> None:
    """Read the model's weights of a training state."""
    fill(parts, read_tensors(folder / "parts.safetensors"), str(folder))


def read_losses(folder: Path, losses: nn.Module) -> None:
    """Read those training-only weights of a training state that `losses` has, whatever else is there."""
    own = own_tensors(losses)
    if own:
        stored = read_tensors(folder / "losses.safetensors")
        fill(losses, {name: stored[name] for name in own}, str(folder))


def read_optimiser(
    folder: Path, losses: nn.Module, optimiser: torch.optim.Optimizer, average: MovingAverage | None
) -> None:
    """Read training-only weights, optimiser and moving average of a training state, taken within a stage."""
    fill(losses, read_tensors(folder / "losses.safetensors"), str(folder))
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in read_tensors(folder / "optimiser.safetensors").items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    if average is not None:
        for name, value in read_tensors(folder / "average.safetensors").items():
            average.average[name].copy_(value)
        average.count = json.loads((folder / "progress.json").read_text(encoding="utf-8"))["average_count"]

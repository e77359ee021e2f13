"""Modules and checkpoints written by the official classes, every parameter moved off its start."""

from pathlib import Path

import torch
from torch import Tensor, nn


def moved(model: nn.Module, seed: int = 1, by: float = 0.05) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(by * torch.randn(each.shape, generator=generator))
    return model.eval()


def written(model: nn.Module, folder: Path) -> nn.Module:
    moved(model).save_pretrained(folder)
    return model


def off(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest absolute difference."""
    assert ours.shape == theirs.shape
    return (ours.double() - theirs.double()).abs().max().item()


def assert_same_gradients(own: nn.Module, official: nn.Module, atol: float = 1e-5) -> float:
    """Compare the gradients of two modules of the same names, in units of the largest: -> error."""
    theirs: dict[str, Tensor] = {name: each.grad for name, each in official.named_parameters()}
    assert dict(own.named_parameters()).keys() == theirs.keys()
    largest = max(float(grad.abs().max()) for grad in theirs.values() if grad is not None)
    error = 0.0
    for name, each in own.named_parameters():
        if theirs[name] is not None:
            scaled = each.grad / largest, theirs[name] / largest
            torch.testing.assert_close(*scaled, atol=atol, rtol=0)
            error = max(error, off(*scaled))
    return error

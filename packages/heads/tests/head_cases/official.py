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


def assert_same_gradients(own: nn.Module, official: nn.Module, atol: float = 1e-5) -> None:
    """Compare the gradients of two modules of the same names, in units of the largest."""
    theirs: dict[str, Tensor] = {name: each.grad for name, each in official.named_parameters()}
    assert dict(own.named_parameters()).keys() == theirs.keys()
    largest = max(float(grad.abs().max()) for grad in theirs.values() if grad is not None)
    for name, each in own.named_parameters():
        if theirs[name] is not None:
            torch.testing.assert_close(
                each.grad / largest, theirs[name] / largest, atol=atol, rtol=0
            )

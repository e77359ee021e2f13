"""Tiny checkpoints written by the official classes of transformers."""

from pathlib import Path

import torch
from torch import nn


def moved(model: nn.Module, seed: int = 1, by: float = 0.1) -> nn.Module:
    """Move every parameter off its start, so that nothing is hidden behind a zero or a one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(by * torch.randn(each.shape, generator=generator))
    return model.eval()


def written(model: nn.Module, folder: Path) -> nn.Module:
    moved(model).save_pretrained(folder)
    return model


def assert_same_gradients(own: nn.Module, official: nn.Module, atol: float = 1e-5) -> None:
    theirs = {name: each.grad for name, each in official.named_parameters() if each.grad is not None}
    ours = dict(own.named_parameters())
    largest = max(float(grad.abs().max()) for grad in theirs.values())
    for name, grad in theirs.items():
        torch.testing.assert_close(ours[name].grad / largest, grad / largest, atol=atol, rtol=0)

"""One operation at one shape, as models write it and fused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """What to count.

    Attributes:
        shape: In words.
        inputs: Makes the arguments; those that require a gradient get one.
        eager: The operation as the model that needs it writes it, from the inputs to a tuple.
        forward: The fused forward, from the inputs to a tuple.
        backward: The fused backward, from the inputs; None if the operation has no gradient.
        forward_also: What the fused forward moves beside arguments and results, such as tiles of
            logits, as calls that move as much; only counted, never timed.
        backward_also: The same of the fused backward.
        call: The public function, from the name of an implementation and the inputs to a tuple;
            what the benchmark times.
        captured: Whether a CUDA graph can hold the operation.
    """

    shape: str
    inputs: Callable[[], Sequence[Any]]
    eager: Callable[..., tuple[Tensor, ...]]
    forward: Callable[..., object]
    backward: Callable[..., object] | None
    forward_also: Callable[..., object] | None = None
    backward_also: Callable[..., object] | None = None
    call: Callable[..., tuple[Tensor, ...]] = field(kw_only=True)
    captured: bool = field(default=True, kw_only=True)


def draw(*shape: int, dtype: torch.dtype = torch.bfloat16, learned: bool = True) -> Tensor:
    """A tensor without values: the table is made under fake tensors."""
    return torch.empty(shape, dtype=dtype, requires_grad=learned)


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    """As transformers (``Qwen3RMSNorm``) and diffusers (``RMSNorm``) write it."""
    wide = x.to(torch.float32)
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return weight * wide.to(x.dtype)

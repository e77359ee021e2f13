"""What launchers of Triton kernels share."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def power_of_two(at_least: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << max(at_least - 1, 0).bit_length()


def on_device(tensor: Tensor) -> AbstractContextManager[object]:
    """Triton launches on the current device: makes that the tensor's."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()

"""What the registrations of kernels with torch share."""

from collections.abc import Callable
from typing import Any

import torch


def op_or_launcher(name: str, launcher: Callable[..., Any]) -> Callable[..., Any]:
    """While torch traces, the op, which is one opaque node; else its launcher, which is quicker."""
    if torch.compiler.is_compiling():
        return getattr(torch.ops.diptych_kernels, name)  # type: ignore[no-any-return]
    return launcher


def refuse_second_derivative(operation: str, by: str = "the Triton implementation has") -> None:
    """Raises ``RuntimeError`` in a backward that is asked for a graph of its own.

    ``once_differentiable`` would not do: ``torch.autograd.grad`` prunes the node that raises.
    """
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        raise RuntimeError(
            f"{operation}: {by} no second derivative (create_graph=True); use "
            "implementation='reference'"
        )

"""The implementation ``compile``: ``torch.compile`` of a reference."""

from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor


def compiled(reference: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a reference once for each pattern of absent arguments, dtypes and layouts.

    One compiled function for all patterns would reach torch's limit of recompilations (8), which
    is an error with ``fullgraph=True``. torch keeps what it compiled with the code object, so
    each pattern gets a copy of that.

    Args:
        reference: A function of tensors, Nones and numbers.

    Returns:
        A function of the same arguments, by position. Within an outer ``torch.compile`` it is
        the reference itself.
    """
    function = cast(FunctionType, reference)
    by_pattern: dict[tuple[object, ...], Callable[..., Any]] = {}

    def run(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return reference(*arguments)
        pattern = tuple(map(_pattern, arguments)), torch.is_grad_enabled()
        if pattern not in by_pattern:
            copy = FunctionType(
                function.__code__.replace(),
                function.__globals__,
                function.__name__,
                function.__defaults__,
                function.__closure__,
            )
            by_pattern[pattern] = torch.compile(copy, fullgraph=True, dynamic=True)
        return by_pattern[pattern](*arguments)

    return run


def _pattern(argument: object) -> object:
    if isinstance(argument, Tensor):
        # torch also specialises on axes of length 0 and 1, and on relations between strides.
        axes = tuple(min(length, 2) for length in argument.shape)
        kind = argument.device, argument.dtype, argument.requires_grad
        return *kind, axes, argument.is_contiguous()
    return type(argument)

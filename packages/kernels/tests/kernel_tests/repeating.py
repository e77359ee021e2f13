"""The same bits every time, and in whichever order the programs of a launch run."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from kernel_tests.devices import INTERPRETED


def assert_repeats(everything: Callable[[], Iterable[Tensor]]) -> None:
    """Computes twice, under the interpreter with the programs in another order, and compares."""
    first = list(everything())
    if INTERPRETED:
        from interpreter_checks.order import program_order

        with program_order("backward"):
            second = list(everything())
    else:
        second = list(everything())
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)

"""The order in which the programs of a grid run: a GPU promises none."""

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from triton.runtime.interpreter import InterpreterBuilder

from interpreter_checks.patching import replaced


@contextmanager
def program_order(order: str, seed: int = 0) -> Iterator[None]:
    """Runs programs ``forward``, ``backward`` or ``shuffled``."""
    stock = dict(InterpreterBuilder.__dict__)
    shuffle = random.Random(seed).shuffle
    waiting: list[tuple[int, int, int]] = []

    def set_grid_dim(self: Any, *sizes: int) -> None:
        stock["set_grid_dim"](self, *sizes)
        waiting[:] = itertools.product(*map(range, sizes))
        if order == "backward":
            waiting.reverse()
        elif order == "shuffled":
            shuffle(waiting)

    def set_grid_idx(self: Any, *index: int) -> None:
        stock["set_grid_idx"](self, *waiting.pop(0))

    if order == "forward":
        yield
        return
    with replaced(InterpreterBuilder, set_grid_dim=set_grid_dim, set_grid_idx=set_grid_idx):
        yield

"""Bounds and races: every unmasked lane of every load and store of a launch.

An address is legal if it is an element of one of the launch's tensor arguments, as the view that
was passed, so that writing beyond a view into its own storage is caught too. A race is an
element stored by one program and loaded or stored by another: no program may rely on what
another did within the same launch. Float atomics are refused, as their order is not defined.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Tensor
from triton.runtime.interpreter import GridExecutor, InterpreterBuilder, TensorHandle

from interpreter_checks.patching import replaced


class MemoryCheck(AssertionError):
    """A lane touched memory that it must not touch."""


class _Launch:
    """Who touched which element since the launch began."""

    def __init__(self, tensors: list[Tensor]) -> None:
        addresses = np.concatenate([np.empty(0, np.uint64), *map(_addresses, tensors)])
        sizes = np.concatenate(
            [np.empty(0, np.int64), *(np.full(t.numel(), t.element_size()) for t in tensors)]
        )
        self.addresses, first = np.unique(addresses, return_index=True)
        self.sizes = sizes[first]
        self.program = -1
        self.stored_by = np.full(len(self.addresses), -1)
        self.loaded_by = np.full(len(self.addresses), -1)  # -2 for several programs

    def elements(self, pointers: TensorHandle, mask: TensorHandle, what: str) -> np.ndarray:
        """Positions of the unmasked lanes in ``addresses``."""
        at, live = np.broadcast_arrays(pointers.data, mask.data)
        at = at[live.astype(bool)].ravel()
        size = max(1, pointers.get_element_ty().primitive_bitwidth // 8)
        found = np.searchsorted(self.addresses, at).clip(0, max(0, len(self.addresses) - 1))
        legal = (
            (self.addresses[found] == at) & (self.sizes[found] == size)
            if len(self.addresses)
            else np.zeros(len(at), bool)
        )
        if not legal.all():
            lanes = np.flatnonzero(~legal)
            raise MemoryCheck(
                f"program {self.program} {what} out of bounds: {len(lanes)} of {len(at)} unmasked "
                f"lanes, the first is number {lanes[0]}"
            )
        return found

    def load(self, found: np.ndarray) -> None:
        self._refuse(self.stored_by[found], "loaded what another program stored")
        before = self.loaded_by[found]
        self.loaded_by[found] = np.where((before == -1) | (before == self.program),
                                         self.program, -2)  # fmt: skip

    def store(self, found: np.ndarray) -> None:
        if len(np.unique(found)) != len(found):
            raise MemoryCheck(f"program {self.program} stored one element from two lanes")
        self._refuse(self.stored_by[found], "stored what another program stored")
        self._refuse(self.loaded_by[found], "stored what another program loaded")
        self.stored_by[found] = self.program

    def _refuse(self, programs: np.ndarray, what: str) -> None:
        if ((programs != -1) & (programs != self.program)).any():
            raise MemoryCheck(f"race: program {self.program} {what}")


def _addresses(tensor: Tensor) -> np.ndarray:
    offsets = np.zeros((), dtype=np.int64)
    for length, stride in zip(tensor.shape, tensor.stride(), strict=True):
        offsets = offsets[..., None] + np.arange(length) * stride
    return (tensor.data_ptr() + offsets.ravel() * tensor.element_size()).astype(np.uint64)


@contextmanager
def checked_memory() -> Iterator[None]:
    """Raises from the launch, wrapped in triton's InterpreterError, on a forbidden access."""
    stock = dict(InterpreterBuilder.__dict__)
    stock_arguments = GridExecutor.__dict__["_init_args_hst"]
    launch = _Launch([])

    def arguments(self: Any, args: Any, kwargs: Any) -> Any:
        nonlocal launch
        host, host_kwargs = stock_arguments(self, args, kwargs)
        values = [*host, *host_kwargs.values()]
        launch = _Launch([value for value in values if isinstance(value, Tensor)])
        return host, host_kwargs

    def set_grid_idx(self: Any, *index: int) -> None:
        stock["set_grid_idx"](self, *index)
        launch.program += 1

    def load(self: Any, pointers: Any, mask: Any, *rest: Any) -> Any:
        launch.load(launch.elements(pointers, mask, "loaded"))
        return stock["create_masked_load"](self, pointers, mask, *rest)

    def store(self: Any, pointers: Any, value: Any, mask: Any, *rest: Any) -> Any:
        launch.store(launch.elements(pointers, mask, "stored"))
        return stock["create_masked_store"](self, pointers, value, mask, *rest)

    def atomic(self: Any, kind: Any, pointers: Any, value: Any, *rest: Any) -> Any:
        if value.dtype.scalar.is_floating():
            raise MemoryCheck("an atomic on floats: its result depends on the order of programs")
        return stock["create_atomic_rmw"](self, kind, pointers, value, *rest)

    with (
        replaced(GridExecutor, _init_args_hst=arguments),
        replaced(
            InterpreterBuilder,
            set_grid_idx=set_grid_idx,
            create_masked_load=load,
            create_masked_store=store,
            create_atomic_rmw=atomic,
        ),
    ):
        yield

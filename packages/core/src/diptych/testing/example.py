"""A tiny spec, and inputs made for its ports."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from attrs import field, frozen
from torch import Generator, Tensor

from diptych.ports import Port
from diptych.spec.part import PartSpec


FREE = {"n": 4, "q": 3, "s": 5, "prompt": 5, "height": 2, "width": 2, "tokens": 4}


@frozen(eq=False)
class Example:
    """A part to check.

    Attributes:
        spec: the part's spec, tiny, with all inferred sizes given.
        free: sizes of axes that its ports leave open (some usual names have one already).
        note: tells two examples of one type apart.
        sampler, guidance: specs for a head that samples; none unless given.
        spec_only: the part needs more than a few milliseconds or other parts to run; only its spec is checked.
    """

    spec: PartSpec
    free: Mapping[str, int] = field(factory=dict)
    note: str = ""
    sampler: PartSpec | None = None
    guidance: PartSpec | None = None
    spec_only: bool = False

    def __str__(self) -> str:
        """Name the part: its kind, class and note."""
        return "-".join(filter(None, [self.spec.kind, type(self.spec).__name__, self.note]))

    def size(self, axis: str) -> int:
        """Return the size of an axis: a number, a field of the spec, or a free one."""
        if axis.isdigit():
            return int(axis)
        own = getattr(self.spec, axis, None)
        if isinstance(own, int) and not isinstance(own, bool):
            return own
        if axis in self.free or axis in FREE:
            return {**FREE, **self.free}[axis]
        raise AssertionError(f"{self}: no size for axis '{axis}'; give it in the spec or as free={{'{axis}': …}}")

    def shape(self, port: Port, count: int) -> list[int]:
        """Return the shape that a port promises for a batch of `count`."""
        _, *terms = port.terms()
        return [count, *(prod(self.size(a) for a in ((t,) if isinstance(t, str) else t)) for t in terms)]

    def tensor(self, port: Port, count: int, *, seed: int = 0, like: Tensor | None = None) -> Tensor:
        """Make a standard normal input for a port; row i depends on the seed and i alone."""
        shape = self.shape(port, count)[1:]
        rows = [
            torch.randn(shape, generator=Generator().manual_seed(1000 * seed + row), device="cpu", dtype=torch.float64)
            for row in range(count)
        ]
        return torch.stack(rows).to(like if like is not None else torch.empty(0, dtype=torch.float32))

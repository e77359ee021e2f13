"""FLOPs of code that asks the same of a module again and again: on the meta device every kind of call runs once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from diptych.assembly import Assembly


class Counter:
    """Counts FLOPs inside `counting`, those of calls that were not run again included."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._mode = FlopCounterMode(display=False)
        self._repeated = 0

    @property
    def total(self) -> int:
        """FLOPs so far."""
        return self._mode.get_total_flops() + self._repeated

    @contextmanager
    def counting(self, parts: Assembly) -> Iterator[None]:
        """Count what is run on parts without numbers.

        A network is called for every step of a sampler with tensors of the same shapes: it runs once for each kind of
        shapes. A backbone is called for every token that is written: it runs for the first two of a key/value cache,
        and each further one costs as much more as the second cost more than the first, as attention is linear in what
        it looks back on.
        """
        with ExitStack() as stack:
            for name, module in parts.named_modules():
                if name.endswith(".network"):
                    stack.enter_context(self._replaced(module, self._once))
            if isinstance(parts.backbone, nn.Module):
                stack.enter_context(self._replaced(parts.backbone, self._growing))
            stack.enter_context(self._mode)
            stack.enter_context(torch.no_grad())
            yield

    @contextmanager
    def _replaced(self, module: Any, how: Any) -> Iterator[None]:
        module.forward = how(module.forward)
        try:
            yield
        finally:
            del module.forward

    def _run(self, forward: Any, *args: Any, **named: Any) -> tuple[Any, int]:
        before = self._mode.get_total_flops()
        out = forward(*args, **named)
        return out, self._mode.get_total_flops() - before

    def _once(self, forward: Any) -> Any:
        known: dict[Any, tuple[Any, int]] = {}

        def counted(*args: Any, **named: Any) -> Any:
            kind = _kind((args, named))
            if kind in known:
                self._repeated += known[kind][1]
            else:
                known[kind] = self._run(forward, *args, **named)
            return known[kind][0]

        return counted

    def _growing(self, forward: Any) -> Any:
        seen: dict[int, list[int]] = {}  # FLOPs of the tokens that a cache took one by one
        kept: list[Any] = []  # a cache is known by its place in memory, which must not be given to another

        def counted(embeds: Tensor, mask: Tensor, cache: Any = None, **named: Any) -> Any:
            if cache is None or embeds.shape[1] != 1 or named:
                return forward(embeds, mask, cache, **named)
            kept.append(cache)
            costs = seen.setdefault(id(cache), [])
            if len(costs) < 2:
                out, own = self._run(forward, embeds, mask, cache)
                costs.append(own)
                return out
            costs.append(2 * costs[-1] - costs[-2])
            self._repeated += costs[-1]
            return torch.empty_like(embeds)

        return counted


def _kind(value: Any) -> Any:
    """Return what of a value decides how much a module computes: shapes of tensors, and plain values."""
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype
    if isinstance(value, dict):
        return tuple((key, _kind(each)) for key, each in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_kind, value))
    if attrs.has(type(value)):
        return type(value), tuple(_kind(getattr(value, field.name)) for field in attrs.fields(type(value)))
    return value if isinstance(value, int | float | str | None) else type(value)

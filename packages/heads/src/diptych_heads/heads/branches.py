"""The predictions that a guidance combines, and guidances that cannot do anything."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from diptych.errors import RequestError


class Guidance(Protocol):
    """What a built guidance offers.

    It may also offer `for_one_call() -> Guidance`, if it remembers earlier steps, and
    `partial(condition) -> condition or None` with a `combine` that takes the prediction under that
    as `partial`, if it tells parts of a condition apart.
    """

    def needs_null(self, t: float) -> bool:
        """Say whether `combine` uses the null prediction at time t."""
        ...

    def combine(self, conditional: Tensor, null: Tensor | None, t: float) -> Tensor:
        """Combine both predictions."""
        ...


class Branches:
    """Runs a network under a condition, under the null condition, and what lies between.

    All predictions of a moment are one call of the network on as many times the batch; where
    guidance needs no null prediction, the conditional one is all that is computed. What steps share
    is prepared once.
    """

    def __init__(
        self,
        network: Any,
        condition: Tensor,
        mask: Tensor | None,
        guidance: Guidance | None,
        null: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Prepare the condition `b q d`, in the network's dtype, under its mask `b q`.

        `null` are a condition and a mask that stand in the place of zeros: of negative prompts.
        """
        self.network, self.condition, self.mask, self.null = network, condition, mask, null
        begin: Any = getattr(guidance, "for_one_call", None)
        self.guidance: Any = begin() if begin else guidance
        split: Any = getattr(guidance, "partial", None)
        self.partial: Tensor | None = split(condition) if split else None
        self.plain = network.prepare(condition, mask)
        self.guided: Any = None

    def velocity(self, x: Tensor, t: float, run: Callable[[Tensor, Any], Tensor]) -> Tensor:
        """Compute the guided velocity at (x `b ...`, t) with `run(x, context) -> velocities`."""
        if self.guidance is None or not self.guidance.needs_null(t):
            return run(x, self.plain)
        if self.guided is None:
            self.guided = self._prepare()
        if self.partial is None:
            conditional, null = run(torch.cat([x, x]), self.guided).chunk(2)
            return self.guidance.combine(conditional, null, t)
        conditional, partial, null = run(torch.cat([x, x, x]), self.guided).chunk(3)
        return self.guidance.combine(conditional, null, t, partial)

    def warn_if_idle(self) -> None:
        """Warn, after sampling, of a guidance that would act at some time but was never asked."""
        if self.guidance is not None and self.guided is None and _acts(self.guidance):
            warnings.warn(
                f"{self.guidance} did nothing: no step of the sampler lies in its interval of "
                "times; widen `start` and `end`, or take more steps",
                stacklevel=3,
            )

    def _prepare(self) -> Any:
        conditions = [self.condition]
        if self.partial is not None:
            conditions.append(self.partial)
        if self.null is None and hasattr(self.network, "with_null"):
            known = self.plain
            if len(conditions) > 1:
                known = self.network.prepare(torch.cat(conditions), self._masks(len(conditions)))
            return self.network.with_null(known, len(self.condition))
        if self.null is None:
            conditions.append(torch.zeros_like(self.condition))
            return self.network.prepare(torch.cat(conditions), self._masks(len(conditions)))
        condition, mask = self.null
        every = torch.ones_like(mask) if self.mask is None else self.mask
        masks = torch.cat([every] * len(conditions) + [mask])
        return self.network.prepare(torch.cat([*conditions, condition.to(self.condition)]), masks)

    def _masks(self, count: int) -> Tensor | None:
        return None if self.mask is None else torch.cat([self.mask] * count)


def refuse_guidance_without_effect(
    guidance: Guidance | None,
    condition: Tensor,
    drop_condition: float,
    null: tuple[Tensor, Tensor] | None = None,
) -> None:
    """Stop, or warn, before a guidance works on predictions that do not differ as they should.

    Args:
        guidance: the guidance, or None.
        condition: `b q d`.
        drop_condition: how often training has seen the null condition.
        null: condition and mask of negative prompts, or None.

    Raises:
        RequestError: if a condition is the null condition itself, so that both predictions agree;
            if there are negative prompts and no guidance that would use them.
    """
    if guidance is None or not _acts(guidance):
        if null is not None:
            raise RequestError(
                "negative prompts act through guidance alone, and none acts here; give the step a "
                "`guidance` with a `scale` other than 1"
            )
        return
    if null is not None:
        return
    if not condition.is_meta:
        empty = (condition == 0).all(dim=2).all(dim=1).nonzero().flatten().tolist()
        if empty:
            raise RequestError(
                f"guidance cannot act: the condition of sample {', '.join(map(str, empty))} is all "
                "zeros, which is the null condition; leave the step's `guidance` out, or see why "
                "the condition is empty"
            )
    if drop_condition == 0:
        warnings.warn(
            f"{guidance} extrapolates from a null prediction that was never trained: this head has "
            "`drop_condition: 0`; train with some of it, or leave the step's `guidance` out",
            stacklevel=3,
        )


def _acts(guidance: Guidance) -> bool:
    return any(guidance.needs_null(step / 1000) for step in range(1001))

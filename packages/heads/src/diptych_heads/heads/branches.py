"""The predictions that a guidance combines, and guidances that cannot do anything."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from diptych.errors import RequestError


class Guidance(Protocol):
    """What a built guidance offers.

    It may also offer `for_one_call() -> Guidance`, if it remembers earlier steps, and
    `needs_partial`, if it tells pictures from text: the null condition is then one without either,
    and where it is true `combine` takes the prediction under pictures alone as `partial`.
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
        pictures: Tensor | None = None,
    ) -> None:
        """Prepare the condition `b q d`, in the network's dtype, under its mask `b q`.

        Args:
            network: predicts.
            condition: `b q d`.
            mask: real tokens `b q`; None if all are.
            guidance: combines predictions, or None.
            null: a condition and a mask that stand in the place of zeros: of negative prompts.
            pictures: tokens of pictures `b q`; others are text.

        Raises:
            RequestError: if guidance tells pictures from text, and nobody says which tokens are
                pictures'.
        """
        self.network, self.condition, self.mask, self.null = network, condition, mask, null
        self.guidance: Any = None if guidance is None else for_one_call(guidance)
        tells: bool | None = getattr(guidance, "needs_partial", None)
        if tells is not None and pictures is None:
            raise RequestError(
                f"{guidance} cannot tell text and picture apart: no token of this condition is a "
                "picture's; give the step a condition of type `reference-features`"
            )
        self.pictures = None if tells is None else pictures
        self.partial = bool(tells)
        self.plain = network.prepare(condition, mask)
        self.guided: Any = None

    def velocity(self, x: Tensor, t: float, run: Callable[[Tensor, Any], Tensor]) -> Tensor:
        """Compute the guided velocity at (x `b ...`, t) with `run(x, context) -> velocities`."""
        if self.guidance is None or not self.guidance.needs_null(t):
            return run(x, self.plain)
        if self.guided is None:
            self.guided = self._prepare()
        if not self.partial:
            conditional, null = run(torch.cat([x, x]), self.guided).chunk(2)
            return self.guidance.combine(conditional, null, t)
        conditional, partial, null = run(torch.cat([x, x, x]), self.guided).chunk(3)
        return self.guidance.combine(conditional, null, t, partial)

    def warn_if_idle(self) -> None:
        """Warn, after sampling, of a guidance that would act at some time but was never asked."""
        if self.guidance is not None and self.guided is None and acts(self.guidance):
            warnings.warn(
                f"{self.guidance} did nothing: no step of the sampler lies in its interval of "
                "times; widen `start` and `end`, or take more steps",
                stacklevel=3,
            )

    def _prepare(self) -> Any:
        if self.null is None and hasattr(self.network, "with_null"):
            known = (
                self.network.prepare(*self._joined(*self._between()))
                if self.partial
                else self.plain
            )
            return self.network.with_null(known, len(self.condition))
        return self.network.prepare(*self._joined(*self._between(), self._nothing()))

    def _between(self) -> list[tuple[Tensor, Tensor | None]]:
        """Return the condition, and if it is wanted that of pictures alone, with their masks."""
        whole = (self.condition, self.mask)
        if not self.partial or self.pictures is None:
            return [whole]
        text, text_mask = self._without_text()
        kept = torch.where(self.pictures[..., None], self.condition, text)
        if self.mask is not None and text_mask is not None:
            text_mask = torch.where(self.pictures, self.mask, text_mask)
        return [whole, (kept, text_mask)]

    def _nothing(self) -> tuple[Tensor, Tensor | None]:
        """Return the null condition: without pictures too, if guidance tells them from text."""
        null, mask = self._without_text()
        if self.pictures is not None:
            null = null * ~self.pictures[..., None]
        return null, mask

    def _without_text(self) -> tuple[Tensor, Tensor | None]:
        if self.null is None:
            return torch.zeros_like(self.condition), self.mask
        return self.null[0].to(self.condition), self.null[1]

    @staticmethod
    def _joined(*several: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor | None]:
        """Put conditions behind one another, all under masks if one of them is."""
        conditions = torch.cat([condition for condition, _ in several])
        if all(mask is None for _, mask in several):
            return conditions, None
        every = [
            torch.ones(condition.shape[:2], dtype=torch.bool, device=condition.device)
            if mask is None
            else mask
            for condition, mask in several
        ]
        return conditions, torch.cat(every)


def for_one_call(guidance: Guidance) -> Guidance:
    """Return the guidance as it guides one call: with a memory of its own, if it remembers."""
    begin: Callable[[], Guidance] | None = getattr(guidance, "for_one_call", None)
    return begin() if begin else guidance


def acts(guidance: Guidance) -> bool:
    """Say whether there is a time at which it changes anything."""
    return any(guidance.needs_null(step / 1000) for step in range(1001))


class NullWords(NamedTuple):
    """How a head speaks of its null condition.

    Attributes:
        share: the setting that says how often training has seen it.
        alike: what is wrong with a sample whose condition it is, and what to do.
    """

    share: str
    alike: str


_ZEROS = NullWords(
    "drop_condition",
    "condition of sample {} is all zeros, which is the null condition; leave the step's `guidance` "
    "out, or see why the condition is empty",
)


def refuse_guidance_without_effect(
    guidance: Guidance | None,
    condition: Tensor,
    drop_condition: float,
    null: tuple[Tensor, Tensor] | None = None,
    drop_text: float = 0.0,
    *,
    nothing: Tensor | float = 0.0,
    words: NullWords = _ZEROS,
) -> None:
    """Stop, or warn, before a guidance works on predictions that do not differ as they should.

    Args:
        guidance: the guidance, or None.
        condition: `b q d`.
        drop_condition: how often training has seen the null condition.
        null: condition and mask of negative prompts, or None.
        drop_text: how often training has seen pictures alone.
        nothing: the null condition, `b q d` unless it is the same number everywhere.
        words: how the head speaks of it.

    Raises:
        RequestError: if a condition is the null condition itself, so that both predictions agree;
            if there are negative prompts and no guidance that would use them.
    """
    if guidance is None or not acts(guidance):
        if null is not None:
            raise RequestError(
                "negative prompts act through guidance alone, and none acts here; give the step a "
                "`guidance` with a `scale` other than 1"
            )
        return
    if null is not None:
        return
    if not condition.is_meta:
        alike = (condition == nothing).all(dim=2).all(dim=1).nonzero().flatten().tolist()
        if alike:
            which = ", ".join(map(str, alike))
            raise RequestError(f"guidance cannot act: the {words.alike.format(which)}")
    if drop_condition == 0:
        warnings.warn(
            f"{guidance} extrapolates from a null prediction that was never trained: this head has "
            f"`{words.share}: 0`; train with some of it, or leave the step's `guidance` out",
            stacklevel=3,
        )
    if getattr(guidance, "needs_partial", False) and drop_text == 0:
        warnings.warn(
            f"{guidance} uses a prediction under pictures alone that was never trained: this head "
            "has `drop_text: 0`; train with some of it, or give both scales the same number",
            stacklevel=3,
        )

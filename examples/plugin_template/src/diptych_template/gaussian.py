"""`gaussian`, the spec: fields, sizes and ports. No torch here, so that listing and checking stay quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting


if TYPE_CHECKING:
    from diptych_template.gaussian_module import GaussianHead


@frozen
class Gaussian(PartSpec):
    """Each target token reads the condition; an MLP gives a mean and a spread for each of its numbers."""

    kind: ClassVar[str] = "head"
    hidden: int = setting("inner width of the MLP", default=128, check=validators.ge(1))
    spread: float = setting(
        "how much of the learned spread is sampled: 1 all, 0 the mean alone", default=0.5, check=validators.ge(0)
    )
    # What follows from the connections is inferred: nobody has to write it, and ports find what does not fit.
    condition_width: int | None = inferred("width of the condition")
    channels: int | None = inferred("channels of the target")
    height: int | None = inferred("rows of the target's grid")
    width: int | None = inferred("columns of the target's grid")

    def ports(self) -> Ports:
        """Take a condition of any length; make a grid of target tokens."""
        return Ports(
            inputs={
                "condition": Port("b q condition_width", "what the target is made from"),
                "target": Port("b (height width) channels", "what the head makes"),
            }
        )

    def build(self) -> GaussianHead:
        """Make the head; only now is torch imported, and all sizes are known."""
        from diptych_template.gaussian_module import GaussianHead

        assert self.condition_width and self.channels and self.height and self.width
        tokens = self.height * self.width
        return GaussianHead(self.condition_width, tokens, self.channels, hidden=self.hidden, spread=self.spread)

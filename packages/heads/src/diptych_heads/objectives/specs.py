"""The specs of the objectives: `contrastive` and `contrastive-sigmoid`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import frozen, validators

from diptych.errors import Problem, suggest
from diptych.spec.model import ModelSpec
from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from torch import nn

_ENCODER = "the encoder's name under vision"
_WIDTH = "width of the space where pictures and texts meet"
_POOLING = (
    "how features become one vector: a learned query, their mean, or all of them side by side"
)


@frozen
class Contrastive(PartSpec):
    """Each picture finds its own text among the batch's, and each text its picture (CLIP)."""

    kind: ClassVar[str] = "objective"
    encoder: str = setting(_ENCODER)
    width: int = setting(_WIDTH, default=256, check=validators.ge(1))
    pooling: Literal["attention", "mean", "flatten"] = setting(_POOLING, default="attention")

    def misfits(self, model: ModelSpec) -> Iterator[Problem]:
        """Say what of this no stage of the model could use."""
        return _misfits(self.encoder, model)

    def build(self) -> nn.Module:
        """Make the objective; its weights are sized by `prepare`."""
        from diptych_heads.objectives.contrastive import ContrastiveObjective
        from diptych_heads.objectives.contrastive_losses import softmax_loss

        return ContrastiveObjective(
            self.encoder, self.width, self.pooling, softmax_loss, scale=1 / 0.07, bias=None
        )


@frozen
class ContrastiveSigmoid(PartSpec):
    """Each pair of a picture and a text is told right or wrong on its own (SigLIP)."""

    kind: ClassVar[str] = "objective"
    encoder: str = setting(_ENCODER)
    width: int = setting(_WIDTH, default=256, check=validators.ge(1))
    pooling: Literal["attention", "mean", "flatten"] = setting(_POOLING, default="attention")

    def misfits(self, model: ModelSpec) -> Iterator[Problem]:
        """Say what of this no stage of the model could use."""
        return _misfits(self.encoder, model)

    def build(self) -> nn.Module:
        """Make the objective; its weights are sized by `prepare`."""
        from diptych_heads.objectives.contrastive import ContrastiveObjective
        from diptych_heads.objectives.contrastive_losses import sigmoid_loss

        return ContrastiveObjective(
            self.encoder, self.width, self.pooling, sigmoid_loss, scale=10.0, bias=-10.0
        )


def _misfits(encoder: str, model: ModelSpec) -> Iterator[Problem]:
    if encoder not in model.vision:
        known = ", ".join(model.vision) or "nothing"
        message = f"no '{encoder}' under `vision`{suggest(encoder, model.vision)}; there: {known}"
        yield Problem("encoder", message, "reference")
    if model.backbone is None:
        yield Problem("", "it reads texts by the backbone, and the model spec has none")

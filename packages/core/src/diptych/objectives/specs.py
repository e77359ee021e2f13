"""The specs of core's objectives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.errors import Problem, suggest
from diptych.spec.model import ModelSpec
from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from torch import nn


@frozen
class Answer(PartSpec):
    """Next-token loss on the assistant's text, pictures merged in through the understanding way."""

    kind: ClassVar[str] = "objective"
    noising: float = setting(
        "chance that a word of the assistant is read as another one of the batch, so that what comes next is learned "
        "from the picture, not from habit",
        default=0.0,
        check=validators.and_(validators.ge(0), validators.lt(1)),
    )

    def misfits(self, model: ModelSpec) -> Iterator[Problem]:
        """Say what of this no stage of the model could use."""
        if model.text is None:
            yield Problem("", "it trains through the text head; put `text: {type: next-token}` into the model spec")

    def build(self) -> nn.Module:
        """Make the objective."""
        from diptych.objectives.answer import AnswerObjective

        return AnswerObjective(self.noising)


@frozen
class Paint(PartSpec):
    """The loss of a generate step's head, on samples whose last turn is a picture."""

    kind: ClassVar[str] = "objective"
    step: str | None = setting("the generate step; the first one unless given", default=None)
    draws: int = setting(
        "noises drawn a sample: cheap where reading the prompt costs most", default=1, check=validators.ge(1)
    )

    def misfits(self, model: ModelSpec) -> Iterator[Problem]:
        """Say what of this no stage of the model could use."""
        steps = [step.name for step in model.generate]
        if not steps:
            yield Problem("", f"'{model.name}' has nothing to train with it: its spec has no `generate`")
        elif self.step is not None and self.step not in steps:
            message = f"no generate step '{self.step}'{suggest(self.step, steps)}; steps: {', '.join(steps)}"
            yield Problem("step", message, "reference")

    def build(self) -> nn.Module:
        """Make the objective."""
        from diptych.objectives.paint import PaintObjective

        return PaintObjective(self.step, self.draws)


@frozen
class Reconstruct(PartSpec):
    """The decoder's loss on the features of real pictures."""

    kind: ClassVar[str] = "objective"
    share: float = setting(
        "part of each batch to decode, for decoders that cost more than all else",
        default=1.0,
        check=validators.and_(validators.gt(0), validators.le(1)),
    )

    def misfits(self, model: ModelSpec) -> Iterator[Problem]:
        """Say what of this no stage of the model could use."""
        if model.decode is None or model.decode.decoder is None:
            yield Problem("", "it trains `decode.decoder`, which this model has not; see `autoencode`")

    def build(self) -> nn.Module:
        """Make the objective."""
        from diptych.objectives.reconstruct import ReconstructObjective

        return ReconstructObjective(self.share)


@frozen
class Autoencode(PartSpec):
    """The own loss of an autoencoder under vision: reconstruction and whatever it adds."""

    kind: ClassVar[str] = "objective"
    part: str = setting("the autoencoder's name under vision")

    def misfits(self, model: ModelSpec) -> Iterator[Problem]:
        """Say what of this no stage of the model could use."""
        able = [name for name, part in model.vision.items() if part.kind != "encoder"]
        if self.part not in able:
            what = "is an encoder, which decodes nothing" if self.part in model.vision else "is not under `vision`"
            message = f"'{self.part}' {what}{suggest(self.part, able)}; what decodes there: {', '.join(able) or 'none'}"
            yield Problem("part", message, "reference")

    def build(self) -> nn.Module:
        """Make the objective."""
        from diptych.objectives.autoencode import AutoencodeObjective

        return AutoencodeObjective(self.part)

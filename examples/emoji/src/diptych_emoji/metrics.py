"""The metric specs of this plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_emoji.scoring.answers import EasyVqaMetric, QuestionsMetric
    from diptych_emoji.scoring.captions import CaptionsMetric
    from diptych_emoji.scoring.diversity import DiversityMetric
    from diptych_emoji.scoring.painting import PaintingMetric, ReconstructionMetric
    from diptych_emoji.scoring.plans import PlansMetric
    from diptych_emoji.scoring.speed import SpeedMetric

_COUNT = validators.ge(1)


@frozen
class Questions(PartSpec):
    """Answers to questions about scenes, by kind, beside the blind baseline."""

    kind: ClassVar[str] = "metric"
    count: int = setting("scenes", default=300, check=_COUNT)
    split: Literal["train", "held-out", "any"] = setting(
        "contents of the scenes", default="held-out"
    )
    style: str | None = setting("one drawing style; the training styles unless given", default=None)
    wordings: Literal["train", "held-out"] = setting("wordings of the questions", default="train")
    only: str | None = setting("scenes of one kind alone", default=None)

    def build(self) -> QuestionsMetric:
        """Make the metric."""
        from diptych_emoji.scoring.answers import QuestionsMetric

        return QuestionsMetric(self)


@frozen
class EasyVqaAnswers(PartSpec):
    """Answers to the test questions of easy-vqa, beside the blind baseline."""

    kind: ClassVar[str] = "metric"
    images: int = setting("test images to ask about, of 1,000", default=1000, check=_COUNT)

    def build(self) -> EasyVqaMetric:
        """Make the metric."""
        from diptych_emoji.scoring.answers import EasyVqaMetric

        return EasyVqaMetric(self)


@frozen
class Captions(PartSpec):
    """Captions of held-out scenes: the exact set of things, colours and counts."""

    kind: ClassVar[str] = "metric"
    count: int = setting("scenes", default=200, check=_COUNT)
    split: Literal["train", "held-out", "any"] = setting(
        "contents of the scenes", default="held-out"
    )

    def build(self) -> CaptionsMetric:
        """Make the metric."""
        from diptych_emoji.scoring.captions import CaptionsMetric

        return CaptionsMetric(self)


@frozen
class Painting(PartSpec):
    """Pictures painted from GenEval-format prompts, scored by the judge, beside ceiling and floor."""

    kind: ClassVar[str] = "metric"
    per_tag: int = setting("prompts a category", default=20, check=_COUNT)
    split: Literal["seen", "unseen"] = setting("contents of the prompts", default="seen")
    only: str | None = setting("prompts of one category alone", default=None)
    seeds: int = setting(
        "sampling seeds, each with prompts of its own; what the worst and the best of them got stands beside the mean",
        default=1,
        check=_COUNT,
    )

    def build(self) -> PaintingMetric:
        """Make the metric."""
        from diptych_emoji.scoring.painting import PaintingMetric

        return PaintingMetric(self)


@frozen
class Plans(PartSpec):
    """What is thought before painting, against what was asked for; of models that think."""

    kind: ClassVar[str] = "metric"
    per_tag: int = setting("prompts a category", default=20, check=_COUNT)
    split: Literal["seen", "unseen"] = setting("contents of the prompts", default="seen")

    def build(self) -> PlansMetric:
        """Make the metric."""
        from diptych_emoji.scoring.plans import PlansMetric

        return PlansMetric(self)


@frozen
class Reconstruction(PartSpec):
    """Pictures decoded from the true features of real scenes, scored by the judge: the ceiling of painting."""

    kind: ClassVar[str] = "metric"
    per_tag: int = setting("scenes a category", default=20, check=_COUNT)
    split: Literal["seen", "unseen"] = setting("contents of the scenes", default="seen")
    only: str | None = setting("scenes of one category alone", default=None)

    def build(self) -> ReconstructionMetric:
        """Make the metric."""
        from diptych_emoji.scoring.painting import ReconstructionMetric

        return ReconstructionMetric(self)


@frozen
class Diversity(PartSpec):
    """How much pictures of one prompt differ, in the judge's features and in place, beside real scenes."""

    kind: ClassVar[str] = "metric"
    per_tag: int = setting("prompts a category", default=2, check=_COUNT)
    pictures: int = setting("pictures a prompt", default=8, check=validators.ge(2))

    def build(self) -> DiversityMetric:
        """Make the metric."""
        from diptych_emoji.scoring.diversity import DiversityMetric

        return DiversityMetric(self)


@frozen
class Speed(PartSpec):
    """Seconds from a prompt to its picture, alone in its batch; the median, on as many threads as there are."""

    kind: ClassVar[str] = "metric"
    pictures: int = setting(
        "pictures to time, after one that is not counted", default=7, check=_COUNT
    )

    def build(self) -> SpeedMetric:
        """Make the metric."""
        from diptych_emoji.scoring.speed import SpeedMetric

        return SpeedMetric(self)

"""The specs of the guidances."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_heads.guidance.classifier_free import ClassifierFreeGuidance
    from diptych_heads.guidance.projected import ProjectedGuidance
    from diptych_heads.guidance.text_and_image import TextAndImageGuidance

_UNIT = [validators.ge(0), validators.le(1)]
_SCALE = "1 is the conditional prediction itself, more exaggerates what the condition changes"
_START = "guide only from this time on (times fall from 1, pure noise, to 0)"
_END = "guide only down to this time"


@frozen
class ClassifierFree(PartSpec):
    """Extrapolate from the null prediction through the conditional one."""

    kind: ClassVar[str] = "guidance"
    scale: float = setting(_SCALE, default=3.0, check=validators.ge(0))
    start: float = setting(_START, default=1.0, check=_UNIT)
    end: float = setting(_END, default=0.0, check=_UNIT)
    rescale: float = setting(
        "share of the correction to the conditional prediction's standard deviation",
        default=0.0,
        check=_UNIT,
    )

    def __attrs_post_init__(self) -> None:
        """Refuse an empty interval."""
        _check_interval(self.start, self.end)

    def build(self) -> ClassifierFreeGuidance:
        """Make the guidance."""
        from diptych_heads.guidance.classifier_free import ClassifierFreeGuidance

        return ClassifierFreeGuidance(self.scale, self.start, self.end, self.rescale)


@frozen
class Projected(PartSpec):
    """Adaptive projected guidance: weakens what only amplifies, so that colours do not burn."""

    kind: ClassVar[str] = "guidance"
    scale: float = setting(_SCALE, default=3.0, check=validators.ge(0))
    parallel: float = setting(
        "weight of the guidance along the conditional prediction",
        default=0.0,
        check=validators.ge(0),
    )
    limit: float = setting(
        "largest root mean square of the guidance direction, in the target's units; 0 for no limit",
        default=0.0,
        check=validators.ge(0),
    )
    start: float = setting(_START, default=1.0, check=_UNIT)
    end: float = setting(_END, default=0.0, check=_UNIT)
    momentum: float = setting(
        "share of the last step's direction that is added to this one's; the paper's is -0.5",
        default=0.0,
        check=[validators.gt(-1), validators.lt(1)],
    )

    def __attrs_post_init__(self) -> None:
        """Refuse an empty interval."""
        _check_interval(self.start, self.end)

    def build(self) -> ProjectedGuidance:
        """Make the guidance."""
        from diptych_heads.guidance.projected import ProjectedGuidance

        return ProjectedGuidance(
            self.scale, self.parallel, self.limit, self.start, self.end, self.momentum
        )


@frozen
class TextAndImage(PartSpec):
    """Extrapolate towards pictures and towards a text, each with its own scale, for editing.

    The tokens of pictures are those of a condition `reference-features`.
    """

    kind: ClassVar[str] = "guidance"
    tells_pictures: ClassVar[bool] = True
    text_scale: float = setting(
        "what the text changes counts this often", default=7.5, check=validators.ge(0)
    )
    image_scale: float = setting(
        "what the picture changes counts this often", default=1.5, check=validators.ge(0)
    )
    start: float = setting(_START, default=1.0, check=_UNIT)
    end: float = setting(_END, default=0.0, check=_UNIT)

    def __attrs_post_init__(self) -> None:
        """Refuse an empty interval."""
        _check_interval(self.start, self.end)

    def build(self) -> TextAndImageGuidance:
        """Make the guidance."""
        from diptych_heads.guidance.text_and_image import TextAndImageGuidance

        return TextAndImageGuidance(self.text_scale, self.image_scale, self.start, self.end)


def _check_interval(start: float, end: float) -> None:
    if end > start:
        raise ValueError(f"times fall: start {start} must not be below end {end}; exchange them")

"""Guidance by a text and by a picture, each with a scale of its own."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor


@frozen
class TextAndImageGuidance:
    """null + image_scale * (image - null) + text_scale * (both - image), for editing pictures.

    InstructPix2Pix, Brooks et al., arXiv 2211.09800, eq. 3. `image` is the prediction under a
    condition that keeps its pictures, its text gone; a request without pictures is guided by its
    text alone, as both predictions without text are then the same.
    """

    text_scale: float = 7.5
    image_scale: float = 1.5
    start: float = 1.0
    end: float = 0.0

    @property
    def needs_partial(self) -> bool:
        """Whether the prediction under pictures alone is used; equal scales make it useless."""
        return self.text_scale != self.image_scale

    def needs_null(self, t: float) -> bool:
        """Say whether other predictions are used at time t; where both scales are 1 none is."""
        scales = (self.text_scale, self.image_scale)
        return scales != (1, 1) and self.end <= t <= self.start

    def combine(
        self, conditional: Tensor, null: Tensor | None, t: float, partial: Tensor | None = None
    ) -> Tensor:
        """Guide predictions `b ...` at time t; without a picture, `partial` is null."""
        if not self.needs_null(t) or null is None:
            return conditional
        image = null if partial is None else partial
        guided = null + self.text_scale * (conditional - image)
        return guided if partial is None else guided + self.image_scale * (image - null)

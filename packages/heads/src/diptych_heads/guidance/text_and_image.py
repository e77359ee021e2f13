"""Guidance by a text and by a picture, each with a scale of its own."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych.errors import RequestError


@frozen
class TextAndImageGuidance:
    """null + image_scale * (image - null) + text_scale * (both - image), for editing pictures.

    InstructPix2Pix, Brooks et al., arXiv 2211.09800, eq. 3. A condition holds the text's tokens
    first and `image_tokens` of the picture last; the prediction under the picture alone has the
    text's tokens zeroed.
    """

    image_tokens: int
    text_scale: float = 7.5
    image_scale: float = 1.5
    start: float = 1.0
    end: float = 0.0

    def needs_null(self, t: float) -> bool:
        """Say whether other predictions are used at time t; where both scales are 1 none is."""
        scales = (self.text_scale, self.image_scale)
        return scales != (1, 1) and self.end <= t <= self.start

    def partial(self, condition: Tensor) -> Tensor | None:
        """Zero the text's tokens of a condition `b q d`; None if equal scales make that useless.

        Raises:
            RequestError: if the condition has no tokens but the picture's.
        """
        if self.text_scale == self.image_scale:
            return None
        count = condition.shape[1]
        if count <= self.image_tokens:
            raise RequestError(
                f"guidance cannot tell text and picture apart: `image_tokens` is "
                f"{self.image_tokens}, but the whole condition has {count} tokens"
            )
        kept = condition.clone()
        kept[:, : count - self.image_tokens] = 0
        return kept

    def combine(
        self, conditional: Tensor, null: Tensor | None, t: float, partial: Tensor | None = None
    ) -> Tensor:
        """Guide predictions `b ...` at time t; without a picture, `partial` is null."""
        if not self.needs_null(t) or null is None:
            return conditional
        image = null if partial is None else partial
        guided = null + self.text_scale * (conditional - image)
        return guided if partial is None else guided + self.image_scale * (image - null)

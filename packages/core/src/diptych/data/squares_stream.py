"""The stream of `squares`."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from diptych.data.sample import Sample
from diptych.data.squares import COLOURS, PLACES


@frozen
class SquaresStream:
    """Samples of one coloured square on white, by index."""

    image_size: int
    task: str
    seed: int

    def sample(self, index: int) -> Sample:
        """Return sample `index`: a picture uint8 [h w 3] with questions, or a request to paint or change it."""
        rng = np.random.default_rng((self.seed, index))
        colour, place = list(COLOURS)[rng.integers(len(COLOURS))], int(rng.integers(len(PLACES)))
        picture = self._square(colour, place)
        caption = f"a {colour} square at the {PLACES[place]}"
        if self.task == "paint":
            return Sample.paint(caption, picture, caption=caption)
        if self.task == "edit":
            before = str(rng.choice([each for each in COLOURS if each != colour]))
            return Sample.edit(f"make it {colour}", [self._square(before, place)], picture, before=before, after=colour)
        exchanges = (("Which colour is the square?", colour), ("Where is the square?", PLACES[place]))
        return Sample.ask(picture, *exchanges, caption=caption)

    def _square(self, colour: str, place: int) -> np.ndarray:
        half = self.image_size // 2
        picture = np.full((self.image_size, self.image_size, 3), 255, np.uint8)
        top, left, margin = (place // 2) * half, (place % 2) * half, half // 4
        picture[top + margin : top + half - margin, left + margin : left + half - margin] = COLOURS[colour]
        return picture

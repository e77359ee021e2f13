"""Scenes as samples: conversations about them, requests for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from diptych.data.sample import Sample, Turn
from diptych_emoji.captions import caption
from diptych_emoji.questions import questions
from diptych_emoji.scenes import CANVAS, Scene, render, sample_scene


if TYPE_CHECKING:
    from diptych_emoji.datasets import EmojiScenes

DESCRIBE = "describe the picture"
LOCATE = "what is where?"
HEARD = "ok"
TASKS = {"ask": 1, "paint": 2, "imagine": 3}


def located(scene: Scene) -> str:
    """List the things of a scene quadrant by quadrant: "above left red heart, below right taxi"."""
    half = CANVAS / 2
    placed = []
    for each in scene.placements:
        left, top, right, bottom = each.box
        below, rightwards = (top + bottom) / 2 > half, (left + right) / 2 > half
        words = f"{'below' if below else 'above'} {'right' if rightwards else 'left'} {each.label}"
        placed.append((below, rightwards, words))
    return ", ".join(words for _, _, words in sorted(placed))


@frozen
class SceneStream:
    """Samples of emoji scenes by index."""

    spec: EmojiScenes

    def sample(self, index: int) -> Sample:
        """Return sample `index`; its facts hold the scene and a caption of it."""
        rng = np.random.default_rng((self.spec.seed, TASKS[self.spec.task], index))
        scene = self._scene(rng)
        text = caption(scene, rng)
        facts = {"scene": scene, "caption": text}
        if self.spec.task == "paint":
            return Sample.paint(text, render(scene), **facts)
        exchanges = self._exchanges(scene, rng)
        if self.spec.task == "ask":
            thought = located(scene) if self.spec.think else None
            return Sample.ask(render(scene), *exchanges, thought=thought, **facts)
        # the caption stands alone, as a prompt to paint does, so that its states must hold what is asked later
        turns = [Turn("user", (text,)), Turn("assistant", (HEARD,))]
        for question, answer in exchanges:
            turns += [Turn("user", (question,)), Turn("assistant", (answer,))]
        return Sample(tuple(turns), facts)

    def _scene(self, rng: np.random.Generator) -> Scene:
        style = self.spec.styles[int(rng.integers(len(self.spec.styles)))]
        return sample_scene(
            rng, self.spec.split, kind=self.spec.only, styles=(style,), layout=self.spec.layout
        )

    def _exchanges(self, scene: Scene, rng: np.random.Generator) -> list[tuple[str, str]]:
        asked = [(each.text, each.answer) for each in questions(scene, rng, self.spec.questions)]
        if self.spec.task == "ask":
            if rng.random() < self.spec.describe:
                asked.insert(int(rng.integers(len(asked) + 1)), (DESCRIBE, caption(scene, rng)))
            if rng.random() < self.spec.locate:
                asked.insert(int(rng.integers(len(asked) + 1)), (LOCATE, located(scene)))
        return asked

"""Scenes as samples: conversations about them, requests for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from diptych.data.sample import Exchange, Sample, Thought, Turn
from diptych_emoji.captions import caption
from diptych_emoji.questions import questions
from diptych_emoji.scenes import Scene, render, sample_scene
from diptych_emoji.thoughts import located, looked_up


if TYPE_CHECKING:
    from diptych_emoji.datasets import EmojiScenes

DESCRIBE = "describe the picture"
HEARD = "ok"
TASKS = {"ask": 1, "paint": 2, "imagine": 3}


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
            thought = Thought(located(scene)) if self.spec.think else None
            return Sample.paint(text, render(scene), thought, **facts)
        if self.spec.task == "ask":
            return Sample.ask(render(scene), *self._exchanges(scene, rng), **facts)
        # the caption stands alone, as a prompt to paint does, so that its states must hold what is asked later
        turns = [Turn("user", (text,)), Turn("assistant", (HEARD,))]
        for each in questions(scene, rng, self.spec.questions):
            turns += [Turn("user", (each.text,)), Turn("assistant", (each.answer,))]
        return Sample(tuple(turns), facts)

    def _scene(self, rng: np.random.Generator) -> Scene:
        style = self.spec.styles[int(rng.integers(len(self.spec.styles)))]
        return sample_scene(
            rng,
            self.spec.split,
            kind=self.spec.only,
            styles=(style,),
            layout=self.spec.layout,
            tinted=self.spec.tinted,
        )

    def _exchanges(self, scene: Scene, rng: np.random.Generator) -> list[Exchange]:
        asked: list[Exchange] = [
            (each.text, Thought(looked_up(scene, each)), each.answer)
            if self.spec.think
            else (each.text, each.answer)
            for each in questions(scene, rng, self.spec.questions)
        ]
        if rng.random() < self.spec.describe:
            text = caption(scene, rng)
            said = (Thought(located(scene)), text) if self.spec.think else (text,)
            asked.insert(int(rng.integers(len(asked) + 1)), (DESCRIBE, *said))
        return asked

"""What the demo shows: pictures with questions, and prompts with pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image

from diptych.model import UnifiedModel
from diptych.pictures import gallery, save_png
from diptych.spec.files import spec_hash
from diptych_emoji.judge import Verdict, judge
from diptych_emoji.prompts import prompts
from diptych_emoji.questions import questions
from diptych_emoji.scenes import render, sample_scene
from diptych_emoji.scoring.answers import answer_all
from diptych_emoji.scoring.seeds import own_seeds


@frozen(eq=False)
class Answered:
    """A question about a picture, the model's answer and the truth."""

    picture: NDArray[np.uint8]
    scene: int
    question: str
    answer: str
    truth: str

    @property
    def right(self) -> bool:
        """Whether the answer is the truth."""
        return self.answer == self.truth

    def line(self) -> str:
        """Write it as a line of text."""
        verdict = "" if self.right else f"   (truth: {self.truth})"
        return f"  scene {self.scene}: {self.question}  {self.answer}{verdict}"


@frozen(eq=False)
class Painted:
    """A prompt, what was thought about it, the picture painted from both, and the judge's word."""

    prompt: str
    thought: str
    tag: str
    picture: Image.Image
    verdict: Verdict

    def line(self) -> str:
        """Write it as a line of text."""
        plan = f"  ({self.thought})" if self.thought else ""
        mark = "ok " if self.verdict.correct else "-- "
        return f"  {mark} {self.prompt}{plan}  {self.verdict.reason}"


def answer_some(model: UnifiedModel, seed: int, scenes: int = 8, each: int = 4) -> list[Answered]:
    """Ask questions about scenes that hold a pair or colour never seen in training."""
    rng = np.random.default_rng((seed, 5))
    asked = []
    for index in range(scenes):
        scene = sample_scene(rng, "held-out")
        asked += [(render(scene), index, question) for question in questions(scene, rng, each)]
    answers = answer_all(model, [(picture, question.text) for picture, _, question in asked])
    return [
        Answered(picture, index, question.text, answer, question.answer)
        for (picture, index, question), answer in zip(asked, answers, strict=True)
    ]


def paint_some(model: UnifiedModel, seed: int, out: Path, per_tag: int = 3) -> list[Painted]:
    """Paint the first prompts of each category, seen contents and unseen ones, and write them as PNGs."""
    records = [*prompts("seen", per_tag, seed), *prompts("unseen", per_tag, seed)]
    wanted = [record["prompt"] for record in records]
    seeds = own_seeds(seed, len(wanted))
    thoughts = model.think(wanted, seed=seeds) if model.spec.think else None
    pictures = model.generate(wanted, seed=seeds, thoughts=thoughts)
    thoughts = thoughts or [""] * len(wanted)
    mark = spec_hash(model.spec)
    for own, prompt, thought, picture in zip(seeds, wanted, thoughts, pictures, strict=True):
        plan = {"thought": thought} if thought else {}
        facts = {"prompt": prompt, **plan, "seed": str(own), "spec": mark}
        save_png(picture, out / f"{own:05d}.png", facts, scale=4)
    save_png(gallery(pictures, wanted), out / "sheet.png", {"spec": mark})
    verdicts = judge([np.asarray(picture) for picture in pictures], records)
    return [
        Painted(record["prompt"], thought, record["tag"], picture, verdict)
        for record, thought, picture, verdict in zip(
            records, thoughts, pictures, verdicts, strict=True
        )
    ]

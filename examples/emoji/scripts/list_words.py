"""Writes data/words.txt: every word of captions, questions and prompts, sorted. Run after changing wordings."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from diptych_emoji.captions import caption
from diptych_emoji.easy_vqa import SPLITS, easy_questions
from diptych_emoji.prompts import prompts
from diptych_emoji.questions import questions
from diptych_emoji.scenes import sample_scene
from diptych_emoji.streams import DESCRIBE, HEARD
from diptych_emoji.thoughts import looked_up


def main() -> None:
    """Collect words from many samples of everything."""
    rng = np.random.default_rng(0)
    texts = [DESCRIBE, HEARD, *(record["prompt"] for record in prompts(per_tag=500))]
    for wordings in ("train", "held-out"):
        for _ in range(20_000):
            scene = sample_scene(rng, "any")
            texts.append(caption(scene, rng, wordings))
            for each in questions(scene, rng, 4, wordings):
                texts += [each.text, looked_up(scene, each), each.answer]
    for split in SPLITS:
        texts += [text for each in easy_questions(split) for text in (each.text, each.answer)]
    words = sorted({word for text in texts for word in re.findall(r"[a-z]+", text.lower())})
    path = Path(__file__).parent.parent / "src/diptych_emoji/data/words.txt"
    path.write_text("\n".join(words) + "\n", encoding="utf-8")
    print(len(words), "words")


if __name__ == "__main__":
    main()

"""Captions: correct and complete descriptions of a scene, in many wordings."""

from __future__ import annotations

from typing import Literal

import numpy as np

from diptych_emoji.facts import clear_relations
from diptych_emoji.phrases import counted, listed
from diptych_emoji.scenes import Scene


Wordings = Literal["train", "held-out"]

# {x} is what is shown; {is} agrees with its first noun. Held-out wordings use trained words only.
FRAMES = {
    "train": (
        "{x}",
        "{x}",
        "a photo of {x}",
        "a photo of {x}",
        "a picture of {x}",
        "there {is} {x}",
        "there {is} {x} in the picture",
        "an image with {x}",
        "a drawing of {x}",
        "we see {x}",
    ),
    "held-out": ("an image of {x}", "a picture with {x}", "in the picture we see {x}"),
}
# held-out captions turn a relation round half of the time: "left of a taxi is a key"
TURNED = "{rel} {b} {is} {a}"
# the first is GenEval's own phrase and comes half of the time
RELATION_WORDS = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}


def pick(rng: np.random.Generator, choices: tuple[str, ...] | list[str]) -> str:
    """One of the choices, all alike likely."""
    return choices[int(rng.integers(len(choices)))]


def relation_words(rng: np.random.Generator, relation: str) -> str:
    """A wording of a relation: GenEval's own half of the time, else another."""
    words = RELATION_WORDS[relation]
    return words[0] if rng.random() < 0.5 else pick(rng, words[1:])


def caption(scene: Scene, rng: np.random.Generator, wordings: Wordings = "train") -> str:
    """Describes a scene: everything in it, how many of each, and maybe how two groups lie.

    Args:
        scene: The scene.
        rng: Source of chance for order and wording.
        wordings: "train", or "held-out" for wordings that training never uses.

    Returns:
        Lower-case words without a full stop.

    Raises:
        ValueError: There are no such wordings.
    """
    if wordings not in FRAMES:
        raise ValueError(f"no wordings {wordings!r}; 'train' or 'held-out'.")
    counts = scene.counts
    labels = [list(counts)[i] for i in rng.permutation(len(counts))]
    one = scene.kind == "counting" and rng.random() < 0.7
    parts = [counted(label, counts[label], one) for label in labels]
    shown = listed(parts)
    verb = "is" if counts[labels[0]] == 1 else "are"
    if len(labels) == 2 and (scene.kind == "position" or rng.random() < 0.3):
        relations = clear_relations(scene, labels[0], labels[1])
        if relations:
            words = relation_words(rng, pick(rng, relations))
            if wordings == "held-out" and rng.random() < 0.5:
                return TURNED.format(a=parts[0], b=parts[1], rel=words, **{"is": verb})
            shown = f"{parts[0]} {words} {parts[1]}"
    return pick(rng, FRAMES[wordings]).format(x=shown, **{"is": verb})

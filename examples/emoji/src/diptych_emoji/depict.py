"""Scenes that fulfil a record: the real pictures behind a judge's ceiling."""

from __future__ import annotations

import numpy as np

from diptych_emoji.facts import clear_relations
from diptych_emoji.prompts import Record, entry_label
from diptych_emoji.scenes import Layout, Scene, arrange
from diptych_emoji.world import BY_LABEL, COLOURED_SHAPES, THINGS


_TRIES = 1000


def depict(
    record: Record, rng: np.random.Generator, style: str = "noto", layout: Layout = "slots"
) -> Scene:
    """Lays out a scene that fulfils a record and shows nothing else.

    Args:
        record: A GenEval record over the emoji world.
        rng: Source of chance.
        style: One of `sprites.STYLES`.
        layout: "slots" or "free".

    Returns:
        The scene; its kind is the record's tag.

    Raises:
        ValueError: The record names something unknown, asks for more than three sprites, or no
            layout fulfils it.
    """
    wanted = [(_label(entry, rng), entry) for entry in record["include"]]
    labels = [label for label, entry in wanted for _ in range(entry["count"])]
    if len(labels) > 3:
        raise ValueError(f"{record['prompt']!r} needs {len(labels)} sprites; a scene holds three.")
    for _ in range(_TRIES):
        scene = arrange(rng, labels, style, record["tag"], layout)
        if all(
            entry["position"][0] in clear_relations(scene, label, wanted[entry["position"][1]][0])
            for label, entry in wanted
            if "position" in entry
        ):
            return scene
    raise ValueError(f"no layout fulfils {record['prompt']!r}.")


def _label(entry: Record, rng: np.random.Generator) -> str:
    """The thing that an entry asks for; a shape without a colour gets one by chance."""
    label = entry_label(entry)
    choices = [thing.label for thing in COLOURED_SHAPES if thing.noun == label]
    if label in BY_LABEL:
        return label
    if not choices:
        nouns = sorted({thing.noun for thing in THINGS})
        raise ValueError(f"the emoji world has no {label!r}; it has {', '.join(nouns)}.")
    return choices[int(rng.integers(len(choices)))]

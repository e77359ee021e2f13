"""What is true of a scene: who is where, compared with whom."""

from __future__ import annotations

from diptych_emoji.geometry import RELATIONS, strengths
from diptych_emoji.scenes import Scene


CLEAR = 0.55  # a relation is stated from this strength on; GenEval's own bar is 0.5
ABSENT = 0.3  # and denied below this one; in between nothing is said


def relation_strengths(scene: Scene, first: str, second: str) -> dict[str, float]:
    """How strongly every `first` stands in each relation to every `second`.

    Args:
        scene: The scene.
        first: A label in it.
        second: Another label in it.

    Returns:
        For each relation the weakest strength over all pairs of sprites, in 0..1.
    """
    pairs = [
        strengths(one.box, other.box)
        for one in scene.placements
        if one.label == first
        for other in scene.placements
        if other.label == second
    ]
    return {name: min(pair[name] for pair in pairs) for name in RELATIONS}


def clear_relations(scene: Scene, first: str, second: str) -> list[str]:
    """The relations beyond doubt, for instance ["left of", "above"]; may be empty."""
    found = relation_strengths(scene, first, second)
    return [name for name, value in found.items() if value >= CLEAR]


def denied_relations(scene: Scene, first: str, second: str) -> list[str]:
    """The relations that beyond doubt do not hold."""
    found = relation_strengths(scene, first, second)
    return [name for name, value in found.items() if value <= ABSENT]

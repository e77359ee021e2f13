"""What one says to oneself about a picture before one answers: what is where."""

from __future__ import annotations

import re
from collections.abc import Set

from diptych_emoji.questions import Question
from diptych_emoji.scenes import CANVAS, Placement, Scene
from diptych_emoji.world import BY_LABEL


NOWHERE = "nowhere"

Place = tuple[bool, bool]
"""A quadrant: whether it is a lower one, and whether a right one."""


def quadrant(placement: Placement) -> Place:
    """Whether the middle of a sprite lies in the lower half, and whether in the right half."""
    left, top, right, bottom = placement.box
    return (top + bottom) / 2 > CANVAS / 2, (left + right) / 2 > CANVAS / 2


def place(below: bool, rightwards: bool) -> str:
    """A quadrant in words: "above left"."""
    return f"{'below' if below else 'above'} {'right' if rightwards else 'left'}"


def located(scene: Scene) -> str:
    """List the things of a scene, quadrant by quadrant: "above left red heart, below right taxi"."""
    placed = sorted((quadrant(each), each.label) for each in scene.placements)
    return ", ".join(f"{place(*where)} {label}" for where, label in placed)


def planned(thought: str) -> list[tuple[Place, str]] | None:
    """Read what `located` writes: each thing with its place; None if it says anything else."""
    found = []
    for each in thought.split(", "):
        match = re.fullmatch(r"(above|below) (left|right) (.+)", each)
        if match is None or match[3] not in BY_LABEL:
            return None
        found.append(((match[1] == "below", match[2] == "right"), match[3]))
    return found


def looked_up(scene: Scene, question: Question) -> str:
    """Find what a question asks about, in its own words: "taxi above left, key nowhere".

    It is all that the answer follows from, so that answering is comparing two places, or counting them.
    """
    return ", ".join(f"{words} {_places(scene, labels)}" for words, labels in question.about)


def _places(scene: Scene, labels: Set[str]) -> str:
    found = sorted(quadrant(each) for each in scene.placements if each.label in labels)
    return " and ".join(place(*where) for where in found) or NOWHERE

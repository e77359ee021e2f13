"""Scenes: what is where, sampled from the world and drawn on white at 64x64 pixels."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from diptych_emoji import sprites
from diptych_emoji.geometry import Box, apart
from diptych_emoji.world import (
    BY_LABEL,
    COLOURED_SHAPES,
    OBJECTS,
    THINGS,
    TINTED,
    TRAIN_STYLES,
    held_out,
)


Split = Literal["train", "held-out", "any"]
Layout = Literal["slots", "free"]

CANVAS = 64
SLOT = 32
SIZES = (24, 28)  # long side of a sprite in pixels, least and most
GAP = 3  # pixels of white between any two sprites, at least
KINDS = ("single_object", "two_object", "counting", "colors", "position", "color_attr", "mixed")
# Cumulative chance of each kind; GenEval's six categories and a free mixture.
_SHARES = np.cumsum((0.12, 0.16, 0.18, 0.12, 0.16, 0.14, 0.12))
_TRIES = 10_000


@frozen
class Placement:
    """One sprite in a scene.

    Attributes:
        label: Which thing, a key of `world.BY_LABEL`.
        size: The long side asked for, in pixels.
        box: The pixels it covers.
    """

    label: str
    size: int
    box: Box


@frozen
class Scene:
    """What one picture shows. All sprites of a scene share one drawing style.

    Attributes:
        kind: One of `KINDS`: GenEval's category, or "mixed".
        style: One of `sprites.STYLES`.
        placements: One to three sprites that do not touch.
    """

    kind: str
    style: str
    placements: tuple[Placement, ...] = field()

    @placements.validator
    def _separate(self, _: object, placements: tuple[Placement, ...]) -> None:
        """Sprites must lie on the canvas and keep their gap, or the judge could not count them."""
        for index, one in enumerate(placements):
            left, top, right, bottom = one.box
            if min(left, top) < 0 or max(right, bottom) > CANVAS:
                raise ValueError(f"{one.label} at {one.box} leaves the {CANVAS} px canvas.")
            for other in placements[:index]:
                if not apart(one.box, other.box, GAP):
                    raise ValueError(
                        f"{other.label} at {other.box} and {one.label} at {one.box} are less "
                        f"than {GAP} px apart."
                    )

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of every sprite, in placement order, with repeats."""
        return tuple(placement.label for placement in self.placements)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each thing, in order of first appearance."""
        return dict(Counter(self.labels))


def render(scene: Scene) -> NDArray[np.uint8]:
    """Draws a scene on white.

    Args:
        scene: What to draw.

    Returns:
        uint8 [64 64 3], RGB in 0..255.
    """
    canvas = np.full((CANVAS, CANVAS, 3), 255, np.uint8)
    for placement in scene.placements:
        left, top, right, bottom = placement.box
        canvas[top:bottom, left:right] = _sprite(scene.style, placement.label, placement.size)
    return canvas


def _sprite(style: str, label: str, size: int) -> NDArray[np.uint8]:
    thing = BY_LABEL[label]
    return sprites.sprite(style, thing.code, size, thing.colour if thing.tinted else None)


def _contents(rng: np.random.Generator, kind: str) -> list[str]:
    """Draws the labels of one scene of a kind, repeats for counts."""

    def draw(things: Sequence) -> str:
        return things[int(rng.integers(len(things)))].label

    if kind == "single_object":
        return [draw(OBJECTS)]
    if kind == "colors":
        return [draw(COLOURED_SHAPES)]
    if kind == "counting":
        return [draw(THINGS)] * (1, 2, 2, 3, 3)[int(rng.integers(5))]
    if kind in ("two_object", "position"):
        first, second = draw(THINGS), draw(THINGS)
        while second == first:
            second = draw(THINGS)
        return [first, second]
    if kind == "color_attr":
        first, second = draw(COLOURED_SHAPES), draw(COLOURED_SHAPES)
        while set(first.split()) & set(second.split()):
            second = draw(COLOURED_SHAPES)
        return [first, second]
    first, second, third = draw(THINGS), draw(THINGS), draw(THINGS)
    return [first, first, second] if rng.random() < 0.6 else [first, second, third]


def _tinted(rng: np.random.Generator, labels: Sequence[str]) -> list[str]:
    """Draws colours for half of the objects of a scene, and objects for half of its colours.

    "a taxi" becomes "a green taxi", and "a green heart" does; where two things would then share a
    noun, nothing becomes anything.
    """
    drawn = {}
    for label in dict.fromkeys(labels):
        if rng.random() < 0.5:
            thing = BY_LABEL[label]
            same = (lambda each: each.colour) if thing.colour else (lambda each: each.noun)
            options = [each for each in TINTED if same(each) == same(thing)]
            drawn[label] = options[int(rng.integers(len(options)))].label
    found = [drawn.get(label, label) for label in labels]
    clear = len({BY_LABEL[label].noun for label in found}) == len(set(found))
    return found if clear else list(labels)


def _slots(
    rng: np.random.Generator, shapes: Sequence[tuple[int, int]], column: bool | None
) -> list[Box]:
    """Puts each sprite in a 32x32 quadrant of its own, moved about by a few pixels.

    Args:
        rng: Source of chance.
        shapes: Height and width of each sprite.
        column: True puts the first two sprites in one column, False in one row, None anywhere.

    Returns:
        One box per sprite. A quadrant's inner edges keep 2 px free, its outer edges 1 px.
    """
    order = [int(slot) for slot in rng.permutation(4)]
    if column is not None:
        beside = order.index(order[0] ^ (2 if column else 1))
        order[1], order[beside] = order[beside], order[1]
    boxes = []
    for slot, (height, width) in zip(order, shapes, strict=False):
        row, across = divmod(slot, 2)
        top = row * SLOT + int(rng.integers(2 if row else 1, SLOT - (1 if row else 2) - height + 1))
        left = across * SLOT + int(
            rng.integers(2 if across else 1, SLOT - (1 if across else 2) - width + 1)
        )
        boxes.append((left, top, left + width, top + height))
    return boxes


def _free(rng: np.random.Generator, shapes: Sequence[tuple[int, int]]) -> list[Box]:
    """Puts sprites anywhere at least `GAP` apart, 1 px from the edge; slots if that fails."""
    for _ in range(50):
        boxes: list[Box] = []
        for height, width in shapes:
            left = int(rng.integers(1, CANVAS - width))
            top = int(rng.integers(1, CANVAS - height))
            boxes.append((left, top, left + width, top + height))
            if not all(apart(boxes[-1], box, GAP) for box in boxes[:-1]):
                break
        else:
            return boxes
    return _slots(rng, shapes, None)


def arrange(
    rng: np.random.Generator,
    labels: Sequence[str],
    style: str,
    kind: str = "mixed",
    layout: Layout = "slots",
) -> Scene:
    """Lays out given things in one scene.

    Args:
        rng: Source of chance.
        labels: One to three labels, repeats allowed.
        style: One of `sprites.STYLES`.
        kind: One of `KINDS`, kept in the scene.
        layout: "slots": each sprite in a quadrant of its own; "free": anywhere.

    Returns:
        The scene.
    """
    if layout not in ("slots", "free"):
        raise ValueError(f"no layout {layout!r}; 'slots' or 'free'.")
    sizes = [int(size) for size in rng.integers(SIZES[0], SIZES[1] + 1, len(labels))]
    shapes = [
        _sprite(style, label, size).shape[:2] for label, size in zip(labels, sizes, strict=True)
    ]
    if layout == "free":
        boxes = _free(rng, shapes)
    else:
        straight = kind == "position" and rng.random() < 0.8
        boxes = _slots(rng, shapes, bool(rng.random() < 0.5) if straight else None)
    return Scene(kind, style, tuple(map(Placement, labels, sizes, boxes)))


def sample_scene(
    rng: np.random.Generator,
    split: Split = "train",
    *,
    kind: str | None = None,
    styles: Sequence[str] = TRAIN_STYLES,
    layout: Layout = "slots",
    tinted: float = 0,
) -> Scene:
    """Draws a scene.

    Args:
        rng: Source of chance; equal states give equal scenes.
        split: "train" never contains a held-out pair or coloured shape, "held-out" contains at
            least one, "any" ignores the hold-outs.
        kind: One of `KINDS`; drawn if None.
        styles: The drawing styles to choose from, one for the whole scene.
        layout: "slots": each sprite in a quadrant of its own; "free": anywhere.
        tinted: Share of scenes in which things may have colours that are not theirs, 0..1.

    Returns:
        The scene.

    Raises:
        ValueError: No such split, kind or layout, or the kind has nothing held out.
    """
    if split not in ("train", "held-out", "any"):
        raise ValueError(f"no split {split!r}; 'train', 'held-out' or 'any'.")
    if kind is not None and kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1, 0)[0]
        raise ValueError(f"no scene kind {kind!r}; did you mean {near!r}? One of {KINDS}.")
    for _ in range(_TRIES):
        drawn = kind or KINDS[int(np.searchsorted(_SHARES, rng.random() * _SHARES[-1], "right"))]
        labels = _contents(rng, drawn)
        if tinted and rng.random() < tinted:
            labels = _tinted(rng, labels)
        if split == "any" or bool(held_out(labels)) == (split == "held-out"):
            style = styles[int(rng.integers(len(styles)))]
            return arrange(rng, labels, style, drawn, layout)
    raise ValueError(f"no {split} scene of kind {kind!r}: nothing in that kind is held out.")

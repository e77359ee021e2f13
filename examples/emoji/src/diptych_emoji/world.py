"""What exists in the emoji world: its things, colours and styles, and what is held out."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable
from itertools import combinations

from attrs import frozen


TRAIN_STYLES = ("fluent", "noto")
HELD_OUT_STYLE = "noto-v1"
COLOURS = ("red", "yellow", "green", "blue", "purple", "brown", "black")
SHAPES = ("heart", "circle", "square")
HELD_OUT_SHARE = 10  # about one pair in ten is never seen in training


@frozen
class Thing:
    """Something that a scene can show.

    Attributes:
        label: Its full name, unique: "taxi", "red heart".
        noun: The name without a colour: "taxi", "heart". GenEval calls it the class.
        plural: The noun's plural.
        colour: Its colour if it is a coloured shape, else None.
        code: The codepoint of its sprite.
    """

    label: str
    noun: str
    plural: str
    colour: str | None
    code: str


# noun, codepoint, plural where it is not noun + s; all three styles draw every one, each in one
# piece (but for noto-v1's candle), and the judge tells them apart by noto-v1 alone
_OBJECTS = (
    ("banana", "1F34C", ""),
    ("watermelon", "1F349", ""),
    ("strawberry", "1F353", "strawberries"),
    ("pizza", "1F355", ""),
    ("doughnut", "1F369", ""),
    ("hamburger", "1F354", ""),
    ("key", "1F511", ""),
    ("umbrella", "2602", ""),
    ("telephone", "260E", ""),
    ("trophy", "1F3C6", "trophies"),
    ("candle", "1F56F", ""),
    ("light bulb", "1F4A1", ""),
    ("drum", "1F941", ""),
    ("castle", "1F3F0", ""),
    ("taxi", "1F695", ""),
    ("airplane", "2708", ""),
    ("butterfly", "1F98B", "butterflies"),
    ("ladybug", "1F41E", ""),
    ("bear", "1F43B", ""),
    ("rabbit", "1F430", ""),
    ("cat", "1F431", ""),
    ("moon", "1F319", ""),
    ("star", "2B50", ""),
    ("flower", "1F338", ""),
    ("tree", "1F384", ""),
    ("boot", "1F462", ""),
    ("gear", "2699", ""),
    ("briefcase", "1F4BC", ""),
)
_SHAPE_CODES = {
    "heart": ("2764", "1F49B", "1F49A", "1F499", "1F49C", "1F90E", "1F5A4"),
    "circle": ("1F534", "1F7E1", "1F7E2", "1F535", "1F7E3", "1F7E4", "26AB"),
    "square": ("1F7E5", "1F7E8", "1F7E9", "1F7E6", "1F7EA", "1F7EB", "2B1B"),
}

OBJECTS = tuple(
    Thing(noun, noun, plural or noun + "s", None, code) for noun, code, plural in _OBJECTS
)
COLOURED_SHAPES = tuple(
    Thing(f"{colour} {shape}", shape, shape + "s", colour, code)
    for shape, codes in _SHAPE_CODES.items()
    for colour, code in zip(COLOURS, codes, strict=True)
)
THINGS = OBJECTS + COLOURED_SHAPES
BY_LABEL = {thing.label: thing for thing in THINGS}
NOUNS = tuple(thing.noun for thing in OBJECTS) + SHAPES


def find(label: str) -> Thing:
    """Finds a thing by its label.

    Args:
        label: For instance "taxi" or "red heart".

    Returns:
        The thing.

    Raises:
        ValueError: Nothing has that label; the nearest one is named.
    """
    if label not in BY_LABEL:
        near = difflib.get_close_matches(label, BY_LABEL, 1, 0)[0]
        raise ValueError(f"nothing is called {label!r}; did you mean {near!r}?")
    return BY_LABEL[label]


def digest(*names: str) -> int:
    """A number that depends on a set of names alone, the same on every machine.

    Args:
        *names: In any order.

    Returns:
        The md5 of the sorted names joined by `|`, as an integer.
    """
    joined = "|".join(sorted(names)).encode()
    return int(hashlib.md5(joined, usedforsecurity=False).hexdigest(), 16)


def _unseen_shapes() -> frozenset[str]:
    """The two coloured shapes never drawn in training: least digest, no shape or colour shared."""
    ranked = sorted(COLOURED_SHAPES, key=lambda thing: digest(thing.colour or "", thing.noun))
    first = ranked[0]
    second = next(
        thing for thing in ranked if thing.noun != first.noun and thing.colour != first.colour
    )
    return frozenset({first.label, second.label})


HELD_OUT_SHAPES = _unseen_shapes()
HELD_OUT_PAIRS = frozenset(
    (a, b) for a, b in combinations(sorted(BY_LABEL), 2) if digest(a, b) % HELD_OUT_SHARE == 0
)


def held_out(labels: Iterable[str]) -> frozenset[tuple[str, ...]]:
    """What of a scene's content training never shows.

    Args:
        labels: The labels of all things in the scene, repeats allowed.

    Returns:
        Held-out coloured shapes as 1-tuples and held-out pairs as sorted 2-tuples; empty if the
        scene may be trained on.
    """
    present = sorted(set(labels))
    alone = {(label,) for label in present if label in HELD_OUT_SHAPES}
    return frozenset(alone | {pair for pair in combinations(present, 2) if pair in HELD_OUT_PAIRS})

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
        colour: Its colour if it is a coloured shape or tinted, else None.
        code: The codepoint of its sprite.
        tinted: Whether its sprite is drawn in that colour rather than in its own.
    """

    label: str
    noun: str
    plural: str
    colour: str | None
    code: str
    tinted: bool = False


# noun, codepoint, plural where it is not noun + s, colours that a style draws it in by and large;
# all three styles draw every one, each in one piece (but for noto-v1's candle), and the judge
# tells them apart by noto-v1 alone
_OBJECTS = (
    ("banana", "1F34C", "", "yellow"),
    ("watermelon", "1F349", "", ""),
    ("strawberry", "1F353", "strawberries", "red"),
    ("pizza", "1F355", "", "yellow"),
    ("doughnut", "1F369", "", "brown"),
    ("hamburger", "1F354", "", "yellow"),
    ("key", "1F511", "", "yellow"),
    ("umbrella", "2602", "", "purple blue"),
    ("telephone", "260E", "", "red"),
    ("trophy", "1F3C6", "trophies", "red yellow"),
    ("candle", "1F56F", "", "yellow"),
    ("light bulb", "1F4A1", "", "yellow"),
    ("drum", "1F941", "", ""),
    ("castle", "1F3F0", "", ""),
    ("taxi", "1F695", "", "yellow"),
    ("airplane", "2708", "", ""),
    ("butterfly", "1F98B", "butterflies", "brown blue"),
    ("ladybug", "1F41E", "", "red black"),
    ("bear", "1F43B", "", "brown"),
    ("rabbit", "1F430", "", ""),
    ("cat", "1F431", "", "yellow"),
    ("moon", "1F319", "", "yellow"),
    ("star", "2B50", "", "yellow"),
    ("flower", "1F338", "", ""),
    ("tree", "1F384", "", "green"),
    ("boot", "1F462", "", "red"),
    ("gear", "2699", "", ""),
    ("briefcase", "1F4BC", "", "red brown black"),
)
_SHAPE_CODES = {
    "heart": ("2764", "1F49B", "1F49A", "1F499", "1F49C", "1F90E", "1F5A4"),
    "circle": ("1F534", "1F7E1", "1F7E2", "1F535", "1F7E3", "1F7E4", "26AB"),
    "square": ("1F7E5", "1F7E8", "1F7E9", "1F7E6", "1F7EA", "1F7EB", "2B1B"),
}

OBJECTS = tuple(
    Thing(noun, noun, plural or noun + "s", None, code) for noun, code, plural, _ in _OBJECTS
)
COLOURED_SHAPES = tuple(
    Thing(f"{colour} {shape}", shape, shape + "s", colour, code)
    for shape, codes in _SHAPE_CODES.items()
    for colour, code in zip(COLOURS, codes, strict=True)
)
THINGS = OBJECTS + COLOURED_SHAPES
# "green taxi": shown in training alone, so that colours mean something apart from the shapes that
# have them; nothing is scored on them. What a style draws in that colour anyway is not tinted:
# nobody could tell it from the thing itself
TINTED = tuple(
    Thing(f"{colour} {noun}", noun, plural or noun + "s", colour, code, tinted=True)
    for noun, code, plural, own in _OBJECTS
    for colour in COLOURS
    if colour not in own.split()
)
BY_LABEL = {thing.label: thing for thing in THINGS + TINTED}
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
    (a, b)
    for a, b in combinations(sorted(thing.label for thing in THINGS), 2)
    if digest(a, b) % HELD_OUT_SHARE == 0
)


def held_out(labels: Iterable[str]) -> frozenset[tuple[str, ...]]:
    """What of a scene's content training never shows.

    Args:
        labels: The labels of all things in the scene, repeats allowed. A tinted thing counts as
            the thing itself: where a key and a taxi are held out, so are a key and a green taxi.

    Returns:
        Held-out coloured shapes as 1-tuples and held-out pairs as sorted 2-tuples; empty if the
        scene may be trained on.
    """
    things = [BY_LABEL[label] for label in set(labels)]
    present = sorted({thing.noun if thing.tinted else thing.label for thing in things})
    alone = {(label,) for label in present if label in HELD_OUT_SHAPES}
    return frozenset(alone | {pair for pair in combinations(present, 2) if pair in HELD_OUT_PAIRS})

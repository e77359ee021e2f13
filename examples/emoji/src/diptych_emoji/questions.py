"""Questions about a scene with short answers, balanced so that blind guessing gains little."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable

import numpy as np
from attrs import frozen

from diptych_emoji.captions import Wordings, pick
from diptych_emoji.facts import clear_relations, denied_relations
from diptych_emoji.geometry import OPPOSITE
from diptych_emoji.phrases import COUNTS, article, plural
from diptych_emoji.scenes import Scene
from diptych_emoji.world import (
    COLOURED_SHAPES,
    HELD_OUT_SHAPES,
    OBJECTS,
    TINTED,
    Thing,
    find,
    held_out,
)


QUESTIONS = {
    "count": {
        "train": (
            "how many {p} are there?",
            "how many {p} do you see?",
            "count the {p}, how many?",
        ),
        "held-out": ("how many {p} are in the picture?", "count the {p} you see"),
    },
    "presence": {
        "train": (
            "is there {a}?",
            "is there {a} in the picture?",
            "do you see {a}?",
            "{a}, yes or no?",
        ),
        "held-out": ("is {a} in the picture?", "there is {a}, yes or no?"),
    },
    "colour": {
        "train": (
            "what colour is the {n}?",
            "which colour is the {n}?",
            "the {n} is what colour?",
        ),
        "held-out": ("what is the colour of the {n}?", "the {n} is which colour?"),
    },
    "relation": {
        "train": (
            "is the {x} {rel} the {y}?",
            "do you see the {x} {rel} the {y}?",
            "is the {x} {rel} the {y}, yes or no?",
        ),
        "held-out": (
            "the {x} is {rel} the {y}, yes or no?",
            "is the {x} in the picture {rel} the {y}?",
        ),
    },
    "side": {
        "train": (
            "is the {x} {rel} or {opposite} the {y}?",
            "the {x} is {rel} or {opposite} the {y}?",
        ),
        "held-out": ("in the picture is the {x} {rel} or {opposite} the {y}?",),
    },
}
KINDS = tuple(QUESTIONS)
_SHARES = np.cumsum((0.25, 0.3, 0.1, 0.2, 0.15))
_SHAPE_SHARE = 0.3  # of absent things that are coloured shapes, near misses aside


@frozen
class Question:
    """A question and its answer.

    Attributes:
        text: The question, lower-case.
        answer: "yes", "no", a count word, a colour, or a side ("left", "above", ...).
        kind: count, presence, colour, relation or side.
        form: The question with its things left out, for blind baselines.
        about: What the answer depends on: the question's words for it, and the labels they mean.
    """

    text: str
    answer: str
    kind: str
    form: str
    about: tuple[tuple[str, frozenset[str]], ...]


def _absent(scene: Scene, rng: np.random.Generator) -> str:
    """A label that the scene does not show, drawn so that no label is mostly absent or present.

    Where there are coloured things two in five are near misses: another colour of a noun shown or
    another noun of a colour shown, tinted where what is shown is. Training never asks for a
    held-out shape. Nobody asks for a taxi where a green one is shown.
    """
    shown = [find(label) for label in scene.counts]
    hidden = {thing.label for thing in shown} | {thing.noun for thing in shown if thing.tinted}
    if not held_out(scene.labels):
        hidden |= HELD_OUT_SHAPES
    coloured = [thing for thing in shown if thing.colour]
    if coloured and rng.random() < 0.4:
        one = coloured[int(rng.integers(len(coloured)))]
        others = TINTED if one.tinted else COLOURED_SHAPES
        pool = [thing for thing in others if _alike(thing, one)]
    else:
        pool = list(COLOURED_SHAPES if rng.random() < _SHAPE_SHARE else OBJECTS)
    return pick(rng, [thing.label for thing in pool if thing.label not in hidden])


def _alike(one: Thing, other: Thing) -> bool:
    """Whether two coloured things share their noun or their colour."""
    return one.noun == other.noun or one.colour == other.colour


def _count(scene: Scene, rng: np.random.Generator, form: str) -> Question | None:
    """How many of something, of a shape in any colour, or of all; some are absent."""
    if rng.random() < 0.1:
        everything = (("things", frozenset(scene.labels)),)
        return Question(
            form.format(p="things"), COUNTS[len(scene.labels)], "count", form, everything
        )
    label = _absent(scene, rng) if rng.random() < 0.25 else pick(rng, sorted(scene.counts))
    thing, words, meant = find(label), plural(label), frozenset({label})
    if thing.colour and rng.random() < 0.3:
        words, meant = thing.plural, _of_noun(scene, thing.noun)
    number = sum(shown in meant for shown in scene.labels)
    return Question(form.format(p=words), COUNTS[number], "count", form, ((words, meant),))


def _presence(scene: Scene, rng: np.random.Generator, form: str) -> Question | None:
    """Whether something is there; yes half of the time."""
    yes = rng.random() < 0.5
    label = pick(rng, sorted(scene.counts)) if yes else _absent(scene, rng)
    answer = "yes" if yes else "no"
    return Question(form.format(a=article(label)), answer, "presence", form, _each((label,)))


def _of_noun(scene: Scene, noun: str) -> frozenset[str]:
    """The labels in a scene that are of one shape, in any colour."""
    return frozenset(label for label in scene.labels if find(label).noun == noun)


def _colour(scene: Scene, rng: np.random.Generator, form: str) -> Question | None:
    """The colour of a thing that the scene shows once, in whatever colour."""
    coloured = [thing for thing in map(find, scene.labels) if thing.colour]
    nouns = Counter(thing.noun for thing in coloured)
    single = [thing for thing in coloured if nouns[thing.noun] == 1]
    if not single:
        return None
    thing = single[int(rng.integers(len(single)))]
    about = ((thing.noun, frozenset({thing.label})),)
    return Question(form.format(n=thing.noun), str(thing.colour), "colour", form, about)


def _pair(scene: Scene, rng: np.random.Generator) -> tuple[str, str] | None:
    """Two labels that the scene shows once each, in either order."""
    single = [label for label, count in scene.counts.items() if count == 1]
    if len(single) < 2:
        return None
    first, second = rng.permutation(len(single))[:2]
    return single[first], single[second]


def _each(labels: tuple[str, ...]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Labels that are meant by their own names."""
    return tuple((label, frozenset({label})) for label in labels)


def _relation(scene: Scene, rng: np.random.Generator, form: str) -> Question | None:
    """Whether one thing is on a given side of another; yes half of the time."""
    pair = _pair(scene, rng)
    if pair is None:
        return None
    yes = rng.random() < 0.5
    relations = (clear_relations if yes else denied_relations)(scene, *pair)
    if not relations:
        return None
    form = form.replace("{rel}", pick(rng, relations))
    answer = "yes" if yes else "no"
    return Question(form.format(x=pair[0], y=pair[1]), answer, "relation", form, _each(pair))


def _side(scene: Scene, rng: np.random.Generator, form: str) -> Question | None:
    """On which of two opposite sides one thing is of another."""
    pair = _pair(scene, rng)
    relations = clear_relations(scene, *pair) if pair else []
    if not pair or not relations:
        return None
    relation = pick(rng, relations)
    sides = [relation, OPPOSITE[relation]]
    first, second = sides if rng.random() < 0.5 else sides[::-1]
    form = form.replace("{rel}", first.removesuffix(" of")).replace("{opposite}", second)
    answer = relation.removesuffix(" of")
    return Question(form.format(x=pair[0], y=pair[1]), answer, "side", form, _each(pair))


_Maker = Callable[[Scene, np.random.Generator, str], Question | None]
_MAKERS: dict[str, _Maker] = {
    "count": _count,
    "presence": _presence,
    "colour": _colour,
    "relation": _relation,
    "side": _side,
}


def question(
    scene: Scene,
    rng: np.random.Generator,
    kind: str | None = None,
    wordings: Wordings = "train",
) -> Question | None:
    """Asks one question about a scene.

    Args:
        scene: The scene.
        rng: Source of chance.
        kind: One of `KINDS`; drawn if None.
        wordings: "train", or "held-out" for wordings that training never uses.

    Returns:
        The question, or None where a given kind cannot be asked of this scene (a colour without
        coloured shapes, a relation without two single things). With `kind` None never None.

    Raises:
        ValueError: No such kind or wordings.
    """
    if kind is not None and kind not in _MAKERS:
        near = difflib.get_close_matches(kind, KINDS, 1, 0)[0]
        raise ValueError(f"no question kind {kind!r}; did you mean {near!r}? One of {KINDS}.")
    if wordings not in ("train", "held-out"):
        raise ValueError(f"no wordings {wordings!r}; 'train' or 'held-out'.")
    if kind is not None:
        return _MAKERS[kind](scene, rng, pick(rng, QUESTIONS[kind][wordings]))
    while True:
        drawn = KINDS[int(np.searchsorted(_SHARES, rng.random() * _SHARES[-1], "right"))]
        found = _MAKERS[drawn](scene, rng, pick(rng, QUESTIONS[drawn][wordings]))
        if found is not None:
            return found


def questions(
    scene: Scene, rng: np.random.Generator, count: int, wordings: Wordings = "train"
) -> list[Question]:
    """Asks up to `count` different questions about a scene (fewer if chance repeats itself).

    Args:
        scene: The scene.
        rng: Source of chance.
        count: How many, at least 1.
        wordings: "train" or "held-out".

    Returns:
        Questions with different texts.
    """
    found: dict[str, Question] = {}
    for _ in range(4 * count):
        asked = question(scene, rng, wordings=wordings)
        if asked is not None:
            found.setdefault(asked.text, asked)
        if len(found) == count:
            break
    return list(found.values())

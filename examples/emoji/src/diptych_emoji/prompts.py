"""Prompts over the emoji world as GenEval records, and the official file when a user has it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from diptych_emoji.facts import CLEAR, relation_strengths
from diptych_emoji.geometry import RELATIONS
from diptych_emoji.phrases import counted, listed
from diptych_emoji.scenes import Scene
from diptych_emoji.world import COLOURED_SHAPES, NOUNS, OBJECTS, find, held_out


Record = dict[str, Any]
"""GenEval's keys: tag, include [class, count, color?, position?], exclude? [class, count] and
prompt."""

TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
UNSEEN_TAGS = ("two_object", "colors", "position", "color_attr")  # the others hold nothing unseen
PromptSplit = Literal["seen", "unseen"]


def required(label: str, count: int = 1, position: tuple[str, int] | None = None) -> Record:
    """One entry of a record's `include`.

    Args:
        label: Which thing.
        count: How many at least.
        position: A relation and the index of the earlier entry that it refers to.

    Returns:
        Keys class, count and, where they apply, color and position.
    """
    thing = find(label)
    entry: Record = {"class": thing.noun, "count": count}
    if thing.colour:
        entry["color"] = thing.colour
    if position:
        entry["position"] = list(position)
    return entry


def entry_label(entry: Record) -> str:
    """The label that an `include` entry names: "taxi", "red heart", or "heart" of any colour."""
    return f"{entry['color']} {entry['class']}" if "color" in entry else entry["class"]


def _record(tag: str, include: list[Record], shown: str) -> Record:
    """A record with GenEval's "a photo of ..." prompt."""
    return {"tag": tag, "include": include, "prompt": f"a photo of {shown}"}


def _counting(label: str, count: int) -> Record:
    """A counting record; one more than asked for is wrong, as in GenEval."""
    record = _record("counting", [required(label, count)], counted(label, count))
    noun = record["include"][0]["class"]
    record["exclude"] = [{"class": noun, "count": count + 1}]
    return record


def _position(first: str, relation: str, second: str) -> Record:
    """A record that asks for one thing on a side of another."""
    shown = f"{counted(first, 1)} {relation} {counted(second, 1)}"
    include = [required(second), required(first, position=(relation, 0))]
    return _record("position", include, shown)


def _together(tag: str, labels: tuple[str, str]) -> Record:
    """A record that asks for two things anywhere."""
    return _record(tag, [required(x) for x in labels], listed([counted(x, 1) for x in labels]))


def every(tag: str) -> Iterator[tuple[Record, list[str]]]:
    """All records of one category, with the labels that each needs.

    Args:
        tag: One of `TAGS`.

    Yields:
        A record and its labels. Pairs come in both orders.
    """
    objects = [thing.label for thing in OBJECTS]
    if tag == "single_object":
        for label in objects:
            yield _record(tag, [required(label)], counted(label, 1)), [label]
    elif tag == "counting":
        for label in objects:
            for count in (2, 3):
                yield _counting(label, count), [label]
    elif tag == "colors":
        for thing in COLOURED_SHAPES:
            yield _record(tag, [required(thing.label)], counted(thing.label, 1)), [thing.label]
    elif tag == "two_object":
        for pair in permutations(objects, 2):
            yield _together(tag, pair), list(pair)
    elif tag == "position":
        for first, second in permutations(objects, 2):
            for relation in RELATIONS:
                yield _position(first, relation, second), [first, second]
    elif tag == "color_attr":
        for one, other in permutations(COLOURED_SHAPES, 2):
            if one.noun != other.noun and one.colour != other.colour:
                labels = (one.label, other.label)
                yield _together(tag, labels), list(labels)
    else:
        raise ValueError(f"no prompt category {tag!r}; one of {TAGS}.")


def prompts(split: PromptSplit = "seen", per_tag: int = 50, seed: int = 0) -> list[Record]:
    """Draws prompts from each category.

    Args:
        split: "seen": nothing held out; "unseen": only held-out pairs and coloured shapes, in the
            four categories that have any (`UNSEEN_TAGS`).
        per_tag: How many per category at most; small categories give all that they have (seen:
            single_object 28, colors 19; unseen: colors 2).
        seed: Equal seeds give equal prompts.

    Returns:
        GenEval records, category by category.

    Raises:
        ValueError: There is no such split.
    """
    if split not in ("seen", "unseen"):
        raise ValueError(f"no prompt split {split!r}; 'seen' or 'unseen'.")
    rng = np.random.default_rng(seed)
    chosen = []
    for tag in TAGS:
        wanted = split == "unseen"
        pool = [record for record, labels in every(tag) if bool(held_out(labels)) == wanted]
        order = rng.permutation(len(pool))[:per_tag]
        chosen += [pool[index] for index in order]
    return chosen


def record_of(scene: Scene) -> Record:
    """The record that a scene fulfils; its tag is the scene's kind ("mixed" is not GenEval's).

    Args:
        scene: Any scene.

    Returns:
        A record that asks for all its things and, in position scenes, for their clearest relation.
    """
    counts = scene.counts
    if scene.kind == "position":
        second, first = counts
        found = relation_strengths(scene, first, second)
        relation = max(found, key=found.__getitem__)
        if found[relation] >= CLEAR:
            return _position(first, relation, second)
    if scene.kind == "counting":
        return _counting(*next(iter(counts.items())))
    shown = listed([counted(label, count) for label, count in counts.items()])
    return _record(scene.kind, [required(*item) for item in counts.items()], shown)


def nouns_of(record: Record) -> set[str]:
    """The classes that a record mentions."""
    entries = [*record["include"], *record.get("exclude", [])]
    return {entry["class"] for entry in entries}


def unknown_nouns(records: Iterable[Record]) -> list[str]:
    """The classes that the emoji world cannot draw, sorted: most of the official file's."""
    return sorted(set().union(*map(nouns_of, records)) - set(NOUNS))


def load_geneval(path: str | Path) -> list[Record]:
    """Reads GenEval's official `evaluation_metadata.jsonl` (not shipped: the user brings it).

    Args:
        path: The file, one JSON record a line.

    Returns:
        The records in file order.

    Raises:
        ValueError: A line is no GenEval record; its number and what it lacks are named.
    """
    records = []
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: not JSON ({error.msg}).") from error
        missing = [key for key in ("tag", "include", "prompt") if key not in record]
        if missing:
            raise ValueError(f"{path}, line {number}: a GenEval record needs {missing}.")
        records.append(record)
    return records

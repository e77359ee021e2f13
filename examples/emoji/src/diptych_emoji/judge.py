"""An independent judge: does a picture show what a GenEval record asks for?

Nothing in it is trained by this project. Connected components find the things, a frozen ImageNet
network names them by prototypes of *another* drawing style, hue names the colours of shapes, and
GenEval's rules decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from diptych_emoji.blobs import blobs, colour_name
from diptych_emoji.depict import depict
from diptych_emoji.eye import features, prototypes
from diptych_emoji.geometry import Box, holding
from diptych_emoji.prompts import Record, entry_label, unknown_nouns
from diptych_emoji.scenes import Layout, render
from diptych_emoji.world import HELD_OUT_STYLE, NOUNS, THINGS, TRAIN_STYLES


PROTOTYPE_STYLES = (HELD_OUT_STYLE,)  # for pictures drawn in the training styles
LEAST_SCORE = 0.2  # cosine below which a thing is nothing we know; real sprites reach 0.26 at least


@frozen
class Detection:
    """One thing found in a picture.

    Attributes:
        name: Its noun, one of `world.NOUNS`.
        color: Its nearest colour, or None if it is mostly grey. Meant for shapes.
        box: The pixels that it spans.
        score: Cosine to its prototype, in -1..1.
    """

    name: str
    color: str | None
    box: Box
    score: float


@frozen
class Verdict:
    """The judge's word on one picture.

    Attributes:
        correct: Whether the picture shows what was asked for.
        reason: Empty if correct, else everything that is wrong with it.
    """

    correct: bool
    reason: str


def styles_for(style: str) -> tuple[str, ...]:
    """The prototype styles for pictures of a style: never that style itself.

    Args:
        style: One of `sprites.STYLES`, or of the training styles for a generated picture.

    Returns:
        noto-v1 alone for the training styles; fluent and noto for noto-v1.
    """
    return TRAIN_STYLES if style == HELD_OUT_STYLE else PROTOTYPE_STYLES


def detect(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    styles: tuple[str, ...] = PROTOTYPE_STYLES,
) -> list[list[Detection]]:
    """Finds and names the things in pictures; all of them go through the network together.

    Args:
        images: Pictures uint8 [h w 3] on white, or one array uint8 [b h w 3].
        styles: Whose prototypes to compare with; never the style of the pictures.

    Returns:
        The detections of each picture, best first.

    Raises:
        ValueError: A picture has another type or shape.
    """
    for index, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(
                f"picture {index} is {image.dtype} {list(image.shape)}; expected uint8 [h w 3]."
            )
    found = [blobs(image) for image in images]
    similar = prototypes(styles).similarity(features([b.crop for every in found for b in every]))
    scores, names = similar.max(1) if len(similar) else (similar[:, 0], similar[:, 0].long())
    best = iter(zip(scores.tolist(), names.tolist(), strict=True))
    detections = []
    for every in found:
        named = [(blob, *next(best)) for blob in every]
        kept = [
            Detection(THINGS[name].noun, colour_name(blob), blob.box, score)
            for blob, score, name in named
            if score >= LEAST_SCORE
        ]
        detections.append(sorted(kept, key=lambda detection: -detection.score))
    return detections


def decide(found: Sequence[Detection], record: Record) -> Verdict:
    """Applies GenEval's rules to the things found in one picture.

    An entry of `include` needs at least `count` things of its class (and colour); extra things
    are forgiven unless `exclude` names them. A position must hold, by box centres, between every
    thing matched and every thing that the earlier entry matched. Unlike GenEval, the colour is
    looked for among all things of the class rather than the best-scored `count` of them.

    Args:
        found: What `detect` found.
        record: A GenEval record.

    Returns:
        The verdict.
    """
    wrong, matched = [], []
    for entry in record["include"]:
        fits = [
            detection
            for detection in found
            if detection.name == entry["class"] and entry.get("color") in (None, detection.color)
        ][: entry["count"]]
        matched.append(fits)
        if len(fits) < entry["count"]:
            wrong.append(f"expected {entry['count']} {entry_label(entry)}, found {len(fits)}")
        elif "position" in entry:
            relation, index = entry["position"]
            others = matched[index]
            if not others:
                wrong.append(f"nothing for {entry_label(entry)} to be {relation}")
            elif not all(relation in holding(a.box, b.box) for a in fits for b in others):
                target = entry_label(record["include"][index])
                wrong.append(f"{entry_label(entry)} is not {relation} {target}")
    for entry in record.get("exclude", ()):
        number = sum(detection.name == entry["class"] for detection in found)
        if number >= entry["count"]:
            wrong.append(f"expected fewer than {entry['count']} {entry['class']}, found {number}")
    return Verdict(not wrong, "; ".join(wrong))


def judge(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    records: Sequence[Record],
    styles: tuple[str, ...] = PROTOTYPE_STYLES,
) -> list[Verdict]:
    """Scores pictures against the records that they were made for.

    Args:
        images: Pictures uint8 [h w 3] on white, or one array uint8 [b h w 3].
        records: One GenEval record per picture, over the emoji world.
        styles: Whose prototypes to compare with; see `styles_for`.

    Returns:
        One verdict per picture.

    Raises:
        ValueError: The numbers differ, or a record names a class that the judge cannot know.
    """
    return list(map(decide, _checked_detections(images, records, styles), records))


def by_tag(records: Sequence[Record], verdicts: Sequence[Verdict]) -> dict[str, float]:
    """The share of correct pictures of each category, and "overall": GenEval's mean over tags.

    Args:
        records: The records judged.
        verdicts: Their verdicts.

    Returns:
        Shares in 0..1.
    """
    right = defaultdict(list)
    for record, verdict in zip(records, verdicts, strict=True):
        right[record["tag"]].append(verdict.correct)
    shares = {tag: float(np.mean(values)) for tag, values in right.items()}
    return shares | {"overall": float(np.mean(list(shares.values())))}


def real(
    records: Sequence[Record], style: str = "noto", seed: int = 0, layout: Layout = "slots"
) -> NDArray[np.uint8]:
    """Draws real pictures that fulfil records.

    Args:
        records: GenEval records over the emoji world; at least one.
        style: One of `sprites.STYLES`.
        seed: Equal seeds give equal pictures.
        layout: "slots" or "free".

    Returns:
        uint8 [b 64 64 3].
    """
    rng = np.random.default_rng(seed)
    return np.stack([render(depict(record, rng, style, layout)) for record in records])


def ceiling(records: Sequence[Record], style: str = "noto", seed: int = 0) -> Mapping[str, float]:
    """What the judge gives to real pictures of the records: no generator can count on more.

    Args:
        records: GenEval records over the emoji world.
        style: The drawing style of the real pictures; prototypes come from others.
        seed: Equal seeds give equal pictures.

    Returns:
        Shares in 0..1 by category, and "overall".
    """
    return by_tag(records, judge(real(records, style, seed), records, styles_for(style)))


def floor(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    records: Sequence[Record],
    styles: tuple[str, ...] = PROTOTYPE_STYLES,
    seed: int = 0,
    shuffles: int = 20,
) -> Mapping[str, float]:
    """What pictures get for records that they were not made for, shuffled over all categories.

    Args:
        images: Pictures uint8 [h w 3], real or generated, one per record.
        records: The records that they were made for; at least two.
        styles: Whose prototypes to compare with.
        seed: Of the shuffles, which give no picture its own record.
        shuffles: How many to average; the pictures are looked at once.

    Returns:
        Shares in 0..1 by category of the record, and "overall".
    """
    found = _checked_detections(images, records, styles)
    rng = np.random.default_rng(seed)
    verdicts = []
    for _ in range(shuffles):
        order = rng.permutation(len(records))
        partner = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
        verdicts += [decide(found[partner[i]], record) for i, record in enumerate(records)]
    return by_tag(list(records) * shuffles, verdicts)


def _checked_detections(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    records: Sequence[Record],
    styles: tuple[str, ...],
) -> list[list[Detection]]:
    """Detects, after checking that pictures and records belong together and can be judged."""
    if len(images) != len(records):
        raise ValueError(f"{len(images)} pictures but {len(records)} records.")
    unknown = unknown_nouns(records)
    if unknown:
        raise ValueError(
            f"the emoji judge does not know {', '.join(unknown[:5])}; it knows {', '.join(NOUNS)}."
        )
    return detect(images, styles)

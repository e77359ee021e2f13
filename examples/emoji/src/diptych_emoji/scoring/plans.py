"""What a model thinks before it paints: whether its plan is what was asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import frozen

from diptych.eval.score import Score, fraction
from diptych.model import UnifiedModel
from diptych_emoji.prompts import Record, entry_label, prompts
from diptych_emoji.scoring.seeds import own_seeds
from diptych_emoji.thoughts import Place, planned


if TYPE_CHECKING:
    from diptych_emoji.metrics import Plans


@frozen
class PlansMetric:
    """Reads one thought a prompt; nothing is painted."""

    spec: Plans

    def score(self, model: UnifiedModel, seed: int) -> list[Score]:
        """Return the share of plans that hold what was asked for and nothing else, and each category's."""
        records = prompts(self.spec.split, self.spec.per_tag, seed)
        seeds = own_seeds(seed, len(records))
        thoughts = model.think([record["prompt"] for record in records], seed=seeds, batch=64)
        name = "plans" if self.spec.split == "seen" else f"plans-{self.spec.split}"
        right = [
            (record["tag"], fulfils(planned(thought), record))
            for record, thought in zip(records, thoughts, strict=True)
        ]
        tags = dict.fromkeys(tag for tag, _ in right)
        each = [
            fraction(f"{name}/{tag}", [hit for own, hit in right if own == tag]) for tag in tags
        ]
        overall = sum(score.value for score in each) / len(each)
        return [Score(name, overall, len(records)), *each]


def fulfils(plan: list[tuple[Place, str]] | None, record: Record) -> bool:
    """Say whether a plan holds a record's things, as many as it asks for, each in a place of its own.

    Where the record asks for a relation, the places must stand in it.
    """
    if plan is None or len({place for place, _ in plan}) < len(plan):
        return False
    entries = record["include"]
    asked = Counter({entry_label(entry): entry["count"] for entry in entries})
    if Counter(label for _, label in plan) != asked:
        return False
    where = {label: place for place, label in plan}
    return all(
        _stands(where[entry_label(entry)], *_relation(entry, entries, where))
        for entry in entries
        if "position" in entry
    )


def _relation(entry: Record, entries: list[Record], where: dict[str, Place]) -> tuple[str, Place]:
    relation, index = entry["position"]
    return relation, where[entry_label(entries[index])]


def _stands(one: Place, relation: str, other: Place) -> bool:
    (below, right), (other_below, other_right) = one, other
    return {
        "left of": right < other_right,
        "right of": right > other_right,
        "above": below < other_below,
        "below": below > other_below,
    }[relation]

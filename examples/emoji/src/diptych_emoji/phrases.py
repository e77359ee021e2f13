"""English for things and counts: "an umbrella", "two red hearts"."""

from __future__ import annotations

from collections.abc import Sequence

from diptych_emoji.world import find


COUNTS = ("zero", "one", "two", "three")


def article(words: str) -> str:
    """The words with "a" or "an" before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(label: str) -> str:
    """The plural of a label: "taxi" -> "taxis", "red heart" -> "red hearts"."""
    thing = find(label)
    return f"{thing.colour} {thing.plural}" if thing.colour else thing.plural


def counted(label: str, count: int, one: bool = False) -> str:
    """A noun phrase.

    Args:
        label: Which thing.
        count: How many, 1..3.
        one: Say "one key" rather than "a key".

    Returns:
        For instance "a key", "one key" or "two keys".

    Raises:
        ValueError: The count has no word here.
    """
    if not 1 <= count < len(COUNTS):
        raise ValueError(f"cannot say {count} of {label!r}: counts are 1..{len(COUNTS) - 1}.")
    if count > 1:
        return f"{COUNTS[count]} {plural(label)}"
    return f"one {label}" if one else article(label)


def listed(parts: Sequence[str]) -> str:
    """Joins noun phrases: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

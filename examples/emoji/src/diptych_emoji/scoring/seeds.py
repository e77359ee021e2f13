"""The seeds of pictures that are scored: one bad draw must not count for every prompt."""

from __future__ import annotations


def own_seeds(seed: int, prompts: int, each: int = 1) -> range:
    """Give each of so many prompts the first of `each` seeds of its own, those of other `seed`s apart."""
    first = 10_000 * seed
    return range(first, first + prompts * each, each)

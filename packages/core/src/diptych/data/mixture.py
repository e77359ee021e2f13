"""Several data sources as one endless stream, addressed by index."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from diptych.data.sample import Sample
from diptych.errors import DataError


class Mixture:
    """Draws from sources by weight. Sample i is a function of the seed and i alone, so resuming is just counting."""

    def __init__(self, sources: Mapping[str, Any], weights: Mapping[str, float], seed: int) -> None:
        """Join built datasets.

        Raises:
            DataError: if a weight names no source, is negative, or all are zero.
        """
        unknown = [name for name in weights if name not in sources]
        if unknown:
            raise DataError(f"mixture names '{unknown[0]}', which is not under `data`: {', '.join(sources) or 'none'}")
        if any(weight < 0 for weight in weights.values()) or not sum(weights.values()) > 0:
            raise DataError("mixture weights must not be negative, and one must be above 0")
        self._names = list(weights)
        self._sources = sources
        total = sum(weights.values())
        self._edges = np.cumsum([weights[name] / total for name in self._names])
        self._seed = seed

    def sample(self, index: int) -> Sample:
        """Return sample `index` of the stream."""
        draw = np.random.default_rng((self._seed, index)).random()
        name = self._names[min(int(np.searchsorted(self._edges, draw, side="right")), len(self._names) - 1)]
        source = self._sources[name]
        if hasattr(source, "__len__"):
            epoch, place = divmod(index, len(source))
            return source.sample(int(_shuffled(len(source), self._seed, epoch)[place]))
        return source.sample(index)

    def batch(self, step: int, size: int) -> list[Sample]:
        """Return the samples of a step."""
        return [self.sample(step * size + row) for row in range(size)]


@lru_cache(maxsize=8)
def _shuffled(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, length)).permutation(length)

"""A suite: the metrics to score a model with. Frozen data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from attrs import frozen, validators

from diptych.spec.part import PartSpec, Slot, setting


@frozen
class Suite:
    """Metrics by a name of yours."""

    name: str = setting("the suite's name")
    metrics: Mapping[str, Annotated[PartSpec, Slot("metric")]] = setting("what to measure", check=validators.min_len(1))

"""What sampling is asked for, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Generator, Tensor

from diptych.errors import RequestError


def check_request(
    condition: Tensor,
    mask: Tensor | None,
    generators: Sequence[Generator],
    null: tuple[Tensor, Tensor] | None,
) -> None:
    """Refuse a request whose pieces are not for the same samples.

    Torch would stretch one row over all samples, and give them the same noise.

    Args:
        condition: `b q d`.
        mask: its real tokens `b q`, or None.
        generators: one a sample.
        null: condition and mask of negative prompts, as the others, or None.

    Raises:
        RequestError: saying what does not fit what.
    """
    count = len(condition)
    if not count:
        raise RequestError(
            "there is nothing to sample: the condition has no rows; give one or more"
        )
    if len(generators) != count:
        raise RequestError(
            f"{_samples(count)}, but the number of generators is {len(generators)}; each sample "
            "has its own, as `diptych.seeds.generators(seeds)` makes them"
        )
    away, away_mask = null or (None, None)
    for name, given, wanted in (
        ("mask", mask, condition.shape[:2]),
        ("null condition of negative prompts", away, condition.shape),
        ("mask of negative prompts", away_mask, condition.shape[:2]),
    ):
        if given is not None and given.shape != wanted:
            raise RequestError(
                f"the {name} is {list(given.shape)}, but belongs to a condition "
                f"{list(condition.shape)} and has to be {list(wanted)}; pad all to one length"
            )


def _samples(count: int) -> str:
    return (
        "the condition is of one sample" if count == 1 else f"the condition is of {count} samples"
    )

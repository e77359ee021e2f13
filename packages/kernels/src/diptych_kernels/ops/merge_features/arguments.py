"""What ``merge_features`` accepts."""

from itertools import pairwise

import torch
from torch import Tensor

from diptych_kernels import checks


NAME = "merge_features"
MOST_SPANS = 1024  # of which every program of the kernels looks at all


def check(embeds: Tensor, features: Tensor, spans: Tensor) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    checks.floating_tensor(NAME, "embeds", embeds)
    checks.floating_tensor(NAME, "features", features)
    if embeds.dim() != 3:
        raise ValueError(f"{NAME}: embeds must have shape 'b s d', got {list(embeds.shape)}")
    if features.dim() < 2 or features.shape[-1] != embeds.shape[-1]:
        raise ValueError(
            f"{NAME}: features must have shape '... d' with d = {embeds.shape[-1]} (embeds is "
            f"{list(embeds.shape)}), got {list(features.shape)}"
        )
    checks.same_device(NAME, "features", features, "embeds", embeds.device)
    if spans.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{NAME}: spans must be int64 or int32, got {spans.dtype}")
    if spans.dim() != 2 or spans.shape[1] != 3:
        raise ValueError(
            f"{NAME}: spans must have shape 'j 3', a row, start and length for each picture, got "
            f"{list(spans.shape)}"
        )
    if spans.device.type != "cpu":
        checks.same_device(NAME, "spans", spans, "embeds", embeds.device)


def check_values(spans: Tensor, batch: int, length: int, tokens: int) -> None:
    """Raises ``ValueError`` for spans, on the CPU, that lie outside, overlap or do not fit."""
    taken: dict[int, list[tuple[int, int, int]]] = {}
    total = 0
    for number, (row, start, count) in enumerate(spans.tolist()):
        if not (0 <= row < batch and start >= 0 and count >= 0 and start + count <= length):
            raise ValueError(
                f"{NAME}: spans[{number}] is row {row}, start {start}, length {count}, which is "
                f"not within the {batch} rows of length {length} of embeds"
            )
        total += count
        if count:
            taken.setdefault(row, []).append((start, start + count, number))
    if total != tokens:
        raise ValueError(
            f"{NAME}: the spans hold {total} tokens in all, features has {tokens}: each needs one"
        )
    for in_row in taken.values():
        in_row.sort()
        for (_, end, one), (start, _, other) in pairwise(in_row):
            if start < end:
                raise ValueError(f"{NAME}: spans[{one}] and spans[{other}] overlap")

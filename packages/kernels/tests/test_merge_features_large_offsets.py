"""Offsets beyond 2^31 elements, in address space that is never touched."""

import pytest
import torch
from kernel_tests.devices import INTERPRETED
from kernel_tests.far_apart import far_apart, untouched_memory

from diptych_kernels import merge_features


@pytest.mark.skipif(not INTERPRETED, reason="needs the interpreter, which touches no page twice")
@pytest.mark.parametrize(
    ("argument", "axis"),
    [("embeds", 0), ("embeds", 1), ("embeds", 2), ("features", 0), ("features", 1)],
)
def test_entries_far_apart(argument: str, axis: int) -> None:
    random = torch.Generator().manual_seed(0)
    shape = [1, 1, 3]
    shape[axis if argument == "embeds" else 1] = 3
    if argument == "embeds" and axis == 2:
        shape = [1, 3, 3]
    embeds = torch.randn(shape, generator=random).bfloat16()
    features = torch.randn(3, 3, generator=random).bfloat16()
    spans = [(0, 0, 1), (shape[0] - 1, shape[1] - 1, 1)][: 2 if max(shape[:2]) > 1 else 1]
    near = {"embeds": embeds, "features": features[3 - len(spans) :]}
    if argument == "features":
        spans = [(0, 0, 3)]
        near["features"] = features
    far = near | {argument: far_apart(near[argument], axis)}
    with untouched_memory():
        one, other = (
            merge_features(**tensors, spans=spans, implementation="triton")
            for tensors in (near, far)
        )
        assert torch.equal(one, other)

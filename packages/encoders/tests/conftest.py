"""Every test on one thread, so that the suite shares a machine well; and a fixture that measures parity."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor


torch.set_num_threads(1)
Parity = Callable[..., None]


@pytest.fixture
def parity(record_property: Callable[[str, object], None]) -> Parity:
    """Compare with a source of truth, and note the largest error for docs/parity-encoders.md.

    `parity(part, source, what, ours, theirs, atol=1e-5)`. Several tensors by name (gradients) are compared as shares of
    the largest number among them.
    """

    def compare(
        part: str,
        source: str,
        what: str,
        ours: Tensor | Mapping[str, Tensor],
        theirs: Tensor | Mapping[str, Tensor],
        *,
        atol: float = 1e-5,
    ) -> None:
        if isinstance(ours, Tensor):
            ours, theirs, scale = {"": ours}, {"": theirs}, 1.0
        else:
            scale = max(float(each.detach().abs().max()) for each in theirs.values())
            assert scale > 0
        assert ours.keys() == theirs.keys()
        error = 0.0
        for name, value in ours.items():
            assert value.shape == theirs[name].shape, name
            error = max(error, float((value - theirs[name]).detach().abs().max()) / scale)
        record_property("parity", [part, source, what, error, atol])
        assert error <= atol, f"{what}: {error:.1e} > {atol:.0e}"

    return compare

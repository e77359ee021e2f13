"""What Diptych asks of every part, asked of ours: a new part is one more line in EXAMPLES."""

from __future__ import annotations

import pytest
import torch

from diptych.testing import Check, Example, cases, name_of_case
from diptych_template.conv_patches import ConvPatches
from diptych_template.gaussian import Gaussian


torch.set_num_threads(1)

SIZES = {"condition_width": 6, "channels": 5, "height": 2, "width": 3}
EXAMPLES = [
    Example(ConvPatches(image_size=8, patch_size=4, hidden=4, width=6)),
    Example(Gaussian(hidden=8, **SIZES)),
    Example(Gaussian(hidden=8, spread=0.0, **SIZES), note="without-spread"),
]


@pytest.mark.parametrize(("check", "example"), cases(EXAMPLES), ids=name_of_case)
def test_contract(check: Check, example: Example) -> None:
    check(example)

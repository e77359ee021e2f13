"""The mean over real tokens that networks take of a condition."""

import pytest
import torch
from head_cases.small import normal

from diptych_heads.networks.attention import masked_mean


@pytest.mark.parametrize("cast", [False, True])
def test_a_mean_of_many_large_tokens_is_finite_in_half_precision(cast):
    x, mask = 300 + normal(2, 500, 4), torch.ones(2, 500, dtype=torch.bool)
    mask[0, 100:] = False
    short = x if cast else x.half()
    with torch.autocast("cpu", torch.float16, enabled=cast):
        found = masked_mean(short, mask), masked_mean(short[1:], None)
    wanted = torch.stack([x[0, :100].mean(0), x[1].mean(0)])
    torch.testing.assert_close(found[0].float(), wanted, atol=0.3, rtol=0)
    torch.testing.assert_close(found[1].float(), wanted[1:], atol=0.3, rtol=0)
    assert {each.dtype for each in found} == {short.dtype}
